//! The dual encoder (CLIP; Radford et al. 2021, section 2.3): an image tower and a text tower into one space, where
//! the cosine of a prompt and a view says how much they have to do with each other; and the task head on the text.

mod text;
mod vision;

use std::path::Path;

use serde::Deserialize;
use trimtab_core::{TaskKind, TaskMix};

pub use text::{TextEmbedding, TextTower};
pub use vision::VisionTower;

use crate::folder::{Fingerprint, Folder};
use crate::network::Network;
use crate::task_head::{TaskHead, TaskHeadFile};
use crate::tokenizer::Tokenizer;
use crate::{Calibration, Card, ModelError, RgbFrame};

const CONTENTS: &str = "config.json, preprocessor_config.json, tokenizer.json, and onnx/vision_model.onnx and onnx/text_model.onnx or onnx/model.onnx with both";
/// Context of a text tower whose configuration names none: that of the published CLIP.
const CONTEXT_DEFAULT: usize = 77;
/// Shortest context accepted: what begins and ends a text, and two tokens between.
const CONTEXT_MIN: usize = 4;
/// Longest context accepted.
const CONTEXT_MAX: usize = 4096;
/// Longest embedding accepted.
const DIMENSION_MAX: usize = 8192;

#[derive(Deserialize)]
struct Config {
    projection_dim: usize,
    #[serde(default)]
    context: Option<usize>,
    #[serde(default)]
    vocab_size: Option<usize>,
    #[serde(default)]
    logit_scale: Option<f32>,
    #[serde(default)]
    logit_bias: Option<f32>,
    #[serde(default)]
    text_config: TextConfig,
    #[serde(default)]
    vision_config: VisionConfig,
}

#[derive(Default, Deserialize)]
struct TextConfig {
    #[serde(default)]
    max_position_embeddings: Option<usize>,
    #[serde(default)]
    vocab_size: Option<usize>,
}

#[derive(Default, Deserialize)]
struct VisionConfig {
    #[serde(default)]
    image_size: Option<usize>,
}

/// Both towers in one file, as some exporters write them.
const WHOLE_FILE: &str = "onnx/model.onnx";

/// The file of a tower: its own, or the one that holds both.
fn tower_file(folder: &Folder, own: &'static str) -> &'static str {
    if !folder.path(own).exists() && folder.path(WHOLE_FILE).exists() { WHOLE_FILE } else { own }
}

impl Config {
    fn load(folder: &Folder) -> Result<Self, ModelError> {
        let config: Self = folder.json("config.json")?;
        let path = folder.path("config.json");
        let (dimension, context) = (config.projection_dim, config.context());
        if !(1..=DIMENSION_MAX).contains(&dimension) {
            let problem = format!("{dimension} is not within 1..={DIMENSION_MAX}");
            return Err(ModelError::config(&path, "projection_dim", problem));
        }
        if !(CONTEXT_MIN..=CONTEXT_MAX).contains(&context) {
            let problem = format!("{context} is not within {CONTEXT_MIN}..={CONTEXT_MAX}");
            return Err(ModelError::config(&path, "context", problem));
        }
        Ok(config)
    }

    fn context(&self) -> usize {
        self.context.or(self.text_config.max_position_embeddings).unwrap_or(CONTEXT_DEFAULT)
    }

    fn vocabulary(&self) -> Option<usize> {
        self.vocab_size.or(self.text_config.vocab_size)
    }

    fn image_size(&self) -> Option<usize> {
        self.vision_config.image_size
    }
}

/// A point of the common space: a unit vector with as many numbers as the encoder's dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// Scales a vector to length one; `None` when it has no direction (zero, not finite or empty).
    pub fn unit(mut values: Vec<f32>) -> Option<Self> {
        let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
        if !length.is_normal() {
            return None;
        }
        values.iter_mut().for_each(|v| *v /= length);
        Some(Self(values))
    }

    /// What a tower says, as a direction.
    fn of(tower: &Network, values: &[f32]) -> Result<Self, ModelError> {
        Self::unit(values.to_vec()).ok_or_else(|| ModelError::Run {
            path: tower.path().into(),
            problem: "the embedding has no direction".into(),
        })
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Cosine of the angle between two embeddings of one encoder, -1..=1; zero when their dimensions differ.
    pub fn cosine(&self, other: &Self) -> f32 {
        if self.0.len() != other.0.len() {
            return 0.0;
        }
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum::<f32>().clamp(-1.0, 1.0)
    }
}

/// What kind of task a prompt is.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskEstimate {
    /// How likely each known kind is, in the order of [`TaskKind::KNOWN`]; sums to one.
    pub probabilities: TaskMix,
    /// The likeliest kind, or `Unknown` when the prompt is out of distribution.
    pub kind: TaskKind,
    /// The prompt is unlike everything the head was trained on, or the folder has no task head.
    pub out_of_distribution: bool,
}

