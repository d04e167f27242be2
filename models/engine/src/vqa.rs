//! Questions about pictures: a small model that picks one of its answers from the pixels of one or more views.

use std::path::Path;

use serde::Deserialize;

use crate::folder::{Folder, ONNX_BYTES_MAX};
use crate::network::Network;
use crate::onnx::{Layers, OnnxFile};
use crate::preprocess::Preprocessor;
use crate::tokenizer::Tokenizer;
use crate::{Card, ModelError, RgbFrame, softmax};

const CONTENTS: &str = "config.json, preprocessor_config.json, tokenizer.json and onnx/model.onnx";
/// The answer that means: not a question about pictures, a language model should reply.
const TEXT_ANSWER: &str = "<text>";
/// Most views of one question.
pub const VQA_VIEWS_MAX: usize = 16;
/// Tokens of a question when the configuration names no context.
const CONTEXT_DEFAULT: usize = 64;
const ANSWERS_MAX: usize = 65_536;

#[derive(Deserialize)]
struct Config {
    answers: Vec<String>,
    image_size: usize,
    #[serde(default)]
    context: Option<usize>,
}

/// What the model says.
#[derive(Clone, Debug, PartialEq)]
pub struct VqaAnswer {
    /// A short text such as `red`, `yes` or `two`; empty when `is_text`.
    pub text: String,
    /// How sure the model is, 0..=1.
    pub probability: f32,
    /// Not a question about pictures.
    pub is_text: bool,
}

/// A loaded question-answering model. Cheap to clone; runs may overlap.
#[derive(Clone, Debug)]
pub struct Vqa {
    network: Network,
    logits: usize,
    preprocessor: Preprocessor,
    tokenizer: Tokenizer,
    answers: Vec<String>,
    context: usize,
    card: Card,
}

impl Vqa {
    /// Loads a folder whose graph takes `pixel_values [N,3,n,n]` and `input_ids [1,T]` and gives `logits [1,A]`.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        let folder = Folder::open(dir, CONTENTS)?;
        let config: Config = folder.json("config.json")?;
        let path = folder.path("config.json");
        if config.answers.is_empty() || config.answers.len() > ANSWERS_MAX {
            return Err(ModelError::config(
                &path,
                "answers",
                format!("from 1 to {ANSWERS_MAX}, not {}", config.answers.len()),
            ));
        }
        let file = "preprocessor_config.json";
        let preprocessor = Preprocessor::parse(&folder.path(file), &folder.bytes(file, ONNX_BYTES_MAX)?)?;
        if preprocessor.size() != (config.image_size, config.image_size) {
            let problem = format!("{} disagrees with the preprocessor's {:?}", config.image_size, preprocessor.size());
            return Err(ModelError::config(&path, "image_size", problem));
        }
        let tokenizer = Tokenizer::load(&folder.path("tokenizer.json"))?;
        let (height, width) = preprocessor.size();
        let onnx = OnnxFile::open(&folder.file("onnx/model.onnx")?)?;
        onnx.expect_shape("pixel_values", &[None, Some(3), Some(height), Some(width)])?;
        onnx.expect_shape("input_ids", &[None, None])?;
        onnx.expect_shape("logits", &[Some(1), Some(config.answers.len())])?;
        let network = onnx.plan(Layers::Int8, &[], None)?;
        Ok(Self {
            logits: network.output("logits")?,
            network,
            preprocessor,
            tokenizer,
            answers: config.answers,
            context: config.context.unwrap_or(CONTEXT_DEFAULT).max(1),
            card: Card::load(&folder)?,
        })
    }

    /// Answers a question from one or more views, at most [`VQA_VIEWS_MAX`]. It sees nothing but their pixels.
    pub fn answer(&self, views: &[RgbFrame], question: &str) -> Result<VqaAnswer, ModelError> {
        if views.is_empty() || views.len() > VQA_VIEWS_MAX {
            let problem = format!("{} views; from 1 to {VQA_VIEWS_MAX} can be looked at", views.len());
            return Err(ModelError::Run { path: self.network.path().into(), problem });
        }
        let (height, width) = self.preprocessor.size();
        let mut pixels = Vec::with_capacity(views.len() * 3 * height * width);
        views.iter().for_each(|view| self.preprocessor.append(view, &mut pixels));
        let mut ids: Vec<i64> =
            self.tokenizer.encode_for_model(question, self.context).ids.into_iter().map(i64::from).collect();
        if ids.is_empty() {
            ids.extend(self.tokenizer.encode(" ").first().copied().map(i64::from));
        }
        let feeds = vec![
            ("pixel_values", self.network.tensor(&[views.len(), 3, height, width], &pixels)?),
            ("input_ids", self.network.tensor(&[1, ids.len()], &ids)?),
        ];
        let outputs = self.network.run(feeds)?;
        let mut probabilities = self.network.floats(&outputs[self.logits], self.answers.len())?.to_vec();
        softmax(&mut probabilities);
        let best = (0..probabilities.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).unwrap_or(0);
        let is_text = self.answers[best] == TEXT_ANSWER;
        let text = if is_text { String::new() } else { self.answers[best].clone() };
        Ok(VqaAnswer { text, probability: probabilities[best], is_text })
    }

    /// Height and width in pixels of what the model sees of a view.
    pub fn input_size(&self) -> (usize, usize) {
        self.preprocessor.size()
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Estimated bytes of the weights in memory.
    pub fn loaded_bytes(&self) -> u64 {
        self.network.loaded_bytes()
    }

    /// What the folder's card says of the model.
    pub fn card(&self) -> &Card {
        &self.card
    }
}
