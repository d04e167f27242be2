//! The small causal language model: one plan, and one key–value cache for each session.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use tract_onnx::prelude::TValue;

use crate::folder::Folder;
use crate::network::Network;
use crate::onnx::{Layers, OnnxFile};
use crate::stream::Utf8Stream;
use crate::tokenizer::{TokenId, Tokenizer, WORD_BYTES_MAX};
use crate::{Card, ModelError, softmax};

const CONTENTS: &str = "config.json, tokenizer.json and onnx/model.onnx";
/// Bounds on what a configuration may declare.
const LAYERS_MAX: usize = 256;
const CONTEXT_MAX: usize = 1 << 17;
const WIDTH_MAX: usize = 1 << 16;

#[derive(Clone, Debug, Deserialize)]
struct Config {
    #[serde(alias = "num_hidden_layers")]
    n_layer: usize,
    #[serde(alias = "num_key_value_heads")]
    n_head: usize,
    head_dim: usize,
    vocab_size: usize,
    #[serde(alias = "max_position_embeddings")]
    context: usize,
    eos_token_id: TokenId,
    #[serde(default)]
    bos_token_id: Option<TokenId>,
    #[serde(default = "bare")]
    prompt_template: String,
}

fn bare() -> String {
    "{prompt}".into()
}

/// How to generate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GenerateOptions {
    /// Most tokens to generate.
    pub max_tokens: usize,
    /// 0 takes the likeliest token each time; above, tokens are drawn from the softened distribution.
    pub temperature: f32,
    /// Seed of the draw; the same seed gives the same text.
    pub seed: u64,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self { max_tokens: 64, temperature: 0.0, seed: 0 }
    }
}

/// One generated token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token<'a> {
    /// Its number.
    pub id: TokenId,
    /// The text it completes: empty while a character is still in parts.
    pub piece: &'a str,
    /// Natural logarithm of its probability at temperature 1.
    pub logprob: f32,
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model said that it is done.
    Stop,
    /// `max_tokens` or the model's context was used up.
    Length,
    /// The caller stopped it.
    Cancelled,
}

