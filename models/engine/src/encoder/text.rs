//! The text tower: from a prompt to a point.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::ModelError;
use crate::folder::{Folder, JSON_BYTES_MAX};
use crate::network::Network;
use crate::onnx::{Layers, Length, OnnxFile};
use crate::tokenizer::{TokenId, Tokenizer};

use super::{CONTEXT_MIN, Config, Embedding, tower_file};

const CONTENTS: &str = "config.json, tokenizer.json and onnx/text_model.onnx";
pub(super) const TOKENIZER_FILE: &str = "tokenizer.json";
pub(super) const ONNX_FILE: &str = "onnx/text_model.onnx";
/// A tokenizer with less than this part of the model's vocabulary belongs to another model: tables are made somewhat
/// longer than needed for speed, but not this much.
const VOCABULARY_SHARE_MIN: usize = 2;
/// Length of the text that a graph for texts of any length is tried with.
const TRIAL_TOKENS: usize = 7;

/// The text tower of a dual encoder. Cheap to clone; runs may overlap.
#[derive(Clone, Debug)]
pub struct TextTower {
    network: Network,
    output: usize,
    tokenizer: Tokenizer,
    dimension: usize,
    context: usize,
    /// Where the graph runs on texts of one length only: that length, and the token that fills up.
    padding: Option<(usize, TokenId)>,
}

/// A text as a point.
#[derive(Clone, Debug, PartialEq)]
pub struct TextEmbedding {
    /// The point.
    pub embedding: Embedding,
    /// Whether the end of the text did not fit in the context and was left out.
    pub truncated: bool,
}

/// Of `tokenizer_config.json`, which names the token that fills up where `tokenizer.json` does not.
#[derive(Deserialize)]
struct TokenizerConfig {
    #[serde(default)]
    pad_token: Option<Value>,
}

impl TextTower {
    /// Loads this tower alone.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        let folder = Folder::open(dir, CONTENTS)?;
        let config = Config::load(&folder)?;
        Self::open(&folder, &config)
    }

    pub(super) fn open(folder: &Folder, config: &Config) -> Result<Self, ModelError> {
        let dimension = config.projection_dim;
        let path = folder.path(TOKENIZER_FILE);
        let tokenizer = Tokenizer::parse(&path, &folder.bytes(TOKENIZER_FILE, JSON_BYTES_MAX)?)?;
        if let Some(size) = config.vocabulary() {
            let have = tokenizer.vocabulary();
            if have > size || have * VOCABULARY_SHARE_MIN < size {
                let problem = format!(
                    "it has {have} tokens, the model {size}; take the tokenizer that the model was trained with"
                );
                return Err(ModelError::config(&path, "model.vocab", problem));
            }
        }
        let file = folder.file(tower_file(folder, ONNX_FILE))?;
        let open = || {
            let mut onnx = OnnxFile::open(&file)?;
            onnx.keep(&["text_embeds"]);
            onnx.expect_shape("input_ids", &[Some(1), None])?;
            onnx.expect_shape("text_embeds", &[Some(1), Some(dimension)])?;
            Ok::<OnnxFile, ModelError>(onnx)
        };
        let declared = open()?.shape("input_ids")?[1];
        if let Some(length) = declared.filter(|&length| length < CONTEXT_MIN) {
            return Err(ModelError::Shape {
                path: file,
                tensor: "input_ids".into(),
                expected: format!("[1, {} or any]", config.context()),
                found: format!("[1, {length}]"),
            });
        }
        let context = config.context().min(declared.unwrap_or(usize::MAX));
        let tower = |onnx: OnnxFile, fixed: Option<usize>| {
            let tokens = [Length::Is(1), fixed.map_or(Length::Free("tokens"), Length::Is)];
            let network =
                onnx.plan(Layers::Int8, &["input_ids", "attention_mask"].map(|name| (name, &tokens[..])), None)?;
            let padding = match fixed {
                Some(length) => Some((length, filler(folder, &tokenizer)?)),
                None => None,
            };
            let output = network.output("text_embeds")?;
            Ok::<Self, ModelError>(Self { network, output, tokenizer: tokenizer.clone(), dimension, context, padding })
        };
        if declared.is_none() {
            let any =
                tower(open()?, None).and_then(|tower| tower.run(vec![0; TRIAL_TOKENS.min(context)]).map(|_| tower));
            // Some exports compute their mask in a way that the engine can follow only at a known length.
            if let Ok(any) = any {
                return Ok(any);
            }
        }
        tower(open()?, declared.or(Some(context)))
    }

    /// Encodes a prompt. What does not fit in the context is left out, and that is said.
    pub fn embed(&self, text: &str) -> Result<TextEmbedding, ModelError> {
        let encoding = self.tokenizer.encode_for_model(text, self.context);
        let mut ids: Vec<i64> = encoding.ids.into_iter().map(i64::from).collect();
        if ids.is_empty() {
            ids.extend(self.tokenizer.encode(" ").first().copied().map(i64::from));
        }
        Ok(TextEmbedding { embedding: self.run(ids)?, truncated: encoding.truncated })
    }

    fn run(&self, mut ids: Vec<i64>) -> Result<Embedding, ModelError> {
        let mut mask = vec![1_i64; ids.len()];
        if let Some((length, filler)) = self.padding {
            ids.resize(length, i64::from(filler));
            mask.resize(length, 0);
        }
        let shape = [1, ids.len()];
        let feeds = vec![
            ("input_ids", self.network.tensor(&shape, &ids)?),
            ("attention_mask", self.network.tensor(&shape, &mask)?),
        ];
        let outputs = self.network.run(feeds)?;
        Embedding::of(&self.network, self.network.floats(&outputs[self.output], self.dimension)?)
    }

    /// The tower's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Most tokens of a text, those that begin and end it included.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Estimated bytes of the weights in memory.
    pub fn loaded_bytes(&self) -> u64 {
        self.network.loaded_bytes()
    }
}

/// The token that fills up: the one that the tokenizer's files name, else the one that ends a text. The latter changes no
/// embedding, because towers of this kind look at the first end and nothing in a text depends on what follows.
fn filler(folder: &Folder, tokenizer: &Tokenizer) -> Result<TokenId, ModelError> {
    if let Some(id) = tokenizer.filler() {
        return Ok(id);
    }
    let file: Option<TokenizerConfig> = folder.json_if_present("tokenizer_config.json")?;
    let token = file.and_then(|file| file.pad_token);
    let name = token.as_ref().and_then(|token| token.as_str().or_else(|| token.get("content")?.as_str()));
    Ok(name.and_then(|name| tokenizer.special(name)).or_else(|| tokenizer.end()).unwrap_or(0))
}
