//! The dual encoder (CLIP; Radford et al. 2021, section 2.3): an image tower and a text tower into one space, where
//! the cosine of a prompt and a view says how much they have to do with each other; and the task head on the text.

use std::path::Path;

use serde::Deserialize;
use trimtab_core::{TaskKind, TaskMix};

use crate::folder::{Fingerprint, Folder, JSON_BYTES_MAX};
use crate::network::Network;
use crate::onnx::{Layers, Length, OnnxFile};
use crate::preprocess::Preprocessor;
use crate::task_head::{TaskHead, TaskHeadFile};
use crate::tokenizer::Tokenizer;
use crate::{Calibration, Card, ModelError, RgbFrame};

const CONTENTS: &str =
    "config.json, preprocessor_config.json, tokenizer.json, onnx/vision_model.onnx and onnx/text_model.onnx";
/// Context of a text tower whose configuration names none: that of the published CLIP.
const CONTEXT_DEFAULT: usize = 77;
/// Longest context accepted.
const CONTEXT_MAX: usize = 4096;
/// Longest embedding accepted.
const DIMENSION_MAX: usize = 8192;

/// Shape of a text tower's input: one text of any length.
const TOKENS: [Length; 2] = [Length::Is(1), Length::Free("tokens")];

#[derive(Deserialize)]
struct Config {
    projection_dim: usize,
    #[serde(default)]
    context: Option<usize>,
    #[serde(default)]
    logit_scale: Option<f32>,
    #[serde(default)]
    logit_bias: Option<f32>,
    #[serde(default)]
    text_config: Option<TextConfig>,
}

#[derive(Deserialize)]
struct TextConfig {
    #[serde(default)]
    max_position_embeddings: Option<usize>,
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
    vision: Network,
    vision_output: usize,
    text: Network,
    text_output: usize,
    preprocessor: Preprocessor,
    tokenizer: Tokenizer,
    head: Option<TaskHead>,
    calibration: Option<Calibration>,
    dimension: usize,
    context: usize,
    fingerprint: Fingerprint,
    card: Card,
}

impl Encoder {
    /// Loads a folder in the layout of Hugging Face's CLIP exports. Sizes and names come from its configuration and
    /// graphs; `task_head.json` is optional.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        let folder = Folder::open(dir, CONTENTS)?;
        let config: Config = folder.json("config.json")?;
        let dimension = config.projection_dim;
        let context =
            config.context.or(config.text_config.and_then(|t| t.max_position_embeddings)).unwrap_or(CONTEXT_DEFAULT);
        let path = folder.path("config.json");
        if !(1..=DIMENSION_MAX).contains(&dimension) {
            return Err(ModelError::config(
                &path,
                "projection_dim",
                format!("{dimension} is not within 1..={DIMENSION_MAX}"),
            ));
        }
        if !(4..=CONTEXT_MAX).contains(&context) {
            return Err(ModelError::config(&path, "context", format!("{context} is not within 4..={CONTEXT_MAX}")));
        }

        let files = ["preprocessor_config.json", "tokenizer.json", "onnx/vision_model.onnx", "onnx/text_model.onnx"];
        let fingerprint = folder.fingerprint(&files)?;
        let preprocessor = Preprocessor::parse(&folder.path(files[0]), &folder.bytes(files[0], JSON_BYTES_MAX)?)?;
        let tokenizer = Tokenizer::parse(&folder.path(files[1]), &folder.bytes(files[1], JSON_BYTES_MAX)?)?;
        let (height, width) = preprocessor.size();
        let vision = OnnxFile::open(&folder.file(files[2])?)?;
        vision.expect_shape("pixel_values", &[None, Some(3), Some(height), Some(width)])?;
        vision.expect_shape("image_embeds", &[None, Some(dimension)])?;
        let vision = vision.plan(Layers::Int8, &[("pixel_values", &[1, 3, height, width].map(Length::Is))], None)?;
        let text = OnnxFile::open(&folder.file(files[3])?)?;
        text.expect_shape("input_ids", &[None, None])?;
        text.expect_shape("text_embeds", &[None, Some(dimension)])?;
        let text = text.plan(Layers::Int8, &["input_ids", "attention_mask"].map(|name| (name, &TOKENS[..])), None)?;

        let head = folder.json_if_present("task_head.json")?;
        let head = head.map(|file| TaskHead::check(&folder.path("task_head.json"), file, dimension)).transpose()?;
        Ok(Self {
            vision_output: vision.output("image_embeds")?,
            vision,
            text_output: text.output("text_embeds")?,
            text,
            preprocessor,
            tokenizer,
            head,
            calibration: config
                .logit_scale
                .zip(config.logit_bias)
                .filter(|(s, b)| s.is_finite() && b.is_finite())
                .map(|(scale, bias)| Calibration { scale, bias }),
            dimension,
            context,
            fingerprint,
            card: Card::load(&folder)?,
        })
    }

    /// Encodes one camera view, of any size.
    pub fn embed_image(&self, frame: &RgbFrame) -> Result<Embedding, ModelError> {
        let (height, width) = self.preprocessor.size();
        let mut pixels = Vec::with_capacity(3 * height * width);
        self.preprocessor.append(frame, &mut pixels);
        let outputs = self.vision.run(vec![("pixel_values", self.vision.tensor(&[1, 3, height, width], &pixels)?)])?;
        self.embedding(&self.vision, self.vision.floats(&outputs[self.vision_output], self.dimension)?)
    }

    /// Encodes a prompt. What does not fit in the context is left out: the embedding then stands for its beginning.
    pub fn embed_text(&self, text: &str) -> Result<Embedding, ModelError> {
        let mut ids: Vec<i64> =
            self.tokenizer.encode_for_model(text, self.context).ids.into_iter().map(i64::from).collect();
        if ids.is_empty() {
            ids.extend(self.tokenizer.encode(" ").first().copied().map(i64::from));
        }
        let shape = [1, ids.len()];
        let feeds = vec![
            ("input_ids", self.text.tensor(&shape, &ids)?),
            ("attention_mask", self.text.tensor(&shape, &vec![1_i64; ids.len()])?),
        ];
        let outputs = self.text.run(feeds)?;
        self.embedding(&self.text, self.text.floats(&outputs[self.text_output], self.dimension)?)
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
        &self.tokenizer
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

    fn embedding(&self, tower: &Network, values: &[f32]) -> Result<Embedding, ModelError> {
        Embedding::unit(values.to_vec()).ok_or_else(|| ModelError::Run {
            path: tower.path().into(),
            problem: "the embedding has no direction".into(),
        })
    }
}
