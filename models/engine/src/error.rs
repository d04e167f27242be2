//! Why a model folder or policy file cannot be loaded or run. Every variant names the file, what is wrong with it and
//! what to do.

use std::path::{Path, PathBuf};

/// What went wrong with a model. Loading errors leave nothing behind; a run error concerns the one call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file of the folder is not there.
    #[error("{path}: missing; {remedy}")]
    Missing {
        /// The file looked for.
        path: PathBuf,
        /// What the folder must hold.
        remedy: String,
    },
    /// A file is there but cannot be read.
    #[error("{path}: cannot be read; check its permissions and the disk")]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A file larger than any the engine loads.
    #[error("{path}: {have} bytes, more than the {limit} this file may have; use a smaller model")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        have: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A JSON file that is none, or lacks a key.
    #[error("{path}: not the JSON expected; copy the file again from where the model came")]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        #[source]
        source: serde_json::Error,
    },
    /// A key whose value cannot be used.
    #[error("{path}: {key}: {problem}")]
    Config {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// An ONNX file that is cut off or damaged.
    #[error("{path}: not a whole ONNX file ({problem}); fetch or export it again")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What could not be read.
        problem: String,
    },
    /// An operator that the engine does not run.
    #[error(
        "{path}: node {node} is a {operator}, which the engine does not run; export with standard operators of opset 17"
    )]
    Operator {
        /// The file.
        path: PathBuf,
        /// The node.
        node: String,
        /// Its operator type.
        operator: String,
    },
    /// A tensor whose shape is not the one that the configuration or the contract asks for.
    #[error("{path}: {tensor} has shape {found}, expected {expected}; export it again or correct the configuration")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shape asked for.
        expected: String,
        /// The shape found.
        found: String,
    },
    /// A weight that is NaN or infinite.
    #[error(
        "{path}: weight {tensor} holds a value that is not finite; the training diverged, take an earlier checkpoint"
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The weight.
        tensor: String,
    },
    /// The engine cannot turn the graph into a plan.
    #[error("{path}: the graph cannot be planned: {problem}; export it again with opset 17 and the documented inputs")]
    Plan {
        /// The file.
        path: PathBuf,
        /// The engine's reason.
        problem: String,
    },
    /// A run that failed after the model had loaded.
    #[error("{path}: running the model failed: {problem}")]
    Run {
        /// The file.
        path: PathBuf,
        /// The engine's reason.
        problem: String,
    },
    /// A GGUF file that is cut off, damaged or of a kind that is not run.
    #[error("{path}: not a GGUF file that can be run ({problem}); fetch it again, or convert the model anew")]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A model for an engine that this program was built without.
    #[error(
        "{path}: this program was built without the engine `{engine}`; build it with `--features {engine}`, or use a folder with onnx/model.onnx"
    )]
    NotBuilt {
        /// The file.
        path: PathBuf,
        /// The engine, which is also the name of the cargo feature.
        engine: &'static str,
    },
    /// No server answers where one should run the model.
    #[error("{url}: no language model server answers ({problem}); start it, or correct the address")]
    Away {
        /// Where it was looked for.
        url: String,
        /// What the system or the server said.
        problem: String,
    },
    /// A server that runs the model answers, but not with an answer that can be used.
    #[error("{url}: the language model server's answer cannot be used: {problem}")]
    Server {
        /// Where it is.
        url: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A picture that cannot be preprocessed.
    #[error(transparent)]
    Frame(#[from] crate::FrameError),
}

impl ModelError {
    pub(crate) fn config(path: &Path, key: &str, problem: impl Into<String>) -> Self {
        Self::Config { path: path.into(), key: key.into(), problem: problem.into() }
    }
}
