//! A GGUF file that was checked and is not loaded.

use std::path::{Path, PathBuf};

use trimtab_engine::{Card, GgufHeader, ModelError};

use crate::GgufModel;
use crate::model::BATCH;

/// Most tokens that prompt and answer have together, unless options say otherwise: more than a robot is told in a turn.
pub const CONTEXT: usize = 2048;
/// Most threads that compute.
pub const THREADS_MAX: u32 = 64;
/// Bytes of buffers that do not depend on the model.
const FIXED_BYTES: u64 = 4 << 20;

/// How a model is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GgufOptions {
    /// Threads that compute, at most [`THREADS_MAX`].
    pub threads: u32,
    /// Most tokens that prompt and answer may have together; no more than the model was trained on are used.
    pub context: usize,
}

impl Default for GgufOptions {
    fn default() -> Self {
        Self { threads: 1, context: CONTEXT }
    }
}

/// A file whose header was read and checked.
#[derive(Clone, Debug)]
pub struct GgufFile {
    pub(crate) path: PathBuf,
    pub(crate) header: GgufHeader,
    pub(crate) card: Card,
    pub(crate) options: GgufOptions,
}

impl GgufFile {
    /// Reads the header, and the `card.json` beside the file if there is one.
    pub fn open(path: &Path, options: GgufOptions) -> Result<Self, ModelError> {
        let header = GgufHeader::load(path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let options = GgufOptions {
            threads: options.threads.clamp(1, THREADS_MAX),
            context: options.context.clamp(1, header.context),
        };
        Ok(Self { path: path.into(), card: Card::read(folder)?, header, options })
    }

    /// What the header says.
    #[must_use]
    pub const fn header(&self) -> &GgufHeader {
        &self.header
    }

    /// Bytes that the loaded weights take.
    #[must_use]
    pub const fn loaded_bytes(&self) -> u64 {
        self.header.weight_bytes
    }

    /// Bytes that one generation takes on top when its context is full: its cache and the buffers it computes in.
    #[must_use]
    pub fn cache_bytes_max(&self) -> u64 {
        let GgufHeader { vocabulary, width, inner, heads, .. } = self.header;
        let step = vocabulary + 8 * width + 4 * inner + 2 * heads * self.options.context;
        self.header.cache_bytes(self.options.context) + (step * BATCH * size_of::<f32>()) as u64 + FIXED_BYTES
    }

    /// Loads the weights.
    pub fn load(self) -> Result<GgufModel, ModelError> {
        GgufModel::load(self)
    }
}
