//! What the JSON files of a language model's folder say of it, in our own terms or in those of Hugging Face's exports.

use serde::Deserialize;

use super::Confidence;
use crate::ModelError;
use crate::folder::Folder;
use crate::tokenizer::TokenId;

/// Bounds on what a configuration may declare.
const LAYERS_MAX: usize = 256;
const CONTEXT_MAX: usize = 1 << 17;
const WIDTH_MAX: usize = 1 << 16;
const VOCABULARY_MAX: usize = 1 << 20;

/// `config.json` as it is written. Names differ between families of models.
#[derive(Deserialize)]
struct File {
    #[serde(alias = "num_hidden_layers")]
    n_layer: usize,
    #[serde(alias = "num_attention_heads")]
    n_head: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    #[serde(alias = "n_embd")]
    hidden_size: Option<usize>,
    vocab_size: usize,
    context: Option<usize>,
    max_position_embeddings: Option<usize>,
    n_positions: Option<usize>,
    eos_token_id: Option<OneOrMany>,
    bos_token_id: Option<TokenId>,
    action_token_id: Option<TokenId>,
    prompt_template: Option<String>,
    confidence: Option<Confidence>,
}

/// `generation_config.json`: only what ends a reply.
#[derive(Deserialize)]
struct GenerationFile {
    eos_token_id: Option<OneOrMany>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(TokenId),
    Many(Vec<TokenId>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<TokenId> {
        match self {
            Self::One(id) => vec![id],
            Self::Many(ids) => ids,
        }
    }
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) layers: usize,
    /// Heads of keys and values.
    pub(super) heads: usize,
    pub(super) head_dim: usize,
    pub(super) vocabulary: usize,
    /// Most tokens of prompt and reply together.
    pub(super) context: usize,
    /// Tokens that end a reply.
    pub(super) ends: Vec<TokenId>,
    /// The token that begins a text.
    pub(super) begin: Option<TokenId>,
    /// The token that separates what a reply says from what it does.
    pub(super) action: Option<TokenId>,
    /// How probable it is that a reply is right.
    pub(super) confidence: Option<Confidence>,
    /// Holds `{prompt}` once; without one the tokenizer's own special tokens surround a prompt.
    pub(super) template: Option<String>,
}

impl Config {
    pub(super) fn load(folder: &Folder) -> Result<Self, ModelError> {
        let file: File = folder.json("config.json")?;
        let generation: Option<GenerationFile> = folder.json_if_present("generation_config.json")?;
        let path = folder.path("config.json");
        let refuse = |key: &str, problem: String| Err(ModelError::config(&path, key, problem));
        let context = file.context.or(file.max_position_embeddings).or(file.n_positions);
        let Some(context) = context else {
            return refuse("max_position_embeddings", "missing; it says how long prompt and reply may be".into());
        };
        let Some(head_dim) = file.head_dim.or(file.hidden_size.map(|width| width / file.n_head.max(1))) else {
            return refuse("head_dim", "missing, and so is hidden_size".into());
        };
        let heads = file.num_key_value_heads.unwrap_or(file.n_head);
        let bounds = [
            ("n_layer", file.n_layer, LAYERS_MAX),
            ("n_head", heads, WIDTH_MAX),
            ("head_dim", head_dim, WIDTH_MAX),
            ("vocab_size", file.vocab_size, VOCABULARY_MAX),
            ("context", context, CONTEXT_MAX),
        ];
        if let Some((key, value, max)) = bounds.into_iter().find(|(_, value, max)| !(1..=*max).contains(value)) {
            return refuse(key, format!("{value} is not within 1..={max}"));
        }
        if file.prompt_template.as_ref().is_some_and(|template| template.matches("{prompt}").count() != 1) {
            return refuse("prompt_template", "must contain {prompt} exactly once".into());
        }
        let ends = generation.and_then(|file| file.eos_token_id).or(file.eos_token_id).map(OneOrMany::into_vec);
        let Some(ends) = ends.filter(|ends| !ends.is_empty()) else {
            return refuse("eos_token_id", "missing; it says which token ends a reply".into());
        };
        if file.confidence.is_some_and(|c| !c.scale.is_finite() || !c.bias.is_finite()) {
            return refuse("confidence", "scale and bias must be finite".into());
        }
        Ok(Self {
            layers: file.n_layer,
            heads,
            head_dim,
            vocabulary: file.vocab_size,
            context,
            ends,
            begin: file.bos_token_id,
            action: file.action_token_id,
            confidence: file.confidence,
            template: file.prompt_template,
        })
    }
}
