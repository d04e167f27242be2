//! `trimtab-lock.json`: which revision of a model a folder holds, and the sha256 of every file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The lock's file.
pub(crate) const LOCK_FILE: &str = "trimtab-lock.json";
/// Most files that a lock may name.
const FILES_MAX: usize = 256;
/// Largest lock, bytes.
const LOCK_BYTES_MAX: u64 = 1 << 20;
const BLOCK_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lock {
    pub(crate) id: String,
    pub(crate) revision: String,
    pub(crate) files: BTreeMap<String, Pin>,
}

/// What a file must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// 64 hexadecimal digits, lower case.
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

/// Why a lock is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("{path}: cannot be read or written ({cause}); check its permissions")]
    File { path: String, cause: io::Error },
    #[error("{path}: not a lock ({cause}); pull the model again")]
    Json { path: String, cause: serde_json::Error },
    #[error("{path}: {problem}; pull the model again")]
    Content { path: String, problem: String },
}

impl Lock {
    /// Reads a folder's lock; none where there is none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, LockError> {
        let place = folder.join(LOCK_FILE);
        let path = place.display().to_string();
        let mut text = String::new();
        match File::open(&place).and_then(|file| file.take(LOCK_BYTES_MAX).read_to_string(&mut text)) {
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(LockError::File { path, cause }),
        }
        let lock: Self = serde_json::from_str(&text).map_err(|cause| LockError::Json { path: path.clone(), cause })?;
        let stray = |name: &&String| !Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if let Some(name) = lock.files.keys().find(stray) {
            let problem = format!("{name:?} is not a path inside the folder");
            return Err(LockError::Content { path, problem });
        }
        if lock.files.len() > FILES_MAX {
            let problem = format!("it names {} files, more than {FILES_MAX}", lock.files.len());
            return Err(LockError::Content { path, problem });
        }
        Ok(Some(lock))
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<(), LockError> {
        let place = folder.join(LOCK_FILE);
        let path = place.display().to_string();
        let text = serde_json::to_vec(self).map_err(|cause| LockError::Json { path: path.clone(), cause })?;
        std::fs::write(&place, text).map_err(|cause| LockError::File { path, cause })
    }

    /// What is wrong with the folder's files, one sentence each.
    pub(crate) fn faults(&self, folder: &Path) -> Vec<String> {
        let fault = |(name, pin): (&String, &Pin)| {
            let path = folder.join(name);
            let place = path.display();
            match Pin::of(&path) {
                Ok(found) if found == *pin => None,
                Ok(found) => Some(format!(
                    "{place}: sha256 {} with {} bytes, but {LOCK_FILE} pins {} with {}; pull the model again",
                    found.sha256, found.bytes, pin.sha256, pin.bytes
                )),
                Err(cause) => Some(format!("{place}: cannot be read ({cause}); pull the model again")),
            }
        };
        self.files.iter().filter_map(fault).collect()
    }
}

impl Pin {
    /// What a file is.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut block = vec![0; BLOCK_BYTES];
        let mut bytes = 0;
        loop {
            let count = file.read(&mut block)?;
            if count == 0 {
                return Ok(Self { sha256: hex(&hash.finalize()), bytes });
            }
            hash.update(&block[..count]);
            bytes += count as u64;
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
