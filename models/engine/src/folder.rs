//! Reads the files of a model folder, each with a bound on its size.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::ModelError;

/// Largest JSON file read: tokenizers of full-size models have a few megabytes.
pub const JSON_BYTES_MAX: u64 = 64 << 20;
/// Largest ONNX file read: the limit of the protobuf format.
pub const ONNX_BYTES_MAX: u64 = (2 << 30) - 1;

/// What the name of a file of weights has after that of the ONNX file that it belongs to, as exporters call it.
const WEIGHTS_SUFFIX: &str = "_data";
/// Bytes that are hashed at a time.
const PIECE: usize = 1 << 16;

/// A model folder in the Hugging Face layout.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    contents: &'static str,
}

impl Folder {
    /// `contents` says in errors what a folder of this kind holds.
    pub(crate) fn open(path: &Path, contents: &'static str) -> Result<Self, ModelError> {
        let folder = Self { path: path.into(), contents };
        if path.is_dir() { Ok(folder) } else { Err(folder.missing(path.into())) }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, file: &str) -> Result<T, ModelError> {
        let path = self.path(file);
        let bytes = self.bytes(file, JSON_BYTES_MAX)?;
        serde_json::from_slice(&bytes).map_err(|source| ModelError::Json { path, source })
    }

    /// As [`Folder::json`], or `None` when the file is not there.
    pub(crate) fn json_if_present<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>, ModelError> {
        if self.path(file).exists() { self.json(file).map(Some) } else { Ok(None) }
    }

    /// Where a file that must be there is.
    pub(crate) fn file(&self, file: &str) -> Result<PathBuf, ModelError> {
        let path = self.path(file);
        if path.exists() { Ok(path) } else { Err(self.missing(path)) }
    }

    /// Identity of the named files, each at most [`ONNX_BYTES_MAX`] long, and of the weights that stand beside one in a file of
    /// their own; read piece by piece.
    pub(crate) fn fingerprint(&self, files: &[&str]) -> Result<Fingerprint, ModelError> {
        let mut hash = Sha256::new();
        for name in files {
            let path = self.file(name)?;
            let have = path.metadata().map_err(|source| ModelError::Read { path: path.clone(), source })?.len();
            if have > ONNX_BYTES_MAX {
                return Err(ModelError::TooLarge { path, have, limit: ONNX_BYTES_MAX });
            }
            digest(&mut hash, name, &path)?;
            let beside = format!("{name}{WEIGHTS_SUFFIX}");
            if self.path(&beside).exists() {
                digest(&mut hash, &beside, &self.path(&beside))?;
            }
        }
        Ok(Fingerprint(hash.finalize().into()))
    }

    pub(crate) fn bytes(&self, file: &str, limit: u64) -> Result<Vec<u8>, ModelError> {
        read(&self.file(file)?, limit)
    }

    fn missing(&self, path: PathBuf) -> ModelError {
        ModelError::Missing { path, remedy: format!("the folder must hold {}", self.contents) }
    }
}

/// Reads a whole file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    let failed = |source| ModelError::Read { path: path.into(), source };
    let file = File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => {
            ModelError::Missing { path: path.into(), remedy: "check the path in the configuration".into() }
        }
        _ => failed(source),
    })?;
    let have = file.metadata().map_err(failed)?.len();
    if have > limit {
        return Err(ModelError::TooLarge { path: path.into(), have, limit });
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Identity of a model: the sha256 over the named files, each preceded by its name and length.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of files given as (name, contents), in this order.
    pub(crate) fn of(files: &[(&str, &[u8])]) -> Self {
        let mut hash = Sha256::new();
        for (name, contents) in files {
            begin(&mut hash, name, contents.len() as u64);
            hash.update(contents);
        }
        Self(hash.finalize().into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Hashes a file, piece by piece.
fn digest(hash: &mut Sha256, name: &str, path: &Path) -> Result<(), ModelError> {
    let failed = |source| ModelError::Read { path: path.into(), source };
    let mut file = File::open(path).map_err(failed)?;
    begin(hash, name, file.metadata().map_err(failed)?.len());
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => return Ok(()),
            count => hash.update(&piece[..count]),
        }
    }
}

/// What stands before a file's contents.
fn begin(hash: &mut Sha256, name: &str, length: u64) {
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
    hash.update(length.to_le_bytes());
}

impl std::fmt::Display for Fingerprint {
    /// 64 hexadecimal digits, lower case.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
