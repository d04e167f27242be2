//! Tables as files: one JSON array of dialogues, or a folder of them, one shard a seed. A shard is written whole.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::locate::locate;
use super::{DatasetError, Dialogue};

/// Largest table file in bytes.
pub const TABLE_BYTES_MAX: u64 = 256 << 20;
/// Most files of one table.
pub const TABLE_FILES_MAX: usize = 10_000;

/// The dialogues of files and folders, each with the file it came from, and the sha256 over the files' contents.
pub struct Loaded {
    /// The dialogues, file by file.
    pub dialogues: Vec<(PathBuf, Dialogue)>,
    /// In hexadecimal.
    pub sha256: String,
}

/// Reads every dialogue of the given files and folders (the `*.json` in them, by name). Checks the form, not the sense.
pub fn read_dialogues(paths: &[PathBuf]) -> Result<Loaded, DatasetError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(shards(path)?);
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() || files.len() > TABLE_FILES_MAX {
        let what = format!(
            "{} table files; give 1 to {TABLE_FILES_MAX}, or collect some with trimtab-lab collect",
            files.len()
        );
        let path = paths.first().cloned().unwrap_or_default();
        return Err(DatasetError::Size { path, what });
    }
    let mut hash = Sha256::new();
    let mut dialogues = Vec::new();
    for path in files {
        let io = |what| {
            let path = path.clone();
            move |source| DatasetError::Io { path, what, source }
        };
        let length = fs::metadata(&path).map_err(io("open"))?.len();
        if length > TABLE_BYTES_MAX {
            let what = format!("{length} bytes; a table file has at most {TABLE_BYTES_MAX}: split it");
            return Err(DatasetError::Size { path, what });
        }
        let bytes = fs::read(&path).map_err(io("read"))?;
        hash.update(&bytes);
        let found: Vec<Dialogue> = serde_json::from_slice(&bytes).map_err(|source| refusal(&path, &bytes, source))?;
        dialogues.extend(found.into_iter().map(|dialogue| (path.clone(), dialogue)));
    }
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Loaded { dialogues, sha256 })
}

/// Names dialogue, turn and field where the bytes tell them.
fn refusal(path: &Path, bytes: &[u8], source: serde_json::Error) -> DatasetError {
    let located = locate(bytes, source.line(), source.column());
    let path = path.into();
    match located.dialogue {
        Some(dialogue) => DatasetError::Schema { path, dialogue, turn: located.turn, field: located.field, source },
        None => DatasetError::Json { path, source },
    }
}

fn shards(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let io = |source| DatasetError::Io { path: folder.into(), what: "list", source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|ext| ext == "json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Where the dialogue of `seed` is kept in a table folder.
#[must_use]
pub fn shard_path(folder: &Path, seed: u64) -> PathBuf {
    folder.join(format!("seed-{seed:06}.json"))
}

/// Writes one dialogue as the shard of `seed`, whole or not at all.
pub fn write_shard(folder: &Path, seed: u64, dialogue: &Dialogue) -> Result<(), DatasetError> {
    let path = shard_path(folder, seed);
    let json = serde_json::to_vec(&[dialogue]).map_err(|source| DatasetError::Json { path: path.clone(), source })?;
    crate::whole::write(&path, &json).map_err(|source| DatasetError::Io { path, what: "write", source })
}
