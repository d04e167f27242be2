//! Encoder, local model and policy: whether they load and fit, which they are, and whether their files are the pinned ones.

use std::path::Path;

use super::Finding;
use crate::config::Config;
use crate::local::LocalSource;
use crate::lock::{Lock, Pin};
use crate::shell::inspect_models;

const PART: &str = "model";

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let config = config.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let found = inspect_models(&config);
        let models = found.models.into_iter().map(|model| Finding::ok(PART, model));
        let faults = found.faults.into_iter().map(|fault| Finding::fail(PART, fault));
        models.chain(faults).chain(files(&config)).collect()
    });
    looked.await.unwrap_or_else(|fault| {
        vec![Finding::fail(PART, format!("looking at the models broke off ({fault}); please report this"))]
    })
}

/// The hash of the local model, and of every folder that was pulled whether it still holds what was pulled.
fn files(config: &Config) -> Vec<Finding> {
    let mut folders = vec![config.models.encoder.clone()];
    let file = match &config.models.lm {
        Some(LocalSource::Folder(folder)) => {
            folders.push(folder.clone());
            Some(folder.join("onnx/model.onnx"))
        }
        Some(LocalSource::Gguf(file)) => Some(file.clone()),
        Some(LocalSource::Server(_)) | None => None,
    };
    file.as_deref().and_then(hashed).into_iter().chain(folders.iter().flat_map(|folder| pinned(folder))).collect()
}

/// None where it cannot be read, which loading it has told.
fn hashed(file: &Path) -> Option<Finding> {
    let pin = Pin::of(file).ok()?;
    Some(Finding::ok(PART, format!("lm {}", pin.sha256)))
}

fn pinned(folder: &Path) -> Vec<Finding> {
    match Lock::read(folder) {
        Ok(None) => Vec::new(),
        Ok(Some(lock)) => {
            let faults = lock.faults(folder);
            if faults.is_empty() {
                vec![Finding::ok(PART, format!("{}: as pulled, {}@{}", folder.display(), lock.id, lock.revision))]
            } else {
                faults.into_iter().map(|fault| Finding::fail(PART, fault)).collect()
            }
        }
        Err(fault) => vec![Finding::fail(PART, fault.to_string())],
    }
}
