//! The part of `tokenizer.json` that is read, and its translation into a [`Tokenizer`].

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::added::Added;
use super::normal::Step;
use super::words::Cut;
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
    #[serde(default)]
    padding: Option<Padding>,
}

#[derive(Deserialize)]
struct Padding {
    pad_id: TokenId,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    vocab: HashMap<String, TokenId>,
    merges: Vec<Merge>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    ignore_merges: bool,
}

#[derive(Deserialize)]
struct AddedToken {
    id: TokenId,
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
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
    let File { model, added_tokens, normalizer, pre_tokenizer, post_processor, padding } =
        serde_json::from_slice(json).map_err(|source| ModelError::Json { path: path.into(), source })?;
    if model.continuing_subword_prefix.as_deref().is_some_and(|prefix| !prefix.is_empty()) {
        return Err(bad("model.continuing_subword_prefix", "only an empty one is supported".into()));
    }
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
    let names: HashSet<&str> = added_tokens.iter().map(|token| token.content.as_str()).collect();
    let mut whole = HashMap::new();
    for (name, &id) in model.vocab.iter().filter(|(name, _)| !names.contains(name.as_str())) {
        let stem = if suffix.is_empty() { None } else { name.strip_suffix(suffix) };
        let mut piece = alphabet
            .bytes(stem.unwrap_or(name))
            .ok_or_else(|| bad("model.vocab", format!("{name:?} is not written in the byte-level alphabet")))?;
        if model.ignore_merges && stem.is_none() {
            whole.insert(piece.clone().into_boxed_slice(), id);
        }
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

    let unknown = model.unk_token.as_deref().and_then(number);
    let symbols = |suffix: &str| -> Result<Box<[Option<TokenId>; 256]>, ModelError> {
        let mut ids = Box::new([None; 256]);
        for (byte, id) in ids.iter_mut().enumerate() {
            let symbol = format!("{}{suffix}", alphabet.0[byte]);
            *id = number(&symbol).or(unknown);
            // Some published vocabularies lack bytes that hardly occur; one without these is of another kind.
            if id.is_none() && matches!(byte, 0x21..=0x7e) {
                let problem = format!("no token for byte {byte} ({symbol:?}); byte-level BPE needs all of them");
                return Err(bad("model.vocab", problem));
            }
        }
        Ok(ids)
    };
    let bytes = symbols("")?;
    let last_bytes = if suffix.is_empty() { None } else { Some(symbols(suffix)?) };

    let cuts = cuts(pre_tokenizer.as_ref(), !suffix.is_empty()).map_err(|p| bad("pre_tokenizer", p))?;
    let drops_spaces = matches!(cuts.first(), Some(Cut::Clip { .. }));
    let steps = normaliser(normalizer.as_ref(), drops_spaces).map_err(|p| bad("normalizer", p))?;
    let added: Vec<Added> = added_tokens
        .into_iter()
        .filter(|token| !token.content.is_empty())
        .map(|token| Added {
            id: token.id,
            content: token.content,
            special: token.special,
            takes_left: token.lstrip,
            takes_right: token.rstrip,
        })
        .collect();
    let (before, after) = surround(post_processor.as_ref(), &added).map_err(|p| bad("post_processor", p))?;
    let filler = padding.map(|padding| padding.pad_id);
    Ok(Tokenizer { pieces, merges, bytes, last_bytes, whole, steps, cuts, added, before, after, filler })
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

/// The expressions of GPT-2 and its successors, as files spell them out.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const GPT4_BEGIN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}";
const GPT4_END: &str = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The end of CLIP's expression; before it, the names of special tokens may stand.
const CLIP: &str = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

fn cuts(pre_tokenizer: Option<&Value>, marks_word_ends: bool) -> Result<Vec<Cut>, String> {
    let steps = steps(pre_tokenizer, "pretokenizers");
    let mut cuts = Vec::new();
    for step in &steps {
        match kind(step) {
            "ByteLevel" => {
                if flag(step, "add_prefix_space", true) {
                    cuts.push(Cut::Prefix);
                }
                if flag(step, "use_regex", true) {
                    cuts.push(Cut::Gpt2);
                }
            }
            "Digits" => cuts.push(Cut::Digits { single: flag(step, "individual_digits", false) }),
            "Split" => cuts.push(split(step)?),
            other => {
                return Err(format!("{other:?} is not supported; known are ByteLevel, Digits and Split"));
            }
        }
    }
    if steps.last().is_none_or(|step| kind(step) != "ByteLevel") {
        return Err("the last step must be ByteLevel".into());
    }
    let is_cut = cuts.iter().any(|cut| matches!(cut, Cut::Gpt2 | Cut::Gpt4 { .. } | Cut::Clip { .. }));
    if !is_cut {
        return Err("nothing cuts the text into words; known are ByteLevel's expression, GPT-4's and CLIP's".into());
    }
    // Only with CLIP's cut a word ends where white space or another word begins.
    if marks_word_ends && !matches!(cuts.first(), Some(Cut::Clip { .. })) {
        return Err("ends of words are marked, so CLIP's Split has to come first".into());
    }
    Ok(cuts)
}

fn split(step: &Value) -> Result<Cut, String> {
    let expression = step.get("pattern").and_then(|pattern| pattern.get("Regex")).and_then(Value::as_str);
    let expression = expression.ok_or("a Split without an expression is not supported")?;
    let (behaviour, invert) = (step.get("behavior").and_then(Value::as_str), flag(step, "invert", false));
    let keeps_all = behaviour == Some("Isolated") || (behaviour == Some("Removed") && invert);
    if let Some(digits) =
        expression.strip_prefix(GPT4_BEGIN).and_then(|rest| rest.strip_suffix(GPT4_END)).filter(|_| keeps_all)
    {
        match digits {
            "" => return Ok(Cut::Gpt4 { digits: 1 }),
            "{1,3}" => return Ok(Cut::Gpt4 { digits: 3 }),
            _ => {}
        }
    }
    if expression == GPT2 && keeps_all {
        return Ok(Cut::Gpt2);
    }
    if let Some(names) = expression.strip_suffix(CLIP).filter(|_| behaviour == Some("Removed") && invert) {
        let plain = names.replace('\\', "");
        let names: Vec<String> = plain.split_terminator(">|").map(|name| format!("{name}>")).collect();
        if names.iter().all(|name| name.starts_with("<|")) {
            return Ok(Cut::Clip { names });
        }
    }
    Err(format!(
        "the expression {expression:?} ({behaviour:?}) is not supported; known are those of GPT-2, GPT-4, Llama 3, Qwen 2 and CLIP"
    ))
}

fn normaliser(normalizer: Option<&Value>, drops_spaces: bool) -> Result<Vec<Step>, String> {
    let mut found = Vec::new();
    for step in steps(normalizer, "normalizers") {
        let pattern = step.get("pattern").and_then(|pattern| pattern.get("Regex")).and_then(Value::as_str);
        match kind(step) {
            "NFC" => found.push(Step::Composed),
            "Lowercase" => found.push(Step::Lowercase),
            // Joins white space, which the words leave out anyway.
            "Replace" if drops_spaces && pattern == Some(r"\s+") => {}
            other => {
                return Err(format!("{other:?} is not supported; known are NFC, Lowercase and CLIP's Replace"));
            }
        }
    }
    Ok(found)
}

/// The special tokens before and after a single text.
fn surround(post_processor: Option<&Value>, added: &[Added]) -> Result<(Vec<TokenId>, Vec<TokenId>), String> {
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
                            let id = added
                                .iter()
                                .find(|token| token.special && token.content == name)
                                .map(|token| token.id)
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
