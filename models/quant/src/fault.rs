//! Why a model cannot be quantised.

use std::io;
use std::path::{Path, PathBuf};

use crate::GraphError;

/// What is wrong with a file, where in it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuantiseError {
    /// The file system.
    #[error("{path}: cannot be {doing}; check that it is there, its permissions and the disk")]
    Io {
        /// The file.
        path: PathBuf,
        /// Read, or written.
        doing: &'static str,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// Cut off or damaged.
    #[error("{path}: not a whole ONNX file ({problem}); fetch or export it again")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What could not be read.
        problem: String,
    },
    /// Operators of a set that has no weights with a scale for each channel.
    #[error("{path}: opset {have}{}: {problem}; export it again with opset 13 to 18", at(.node))]
    Opset {
        /// The file.
        path: PathBuf,
        /// The operator set that it declares.
        have: i64,
        /// The node that cannot be raised, or nothing.
        node: String,
        /// Why.
        problem: String,
    },
    /// Quantised before.
    #[error("{path}: node {node} is a {operator}: the file is quantised already; take the one with float weights")]
    Quantised {
        /// The file.
        path: PathBuf,
        /// The node.
        node: String,
        /// Its operator type.
        operator: String,
    },
    /// Values and shape of a constant disagree.
    #[error("{path}: weight {tensor} has {have} values for the shape {shape:?}; fetch or export it again")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The constant.
        tensor: String,
        /// Its declared shape.
        shape: Vec<i64>,
        /// Number of values found.
        have: u64,
    },
    /// A NaN or infinite weight.
    #[error("{path}: weight {tensor} is {value} at index {index}; the training diverged, take an earlier checkpoint")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The weight.
        tensor: String,
        /// Flat index of the first such value.
        index: usize,
        /// The value.
        value: f32,
    },
    /// Weights in another file that is not there, or not where it may be.
    #[error("{path}: weight {tensor} is in {location:?}: {problem}")]
    External {
        /// The file.
        path: PathBuf,
        /// The weight.
        tensor: String,
        /// What the file says of the place.
        location: String,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// No layer that can be quantised.
    #[error("{path}: no layer to quantise: {problem}")]
    Nothing {
        /// The file.
        path: PathBuf,
        /// Why, and the remedy.
        problem: String,
    },
    /// A file beyond the limit of its format.
    #[error(
        "{path}: {bytes} bytes are more than one file may have; lower the threshold for weights in a file of their own"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that it would have.
        bytes: u64,
    },
}

impl QuantiseError {
    pub(crate) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.into(), doing, source }
    }

    pub(crate) fn corrupt(path: &Path, problem: &dyn std::fmt::Display) -> Self {
        Self::Corrupt { path: path.into(), problem: problem.to_string() }
    }

    /// A fault of a weight, as a fault of its file.
    pub(crate) fn weight(path: &Path, error: GraphError) -> Self {
        match error {
            GraphError::NotFinite { name, index, value } => {
                Self::NotFinite { path: path.into(), tensor: name, index, value }
            }
            other => Self::corrupt(path, &other),
        }
    }
}

fn at(node: &str) -> String {
    if node.is_empty() { String::new() } else { format!(", node {node}") }
}
