//! What a recalibration adds to an encoder's folder. Neither file is part of the encoder's fingerprint.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use trimtab_engine::JSON_BYTES_MAX;

use super::{RecalibrateError, Recalibrated, read};

/// Writes calibration and task head into the folder of the new encoder, those that were fitted; says which files.
///
/// # Errors
/// A file that cannot be read or written.
pub fn complete(folder: &Path, made: &Recalibrated) -> Result<Vec<PathBuf>, RecalibrateError> {
    let mut written = Vec::new();
    if let Some(calibration) = made.calibration {
        let path = folder.join("config.json");
        let refuse =
            |error: serde_json::Error| RecalibrateError::Material { path: path.clone(), what: error.to_string() };
        let mut config: Map<String, Value> = serde_json::from_slice(&read(&path, JSON_BYTES_MAX)?).map_err(refuse)?;
        config.insert("logit_scale".into(), calibration.scale.into());
        config.insert("logit_bias".into(), calibration.bias.into());
        let text = serde_json::to_string_pretty(&config).map_err(refuse)?;
        written.push(write(path.clone(), format!("{text}\n").as_bytes())?);
    }
    if let Some(head) = &made.head {
        let path = folder.join("task_head.json");
        let refuse =
            |error: serde_json::Error| RecalibrateError::Material { path: path.clone(), what: error.to_string() };
        let text = serde_json::to_string(head).map_err(refuse)?;
        written.push(write(path.clone(), format!("{text}\n").as_bytes())?);
    }
    Ok(written)
}

fn write(path: PathBuf, contents: &[u8]) -> Result<PathBuf, RecalibrateError> {
    crate::whole::write(&path, contents).map_err(|source| RecalibrateError::Io {
        path: path.clone(),
        what: "written",
        source,
    })?;
    Ok(path)
}
