//! The part of `tokenizer.json` that is read, and its translation into a [`Tokenizer`].

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::words::Scheme;
use super::{TokenId, Tokenizer};
use crate::ModelError;

/// Largest vocabulary accepted; the numbers of a file are not trusted to size a table.
const VOCABULARY_MAX: usize = 1 << 20;

#[derive(Deserialize)]
struct File {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Option<Value>,
    #[serde(default)]
    pre_tokenizer: Option<Value>,
    #[serde(default)]
    post_processor: Option<Value>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    vocab: HashMap<String, TokenId>,
    merges: Vec<Merge>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
}

#[derive(Deserialize)]
struct AddedToken {
    id: TokenId,
    content: String,
    #[serde(default)]
    special: bool,
}

/// Older files write a pair as one string, newer ones as two.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Joined(String),
    Pair(String, String),
}

pub(super) fn parse(path: &Path, json: &[u8]) -> Result<Tokenizer, ModelError> {
    let bad = |key: &str, problem: String| ModelError::config(path, key, problem);
    let File { model, added_tokens, normalizer, pre_tokenizer, post_processor } =
        serde_json::from_slice(json).map_err(|source| ModelError::Json { path: path.into(), source })?;
    if model.kind.as_deref().is_some_and(|kind| kind != "BPE") {
        return Err(bad("model.type", "only BPE is supported".into()));
    }
    let highest = model.vocab.values().chain(added_tokens.iter().map(|t| &t.id)).max().copied().unwrap_or(0) as usize;
    if highest >= VOCABULARY_MAX {
        return Err(bad("model.vocab", format!("token number {highest} is above the limit of {VOCABULARY_MAX}")));
    }

    let alphabet = Alphabet::new();
    let suffix = model.end_of_word_suffix.as_deref().unwrap_or_default();
    let mut pieces = vec![Box::<[u8]>::default(); highest + 1];
    let is_added = |name: &str| added_tokens.iter().any(|t| t.content == name);
    for (name, &id) in model.vocab.iter().filter(|(name, _)| !is_added(name)) {
        let stem = if suffix.is_empty() { None } else { name.strip_suffix(suffix) };
        let mut piece = alphabet
            .bytes(stem.unwrap_or(name))
            .ok_or_else(|| bad("model.vocab", format!("{name:?} is not written in the byte-level alphabet")))?;
        if stem.is_some() {
            piece.push(b' ');
        }
        pieces[id as usize] = piece.into();
    }
    for token in added_tokens.iter().filter(|t| !t.special) {
        pieces[token.id as usize] = token.content.as_bytes().into();
    }

    let number = |name: &str| model.vocab.get(name).copied();
    let mut merges = HashMap::with_capacity(model.merges.len());
    for (rank, merge) in model.merges.iter().enumerate() {
        let key = || format!("model.merges[{rank}]");
        let (left, right) = match merge {
            Merge::Pair(left, right) => (left.as_str(), right.as_str()),
            Merge::Joined(both) => both.split_once(' ').ok_or_else(|| bad(&key(), format!("{both:?} is no pair")))?,
        };
        let (Some(a), Some(b), Some(merged)) = (number(left), number(right), number(&format!("{left}{right}"))) else {
            return Err(bad(&key(), format!("{left:?} {right:?} or their join is not in the vocabulary")));
        };
        merges.entry((a, b)).or_insert((rank as u32, merged));
    }

    let symbols = |suffix: &str| -> Result<[TokenId; 256], ModelError> {
        let mut ids = [0; 256];
        for (byte, id) in ids.iter_mut().enumerate() {
            let symbol = format!("{}{suffix}", alphabet.0[byte]);
            *id = number(&symbol).ok_or_else(|| {
                bad("model.vocab", format!("no token for byte {byte} ({symbol:?}); byte-level BPE needs all 256"))
            })?;
        }
        Ok(ids)
    };
    let bytes = symbols("")?;
    let last_bytes = if suffix.is_empty() { None } else { Some(Box::new(symbols(suffix)?)) };

    let (scheme, prefix_space) =
        scheme(pre_tokenizer.as_ref(), !suffix.is_empty()).map_err(|p| bad("pre_tokenizer", p))?;
    let lowercase = lowercase(normalizer.as_ref()).map_err(|p| bad("normalizer", p))?;
    let specials: HashMap<String, TokenId> =
        added_tokens.into_iter().filter(|t| t.special && !t.content.is_empty()).map(|t| (t.content, t.id)).collect();
    let (before, after) = surround(post_processor.as_ref(), &specials).map_err(|p| bad("post_processor", p))?;
    Ok(Tokenizer { pieces, merges, bytes, last_bytes, scheme, prefix_space, lowercase, specials, before, after })
}

