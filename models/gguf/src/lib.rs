//! Runs GGUF files by llama.cpp, behind the engine's trait for local language models; the only crate that names its binding.
//!
//! A file's header is read and checked before llama.cpp sees the file, and says what the model will take before it is
//! loaded: [`GgufFile`]. A loaded model, [`GgufModel`], shares its weights between generations; each has a cache of its own,
//! as large as its prompt and longest answer need, and gives it back at its end.

mod backend;
mod file;
mod model;
mod prompt;

pub use file::{CONTEXT, GgufFile, GgufOptions, THREADS_MAX};
pub use model::{BATCH, GgufModel};
