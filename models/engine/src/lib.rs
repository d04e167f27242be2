//! Runs model folders and policy files; the only crate that names tract.
//!
//! A model folder has the Hugging Face layout: `config.json`, `preprocessor_config.json`, `tokenizer.json` and
//! `onnx/*.onnx`. Whatever is wrong with a file is said when it is loaded, with the file, the place and the remedy;
//! nothing that has loaded can panic on an input.

mod action;
mod calibration;
mod card;
mod encoder;
mod error;
mod folder;
mod frame;
mod gguf;
mod language;
mod layer;
mod local;
mod network;
mod onnx;
mod policy;
mod preprocess;
mod resample;
mod runner;
mod stream;
mod survey;
mod task_head;
mod tokenizer;
mod vqa;

pub use action::{ACTION_BYTES_MAX, ACTIONS_MAX, Action, Switched};
pub use calibration::Calibration;
pub use card::Card;
pub use encoder::{Embedding, Encoder, TaskEstimate, TextEmbedding, TextTower, VisionTower};
pub use error::ModelError;
pub use folder::{Fingerprint, JSON_BYTES_MAX, ONNX_BYTES_MAX};
pub use frame::{FRAME_PIXELS_MAX, FRAME_SIDE_MAX, FrameError, RgbFrame};
pub use gguf::{GGUF_ARCHITECTURES, GGUF_HEADER_BYTES_MAX, GgufHeader};
pub use language::{Confidence, Finish, GenerateOptions, Generation, LanguageModel, Reply, Session, Token};
pub use local::{Engine, LocalModel, OnProgress, Progress, WAITING_MAX};
pub use policy::{LAYOUT_VERSION, POLICY_BYTES_MAX, PROJECTION, PolicyError, PolicyFile, Scores};
pub use runner::{Feed, FloatOutput, PictureInput, Runner, Values};
pub use survey::{FolderKind, SURVEY_FILES_MAX, Survey};
pub use task_head::{Lessons, Regression, TaskHeadFile};
pub use tokenizer::{Encoding, TokenId, Tokenizer, WORD_BYTES_MAX};
pub use vqa::{VQA_VIEWS_MAX, Vqa, VqaAnswer};

/// Turns logits into probabilities that sum to one.
fn softmax(values: &mut [f32]) {
    let peak = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    values.iter_mut().for_each(|v| *v = (*v - peak).exp());
    let total: f32 = values.iter().sum();
    values.iter_mut().for_each(|v| *v /= total);
}