/// A finished generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// The text: all pieces joined.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens read.
    pub prompt_tokens: usize,
    /// Tokens generated, without the one that means *done*.
    pub tokens: usize,
    /// The end of the prompt did not fit in the context and was left out.
    pub prompt_truncated: bool,
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
    /// Loads a folder whose graph takes `input_ids` and `past_key_values.<layer>.key|value` and gives the `logits` of
    /// the last position and `present.<layer>.key|value`.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        let folder = Folder::open(dir, CONTENTS)?;
        let config: Config = folder.json("config.json")?;
        let path = folder.path("config.json");
        let within = |key: &str, value: usize, max: usize| {
            if (1..=max).contains(&value) {
                Ok(())
            } else {
                Err(ModelError::config(&path, key, format!("{value} is not within 1..={max}")))
            }
        };
        within("n_layer", config.n_layer, LAYERS_MAX)?;
        within("n_head", config.n_head, WIDTH_MAX)?;
        within("head_dim", config.head_dim, WIDTH_MAX)?;
        within("vocab_size", config.vocab_size, 1 << 20)?;
        within("context", config.context, CONTEXT_MAX)?;
        if config.prompt_template.matches("{prompt}").count() != 1 {
            return Err(ModelError::config(&path, "prompt_template", "must contain {prompt} exactly once"));
        }
        let tokenizer = Tokenizer::load(&folder.path("tokenizer.json"))?;
        if tokenizer.vocabulary() > config.vocab_size {
            let problem = format!("{} is smaller than the tokenizer's {}", config.vocab_size, tokenizer.vocabulary());
            return Err(ModelError::config(&path, "vocab_size", problem));
        }

        let file = OnnxFile::open(&folder.file("onnx/model.onnx")?)?;
        file.expect_shape("input_ids", &[Some(1), None])?;
        file.expect_shape("logits", &[Some(1), Some(1), Some(config.vocab_size)])?;
        let parts = |layer| {
            ["key", "value"].map(|part| (format!("past_key_values.{layer}.{part}"), format!("present.{layer}.{part}")))
        };
        let names: Vec<(String, String)> = (0..config.n_layer).flat_map(parts).collect();
        for name in names.iter().flat_map(|(past, present)| [past, present]) {
            file.expect_shape(name, &[Some(1), Some(config.n_head), None, Some(config.head_dim)])?;
        }
        let network = file.plan(Layers::Int8, &[])?;
        let cache = names
            .into_iter()
            .map(|(past, present)| Ok((past, network.output(&present)?)))
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
        (2 * config.n_layer * config.n_head * config.head_dim * config.context * size_of::<f32>()) as u64
    }

    /// What the folder's card says of the model.
    pub fn card(&self) -> &Card {
        &self.0.card
    }

    /// A prompt in the model's template, as tokens, leaving room for at least one more; and whether it was cut.
    fn prompt_ids(&self, prompt: &str) -> (Vec<TokenId>, bool) {
        let Loaded { tokenizer, config, .. } = &*self.0;
        let begin: Vec<TokenId> = config.bos_token_id.into_iter().collect();
        let wrap = |prompt: &str| {
            let body = tokenizer.encode_template(&config.prompt_template, prompt);
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

/// One generation at a time, with the key–value cache that it needs.
#[derive(Debug)]
pub struct Session {
    model: LanguageModel,
    past: Vec<TValue>,
    positions: usize,
}

impl Session {
    /// Answers a prompt, token by token. `on_token` is called after each and may stop the generation there; nothing
    /// is computed after it has. The cache starts empty at every call.
    pub fn generate(
        &mut self,
        prompt: &str,
        options: &GenerateOptions,
        on_token: &mut dyn FnMut(&Token<'_>) -> ControlFlow<()>,
    ) -> Result<Generation, ModelError> {
        self.clear();
        let (ids, prompt_truncated) = self.model.prompt_ids(prompt);
        let mut done = Generation {
            text: String::new(),
            finish: Finish::Length,
            prompt_tokens: ids.len(),
            tokens: 0,
            prompt_truncated,
        };
        let config = self.model.0.config.clone();
        let mut draw = Draw::new(options);
        let mut stream = Utf8Stream::default();
        let mut next = ids;
        while done.tokens < options.max_tokens && self.positions + next.len() <= config.context {
            let logits = self.step(&next)?;
            let (id, logprob) = draw.token(&logits);
            if id == config.eos_token_id {
                done.finish = Finish::Stop;
                break;
            }
            done.tokens += 1;
            let piece = stream.push(self.model.0.tokenizer.piece(id));
            done.text.push_str(&piece);
            if on_token(&Token { id, piece: &piece, logprob }).is_break() {
                done.finish = Finish::Cancelled;
                break;
            }
            next = vec![id];
        }
        Ok(done)
    }

    /// Reads tokens after those already in the cache and returns the logits of the one that follows.
    pub fn step(&mut self, ids: &[TokenId]) -> Result<Vec<f32>, ModelError> {
        let Loaded { network, cache, config, .. } = &*self.model.0;
        if ids.is_empty() || self.positions + ids.len() > config.context {
            let problem =
                format!("{} tokens after {} do not fit the context of {}", ids.len(), self.positions, config.context);
            return Err(ModelError::Run { path: network.path().into(), problem });
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= config.vocab_size) {
            return Err(ModelError::Run {
                path: network.path().into(),
                problem: format!("token {id} is outside the vocabulary"),
            });
        }
        let wide: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let mut feeds = vec![("input_ids", network.tensor(&[1, wide.len()], &wide)?)];
        if self.past.is_empty() {
            for _ in cache {
                self.past.push(network.tensor::<f32>(&[1, config.n_head, 0, config.head_dim], &[])?);
            }
        }
        feeds.extend(cache.iter().map(|(name, _)| name.as_str()).zip(self.past.drain(..)));
        let outputs = network.run(feeds)?;
        self.positions += ids.len();
        self.past.extend(cache.iter().map(|(_, present)| outputs[*present].clone()));
        Ok(network.floats(&outputs[self.model.0.logits], config.vocab_size)?.to_vec())
    }

    /// Empties the cache.
    pub fn clear(&mut self) {
        self.past.clear();
        self.positions = 0;
    }
}

/// Chooses tokens; the only source of chance is the seed.
struct Draw {
    temperature: f32,
    state: u64,
}

impl Draw {
    fn new(options: &GenerateOptions) -> Self {
        Self { temperature: if options.temperature > 0.0 { options.temperature } else { 0.0 }, state: options.seed }
    }

    fn token(&mut self, logits: &[f32]) -> (TokenId, f32) {
        let mut chosen =
            (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(b.cmp(&a))).unwrap_or(0);
        if self.temperature > 0.0 {
            let mut softened: Vec<f32> = logits.iter().map(|l| l / self.temperature).collect();
            softmax(&mut softened);
            let mut left = self.uniform();
            let drawn = softened.iter().position(|p| {
                left -= p;
                left < 0.0
            });
            chosen = drawn.unwrap_or(chosen);
        }
        let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let log_total = logits.iter().map(|l| (l - peak).exp()).sum::<f32>().ln();
        (chosen as TokenId, logits.get(chosen).map_or(0.0, |l| l - peak - log_total))
    }

    /// The next number in 0..1 of a SplitMix64 sequence.
    fn uniform(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }
}
