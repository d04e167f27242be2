//! The language model that answers on this device: a folder that tract runs, a GGUF file that llama.cpp runs in this
//! process, or a server in another process of the same board. All three sit behind
//! [`LocalModel`](trimtab_engine::LocalModel), so that holds and cancellation are the same for all.

mod address;
mod chunk;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimtab_core::Bytes;
use trimtab_engine::{Card, LanguageModel, LocalModel, ModelError};

pub use address::ServerAddress;
pub use server::{ANSWER_BYTES_MAX, CONNECT_MAX, LINE_BYTES_MAX, SILENCE_MAX, ServerModel};

/// Where the local model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalSource {
    /// A folder in the Hugging Face layout.
    Folder(PathBuf),
    /// A GGUF file.
    Gguf(PathBuf),
    /// An OpenAI-compatible server on this board.
    Server(ServerAddress),
}

/// How the local model is run, where its engine leaves a choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalOptions {
    /// The model's name at a server that has several.
    pub model: Option<String>,
    /// Threads that compute; none: one in this process, and every core of the board for a server.
    pub threads: Option<u32>,
}

impl LocalSource {
    /// As it is written in a configuration: a URL, a path that ends in `.gguf`, or a folder. `place` completes a path.
    pub fn parse(text: &str, place: impl FnOnce(&str) -> PathBuf) -> Result<Self, String> {
        let text = text.trim();
        if text.contains("://") {
            return ServerAddress::parse(text).map(Self::Server);
        }
        if text.is_empty() {
            return Err("the path is empty; write a folder, a .gguf file or http://127.0.0.1:PORT/v1".to_owned());
        }
        let path = place(text);
        Ok(if path.extension().is_some_and(|end| end == "gguf") { Self::Gguf(path) } else { Self::Folder(path) })
    }

    /// Cores that are busy while it answers.
    #[must_use]
    pub fn cores(&self, options: &LocalOptions) -> u32 {
        let all = || std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
        match self {
            Self::Folder(_) => 1,
            Self::Gguf(_) => options.threads.unwrap_or(1),
            Self::Server(_) => options.threads.unwrap_or_else(all),
        }
    }

    /// The most that it takes of this process's memory, as far as that is known before it is loaded: the peak that its card
    /// gives, or the bytes of its weights, whichever is more.
    pub fn peak_bytes(&self) -> Result<Bytes, ModelError> {
        Ok(Bytes::new(match self {
            Self::Folder(folder) => Card::read(folder)?.peak_bytes().unwrap_or(0).max(weight_bytes(folder)),
            Self::Gguf(file) => fs::metadata(file).map_or(0, |about| about.len()),
            Self::Server(_) => 0,
        }))
    }

    /// Loads it, if `admit` has room for the bytes that stay while it is loaded; none if not. A server that is away is no
    /// error here. Blocks.
    pub fn load(
        &self,
        options: &LocalOptions,
        admit: &mut dyn FnMut(Bytes) -> bool,
    ) -> Result<Option<Arc<dyn LocalModel>>, ModelError> {
        match self {
            Self::Folder(folder) => {
                let model = LanguageModel::load(folder)?;
                Ok(if admit(Bytes::new(model.loaded_bytes())) { Some(Arc::new(model)) } else { None })
            }
            Self::Gguf(file) => gguf(file, options, admit),
            // Its memory is another process's.
            Self::Server(address) => Ok(Some(Arc::new(ServerModel::new(address.clone(), options.model.clone())))),
        }
    }
}

/// Bytes of the files in a model folder that a runtime loads, with what they keep beside themselves.
pub fn weight_bytes(folder: &Path) -> u64 {
    const STEMS: [&str; 3] = ["model.onnx", "vision_model.onnx", "text_model.onnx"];
    let entries = fs::read_dir(folder.join("onnx")).into_iter().flatten().flatten();
    let used = entries.filter(|entry| {
        let name = entry.file_name();
        STEMS.iter().any(|stem| name.to_string_lossy().starts_with(stem))
    });
    used.filter_map(|entry| entry.metadata().ok()).map(|about| about.len()).sum()
}

impl From<PathBuf> for LocalSource {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

impl std::fmt::Display for LocalSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) | Self::Gguf(path) => write!(f, "{}", path.display()),
            Self::Server(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(not(feature = "gguf"))]
fn gguf(
    file: &Path,
    _: &LocalOptions,
    _: &mut dyn FnMut(Bytes) -> bool,
) -> Result<Option<Arc<dyn LocalModel>>, ModelError> {
    Err(ModelError::NotBuilt { path: file.into(), engine: "gguf" })
}

/// What it will take is known before it is loaded.
#[cfg(feature = "gguf")]
fn gguf(
    file: &Path,
    options: &LocalOptions,
    admit: &mut dyn FnMut(Bytes) -> bool,
) -> Result<Option<Arc<dyn LocalModel>>, ModelError> {
    use trimtab_gguf::{GgufFile, GgufOptions};

    let threads = options.threads.unwrap_or(GgufOptions::default().threads);
    let file = GgufFile::open(file, GgufOptions { threads, ..GgufOptions::default() })?;
    if !admit(Bytes::new(file.loaded_bytes())) {
        return Ok(None);
    }
    Ok(Some(Arc::new(file.load()?)))
}