/// A loaded dual encoder. Cheap to clone; runs may overlap.
#[derive(Clone, Debug)]
pub struct Encoder {
    vision: VisionTower,
    text: TextTower,
    head: Option<TaskHead>,
    calibration: Option<Calibration>,
    dimension: usize,
    fingerprint: Fingerprint,
    card: Card,
}

impl Encoder {
    /// Loads a folder in the layout of Hugging Face's CLIP exports. Sizes and names come from its configuration and
    /// graphs; `task_head.json` is optional.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        let folder = Folder::open(dir, CONTENTS)?;
        let config = Config::load(&folder)?;
        let mut files = vec![vision::PREPROCESSOR_FILE, text::TOKENIZER_FILE];
        files.extend([vision::ONNX_FILE, text::ONNX_FILE].map(|own| tower_file(&folder, own)));
        files.dedup();
        let fingerprint = folder.fingerprint(&files)?;
        let vision = VisionTower::open(&folder, &config)?;
        let text = TextTower::open(&folder, &config)?;
        let dimension = config.projection_dim;
        let head = folder.json_if_present("task_head.json")?;
        let head = head.map(|file| TaskHead::check(&folder.path("task_head.json"), file, dimension)).transpose()?;
        Ok(Self {
            vision,
            text,
            head,
            calibration: config
                .logit_scale
                .zip(config.logit_bias)
                .filter(|(s, b)| s.is_finite() && b.is_finite())
                .map(|(scale, bias)| Calibration { scale, bias }),
            dimension,
            fingerprint,
            card: Card::load(&folder)?,
        })
    }

    /// Encodes one camera view, of any size.
    pub fn embed_image(&self, frame: &RgbFrame) -> Result<Embedding, ModelError> {
        self.vision.embed(frame)
    }

    /// Encodes a prompt. What does not fit in the context is left out: the embedding then stands for its beginning.
    pub fn embed_text(&self, text: &str) -> Result<Embedding, ModelError> {
        Ok(self.text.embed(text)?.embedding)
    }

    /// How much a prompt and a view have to do with each other: their cosine, -1..=1.
    pub fn association(&self, prompt: &Embedding, view: &Embedding) -> f32 {
        prompt.cosine(view)
    }

    /// Probability that a view with this association shows what the prompt asks, 0..=1;
    /// `None` when the folder carries no calibration (`logit_scale` and `logit_bias`).
    pub fn shows_probability(&self, association: f32) -> Option<f32> {
        self.calibration.map(|calibration| calibration.probability(association))
    }

    /// The same for every folder: without a calibration the association itself, brought to 0..=1, has to do.
    pub fn shows(&self, association: f32) -> f32 {
        self.shows_probability(association).unwrap_or((association + 1.0) / 2.0)
    }

    /// The same encoder with another calibration than its folder's, or with one where the folder has none.
    #[must_use]
    pub fn with_calibration(self, calibration: Calibration) -> Self {
        Self { calibration: Some(calibration), ..self }
    }

    /// The same encoder with another task head than its folder's, or with one where the folder has none.
    pub fn with_task_head(self, file: TaskHeadFile) -> Result<Self, ModelError> {
        let head = TaskHead::check(Path::new("task_head.json"), file, self.dimension)?;
        Ok(Self { head: Some(head), ..self })
    }

    /// What kind of task a prompt with this embedding is.
    pub fn task(&self, prompt: &Embedding) -> TaskEstimate {
        match &self.head {
            Some(head) => head.estimate(prompt),
            None => TaskEstimate { probabilities: [0.25; 4], kind: TaskKind::Unknown, out_of_distribution: true },
        }
    }

    /// Whether the folder has a task head.
    pub fn classifies_tasks(&self) -> bool {
        self.head.is_some()
    }

    /// Length of an embedding.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The tokenizer of the text tower.
    pub fn tokenizer(&self) -> &Tokenizer {
        self.text.tokenizer()
    }

    /// Identity of the encoder: preprocessing, tokenizer and both towers. A policy names the one it was trained with.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Estimated bytes of both towers' weights in memory.
    pub fn loaded_bytes(&self) -> u64 {
        self.vision.loaded_bytes() + self.text.loaded_bytes()
    }

    /// What the folder's card says of the model.
    pub fn card(&self) -> &Card {
        &self.card
    }
}
