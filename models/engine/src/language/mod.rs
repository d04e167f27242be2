//! The small causal language model: one plan, and one key–value cache for each session.

mod confidence;
mod config;
mod draw;
mod reply;
mod session;
mod stop;

use std::path::Path;
use std::sync::Arc;

use crate::folder::Folder;
use crate::network::Network;
use crate::onnx::{Layers, Length, OnnxFile};
use crate::tokenizer::{TokenId, Tokenizer, WORD_BYTES_MAX};
use crate::{Action, Card, ModelError};
use config::Config;

pub use confidence::Confidence;
pub use reply::Reply;
pub use session::Session;

const CONTENTS: &str = "config.json, tokenizer.json and onnx/model.onnx";

/// How to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateOptions {
    /// Most tokens to generate.
    pub max_tokens: usize,
    /// 0 takes the likeliest token each time; above, tokens are drawn from the softened distribution.
    pub temperature: f32,
    /// Draws only among the likeliest tokens that have this probability together, 0..=1; 1 or more: among all.
    pub top_p: f32,
    /// Texts that end the reply; they are not part of it.
    pub stop: Vec<String>,
    /// Seed of the draw; the same seed gives the same text.
    pub seed: u64,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self { max_tokens: 64, temperature: 0.0, top_p: 1.0, stop: Vec::new(), seed: 0 }
    }
}

/// One generated token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token<'a> {
    /// Its number.
    pub id: TokenId,
    /// The text it completes: empty while a character is still in parts, or may be the beginning of a text that ends the reply.
    pub piece: &'a str,
    /// Natural logarithm of its probability at temperature 1.
    pub logprob: f32,
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model said that it is done, or a text came that ends the reply.
    Stop,
    /// `max_tokens` or the model's context was used up.
    Length,
    /// The caller stopped it.
    Cancelled,
}

/// A finished generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// The text: all pieces joined, and what was held back at the end.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens read.
    pub prompt_tokens: usize,
    /// Tokens generated, without the one that means *done*.
    pub tokens: usize,
    /// The end of the prompt did not fit in the context and was left out.
    pub prompt_truncated: bool,
    /// What the reply does, if it says so; never part of the text.
    pub action: Option<Vec<Action>>,
    /// It began an action that is of no known form, or was cut: there is none then.
    pub action_malformed: bool,
    /// Probability that the whole reply is right, if it is finished and the model's folder says how that follows from the probabilities
    /// of its tokens.
    pub confidence: Option<f32>,
}

/// A loaded language model. Cheap to clone; weights are shared by every session.
#[derive(Clone, Debug)]
pub struct LanguageModel(Arc<Loaded>);

#[derive(Debug)]
struct Loaded {
    network: Network,
    logits: usize,
    /// Names of the cache's inputs, and where in the outputs their successors are.
    cache: Vec<(String, usize)>,
    tokenizer: Tokenizer,
    config: Config,
    card: Card,
}

impl LanguageModel {
    /// Loads a folder whose graph takes `input_ids`, `past_key_values.<layer>.key|value` and, where it has them, `attention_mask` and
    /// `position_ids`, and gives the `logits` of every position or of the last and `present.<layer>.key|value`.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        let folder = Folder::open(dir, CONTENTS)?;
        let config = Config::load(&folder)?;
        let tokenizer = Tokenizer::load(&folder.path("tokenizer.json"))?;
        if tokenizer.vocabulary() > config.vocabulary {
            let problem = format!("{} is smaller than the tokenizer's {}", config.vocabulary, tokenizer.vocabulary());
            return Err(ModelError::config(&folder.path("config.json"), "vocab_size", problem));
        }
        let file = OnnxFile::open(&folder.file("onnx/model.onnx")?)?;
        file.expect_shape("input_ids", &[None, None])?;
        file.expect_shape("logits", &[None, None, Some(config.vocabulary)])?;
        let parts = |layer| {
            ["key", "value"].map(|part| (format!("past_key_values.{layer}.{part}"), format!("present.{layer}.{part}")))
        };
        let names: Vec<(String, String)> = (0..config.layers).flat_map(parts).collect();
        for name in names.iter().flat_map(|(past, present)| [past, present]) {
            file.expect_shape(name, &[None, Some(config.heads), None, Some(config.head_dim)])?;
        }
        let past = [Length::Is(1), Length::Is(config.heads), Length::Free("past"), Length::Is(config.head_dim)];
        let mut pins: Vec<(&str, &[Length])> = vec![
            ("input_ids", &[Length::Is(1), Length::Free("tokens")]),
            ("position_ids", &[Length::Is(1), Length::Free("tokens")]),
            ("attention_mask", &[Length::Is(1), Length::Sum("past", "tokens")]),
        ];
        pins.extend(names.iter().map(|(name, _)| (name.as_str(), &past[..])));
        let network = file.plan(Layers::Int8, &pins, Some("logits"))?;
        let cache = names
            .iter()
            .map(|(past, present)| Ok((past.clone(), network.output(present)?)))
            .collect::<Result<_, ModelError>>()?;
        Ok(Self(Arc::new(Loaded {
            logits: network.output("logits")?,
            network,
            cache,
            tokenizer,
            config,
            card: Card::load(&folder)?,
        })))
    }

    /// A session with a cache of its own.
    pub fn session(&self) -> Session {
        Session { model: self.clone(), past: Vec::new(), positions: 0 }
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.0.tokenizer
    }

    /// Most tokens that prompt and reply may have together.
    pub fn context(&self) -> usize {
        self.0.config.context
    }

    /// Estimated bytes of the weights in memory.
    pub fn loaded_bytes(&self) -> u64 {
        self.0.network.loaded_bytes()
    }

    /// Bytes of cache that one session holds when its context is full.
    pub fn cache_bytes_max(&self) -> u64 {
        let config = &self.0.config;
        (2 * config.layers * config.heads * config.head_dim * config.context * size_of::<f32>()) as u64
    }

    /// What the folder's card says of the model.
    pub fn card(&self) -> &Card {
        &self.0.card
    }

    /// A prompt in the model's template, as tokens, leaving room for at least one more; and whether it was cut.
    fn prompt_ids(&self, prompt: &str) -> (Vec<TokenId>, bool) {
        let Loaded { tokenizer, config, .. } = &*self.0;
        let begin: Vec<TokenId> = config.begin.into_iter().collect();
        let wrap = |prompt: &str| {
            let Some(template) = &config.template else { return tokenizer.encode_for_model(prompt, usize::MAX).ids };
            let body = tokenizer.encode_template(template, prompt);
            // A template that spells the first token out is not given it twice.
            if body.starts_with(&begin) { body } else { [begin.clone(), body].concat() }
        };
        let room = config.context.saturating_sub(1).max(1);
        // No token stands for more bytes than the longest word, so what lies beyond these bytes cannot fit: the work is
        // bounded by the context, whatever the prompt.
        let reach = prompt.len().min(room.saturating_mul(WORD_BYTES_MAX));
        let mut kept = &prompt[..prompt.floor_char_boundary(reach)];
        loop {
            let mut ids = wrap(kept);
            if ids.len() <= room || kept.is_empty() {
                let truncated = kept.len() < prompt.len() || ids.len() > room;
                ids.truncate(room);
                return (ids, truncated);
            }
            // At least one byte for each token too many: the end comes nearer by a share at every round.
            let excess = ids.len() - room;
            let end = kept.len().saturating_sub(excess);
            kept = &kept[..kept.floor_char_boundary(end)];
        }
    }
}