/// The printable character that stands for each byte in byte-level vocabularies: printable Latin-1 stands for itself,
/// the 68 others take the characters from U+0100 on, in order.
struct Alphabet([char; 256]);

impl Alphabet {
    fn new() -> Self {
        let mut spare = 0x100_u32;
        Self(std::array::from_fn(|byte| {
            let own = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
            let code = if own { byte as u32 } else { spare };
            spare += u32::from(!own);
            char::from_u32(code).unwrap_or_default()
        }))
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        name.chars().map(|c| self.0.iter().position(|&a| a == c).map(|byte| byte as u8)).collect()
    }
}

fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn flag(value: &Value, key: &str, default: bool) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(default)
}

/// The steps of a `Sequence`, or the one step.
fn steps<'a>(value: Option<&'a Value>, list: &str) -> Vec<&'a Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(value) if kind(value) == "Sequence" => {
            value.get(list).and_then(Value::as_array).map_or_else(Vec::new, |steps| steps.iter().collect())
        }
        Some(value) => vec![value],
    }
}

fn scheme(pre_tokenizer: Option<&Value>, marks_word_ends: bool) -> Result<(Scheme, bool), String> {
    let steps = steps(pre_tokenizer, "pretokenizers");
    let names: Vec<&str> = steps.iter().map(|step| kind(step)).collect();
    let byte_level = steps.last().copied().unwrap_or(&Value::Null);
    let regex = flag(byte_level, "use_regex", true);
    let prefix_space = flag(byte_level, "add_prefix_space", true);
    match names.as_slice() {
        ["ByteLevel"] if regex && !marks_word_ends => Ok((Scheme::Gpt2, prefix_space)),
        ["Digits", "ByteLevel"] if regex && !marks_word_ends && flag(steps[0], "individual_digits", false) => {
            Ok((Scheme::Gpt2Digits, prefix_space))
        }
        ["Split", "ByteLevel"] if marks_word_ends => Ok((Scheme::Clip, false)),
        _ => Err(format!(
            "{names:?} is not supported; known are ByteLevel, single Digits with ByteLevel, and CLIP's Split with ByteLevel"
        )),
    }
}

fn lowercase(normalizer: Option<&Value>) -> Result<bool, String> {
    let mut lowercase = false;
    for step in steps(normalizer, "normalizers") {
        match kind(step) {
            // CLIP's replacement joins white space, which its words leave out anyway.
            "NFC" | "Replace" => {}
            "Lowercase" => lowercase = true,
            other => {
                return Err(format!("{other:?} is not supported; known are NFC, Lowercase and CLIP's Replace"));
            }
        }
    }
    Ok(lowercase)
}

/// The special tokens before and after a single text.
fn surround(
    post_processor: Option<&Value>,
    specials: &HashMap<String, TokenId>,
) -> Result<(Vec<TokenId>, Vec<TokenId>), String> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for step in steps(post_processor, "processors") {
        match kind(step) {
            "ByteLevel" => {}
            "RobertaProcessing" | "BertProcessing" => {
                let id = |key: &str| {
                    step.get(key)
                        .and_then(|pair| pair.get(1))
                        .and_then(Value::as_u64)
                        .and_then(|id| u32::try_from(id).ok())
                };
                before.push(id("cls").ok_or("cls has no number")?);
                after.push(id("sep").ok_or("sep has no number")?);
            }
            "TemplateProcessing" => {
                let single = step.get("single").and_then(Value::as_array).ok_or("single is no list")?;
                let mut seen_text = false;
                for part in single {
                    match part.get("SpecialToken").and_then(|t| t.get("id")).and_then(Value::as_str) {
                        Some(name) => {
                            let id = *specials
                                .get(name)
                                .ok_or_else(|| format!("{name:?} is no special token of added_tokens"))?;
                            if seen_text { after.push(id) } else { before.push(id) }
                        }
                        None => seen_text = true,
                    }
                }
            }
            other => {
                return Err(format!(
                    "{other:?} is not supported; known are TemplateProcessing, RobertaProcessing and ByteLevel"
                ));
            }
        }
    }
    Ok((before, after))
}
