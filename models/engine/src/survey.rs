//! What a model folder holds, told without loading it.
//!
//! Of an ONNX file only the shapes and types of its weights count; large ones are not read, so that a survey of a folder of
//! large models costs next to nothing.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ModelError;
use crate::folder::{JSON_BYTES_MAX, read};
use crate::onnx::OnnxFile;

/// Most ONNX files of one folder that are surveyed.
pub const SURVEY_FILES_MAX: usize = 16;
/// Most levels of folders below a model folder whose files count.
const DEPTH_MAX: usize = 4;
/// Most entries of one folder that count.
const ENTRIES_MAX: usize = 4096;

/// What kind of model a folder holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FolderKind {
    /// A dual encoder: [`crate::Encoder`].
    Encoder,
    /// A language model: [`crate::LanguageModel`].
    Language,
    /// A model that answers questions about pictures: [`crate::Vqa`].
    Questions,
    /// A policy: [`crate::PolicyFile`].
    Policy,
}

impl FolderKind {
    /// Judged by the folder's files and the keys of its `config.json`; `None` when it is no model folder.
    pub fn of(dir: &Path) -> Option<Self> {
        let has = |file: &str| dir.join(file).is_file();
        if has("policy.onnx") {
            return Some(Self::Policy);
        }
        let config: Value = serde_json::from_slice(&read(&dir.join("config.json"), JSON_BYTES_MAX).ok()?).ok()?;
        if config.get("answers").is_some() {
            Some(Self::Questions)
        } else if config.get("projection_dim").is_some() {
            Some(Self::Encoder)
        } else if config.get("n_layer").or_else(|| config.get("num_hidden_layers")).is_some() {
            Some(Self::Language)
        } else {
            None
        }
    }

    /// A word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Language => "language model",
            Self::Questions => "question answerer",
            Self::Policy => "policy",
        }
    }
}

/// Figures of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Bytes of all files.
    pub bytes: u64,
    /// Numbers in the weights of the ONNX files.
    pub parameters: u64,
    /// The type that most weights have, such as `fp32` or `int8`; `None` when there are none.
    pub weights: Option<&'static str>,
}

impl Survey {
    /// Surveys a folder.
    pub fn of(dir: &Path) -> Result<Self, ModelError> {
        let mut survey = Self::default();
        let mut onnx = Vec::new();
        list(dir, DEPTH_MAX, &mut survey.bytes, &mut onnx)?;
        onnx.sort();
        let mut counts = [0_u64; TYPES.len()];
        for path in onnx.iter().take(SURVEY_FILES_MAX) {
            for (numbers, kind) in OnnxFile::open(path)?.constants() {
                if let Some(index) = TYPES.iter().position(|(number, _)| *number == kind) {
                    counts[index] = counts[index].saturating_add(numbers);
                }
            }
        }
        survey.parameters = counts.iter().sum();
        let weighed = |index: usize| {
            let whole = TYPES[index].1.starts_with("int");
            if whole { counts[index].saturating_mul(WHOLE_SHARE) } else { counts[index] }
        };
        let most = (0..TYPES.len()).max_by_key(|&index| weighed(index)).filter(|&index| counts[index] > 0);
        survey.weights = most.map(|index| TYPES[index].1);
        Ok(survey)
    }
}

/// A model whose layers are quantised is called by them, also where tables that stay in float are up to so many times as large.
const WHOLE_SHARE: u64 = 3;

/// Types of weights by their numbers in the format; whole numbers of 32 and 64 bits are shapes and places, no weights.
const TYPES: [(i32, &str); 9] = [
    (1, "fp32"),
    (2, "int8"),
    (3, "int8"),
    (10, "fp16"),
    (11, "fp64"),
    (16, "bf16"),
    (17, "fp8"),
    (21, "int4"),
    (22, "int4"),
];

fn list(dir: &Path, depth: usize, bytes: &mut u64, onnx: &mut Vec<PathBuf>) -> Result<(), ModelError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ModelError::Read { path, source }
    };
    for entry in fs::read_dir(dir).map_err(failed(dir))?.take(ENTRIES_MAX) {
        let path = entry.map_err(failed(dir))?.path();
        let about = fs::metadata(&path).map_err(failed(&path))?;
        if about.is_file() {
            *bytes += about.len();
            if path.extension().is_some_and(|end| end == "onnx") {
                onnx.push(path);
            }
        } else if about.is_dir() && depth > 1 {
            list(&path, depth - 1, bytes, onnx)?;
        }
    }
    Ok(())
}
