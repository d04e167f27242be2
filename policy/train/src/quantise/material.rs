//! What models are run on: the owner's pictures and texts, as each model takes them.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trimtab_engine::{Feed, PictureInput, RgbFrame, TokenId, Tokenizer, Values};
use trimtab_quant::{DType, InputInfo, Quantiser};

use super::{QuantiseFolderError, io};

/// Fewest pictures or texts: one of five judges.
pub(super) const INPUTS_MIN: usize = 5;
/// Most pictures or texts that are run; of more, as many are taken, evenly spread.
pub(super) const INPUTS_MAX: usize = 40;
/// Most files of a folder that are looked at, and most lines.
const LISTED_MAX: usize = 100_000;
/// Largest picture file in bytes.
const PICTURE_BYTES_MAX: u64 = 32 << 20;
/// Largest file of texts in bytes.
const TEXTS_BYTES_MAX: u64 = 64 << 20;
/// Most tokens of a text.
const TOKENS_MAX: usize = 64;
/// Tokens of a piece of text that a language model reads, and the fewest where there is little text.
const PIECE_TOKENS: usize = 32;
const PIECE_TOKENS_MIN: usize = 8;
/// What language models remember with.
const PAST: &str = "past_key_values";

/// Pictures and texts.
pub(super) struct Material {
    folder: PathBuf,
    pictures: Vec<PathBuf>,
    texts: Vec<String>,
}

/// The runs of one model.
pub(super) struct Inputs {
    pub(super) feeds: Vec<Vec<Feed>>,
    /// Positions of each that are its own; what follows them only fills it up.
    pub(super) own: Vec<usize>,
    /// Shapes that all have in common; `None` is the length of a text.
    pub(super) pins: Vec<(String, Vec<Option<usize>>)>,
}

fn refuse(path: &Path, what: impl Into<String>) -> QuantiseFolderError {
    QuantiseFolderError::Material { path: path.into(), what: what.into() }
}

impl Material {
    pub(super) fn read(folder: &Path, calibrate: &[PathBuf]) -> Result<Self, QuantiseFolderError> {
        let mut material = Self { folder: folder.into(), pictures: Vec::new(), texts: Vec::new() };
        for path in calibrate {
            let found = if path.is_dir() {
                let pictures = list(path)?;
                material.pictures.extend(pictures);
                material.pictures.len()
            } else {
                material.texts.extend(lines(path)?);
                material.texts.len()
            };
            if found < INPUTS_MIN {
                return Err(refuse(path, format!("{found} pictures or distinct lines of text; {INPUTS_MIN} are due")));
            }
        }
        Ok(material)
    }

    /// What to run this model on. `filled` fills texts up to one length, for models that run at a known length only.
    pub(super) fn inputs(
        &self,
        model: &Path,
        quantiser: &Quantiser,
        filled: bool,
    ) -> Result<Inputs, QuantiseFolderError> {
        let inputs = quantiser.inputs();
        let has = |name: &str| inputs.iter().any(|input| input.name == name);
        let found = match (has("pixel_values"), has("input_ids")) {
            (true, false) => self.pictures(model, inputs)?,
            (false, true) if inputs.iter().any(|input| input.name.starts_with(PAST)) => self.pieces(model, inputs)?,
            (false, true) => self.texts(model, inputs, filled)?,
            _ => {
                let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
                return Err(refuse(
                    model,
                    format!("takes {names:?}; models of pixel_values or of input_ids are known"),
                ));
            }
        };
        if found.feeds.len() < INPUTS_MIN {
            let have = found.feeds.len();
            return Err(refuse(model, format!("{have} inputs are too few, {INPUTS_MIN} are due: give more material")));
        }
        Ok(found)
    }

    fn pictures(&self, model: &Path, inputs: &[InputInfo]) -> Result<Inputs, QuantiseFolderError> {
        if self.pictures.is_empty() {
            return Err(refuse(model, "looks at pictures: give a folder of them with --calibrate"));
        }
        let preprocessor = PictureInput::load(&self.folder)?;
        let (height, width) = preprocessor.size();
        let shape = vec![1, 3, height, width];
        only(model, inputs, &["pixel_values"])?;
        let mut feeds = Vec::new();
        for path in spread(&self.pictures) {
            let bytes = read(path, PICTURE_BYTES_MAX)?;
            let frame =
                RgbFrame::decode(&bytes, &path.display().to_string()).map_err(trimtab_engine::ModelError::from)?;
            let values = Values::F32(preprocessor.pixels(&frame));
            feeds.push(vec![Feed { name: "pixel_values".into(), shape: shape.clone(), values }]);
        }
        let pins = vec![("pixel_values".into(), shape.into_iter().map(Some).collect())];
        Ok(Inputs { own: vec![usize::MAX; feeds.len()], feeds, pins })
    }

    /// Whole texts, each with the tokens around one that the tokenizer says.
    fn texts(&self, model: &Path, inputs: &[InputInfo], filled: bool) -> Result<Inputs, QuantiseFolderError> {
        only(model, inputs, &["input_ids", "attention_mask", "token_type_ids", "position_ids"])?;
        let declared = inputs.iter().find(|input| input.name == "input_ids").and_then(|input| *input.shape.get(1)?);
        let texts = self.tokens(model, declared.unwrap_or(TOKENS_MAX))?;
        let fixed = declared.or(if filled { texts.iter().map(Vec::len).max() } else { None });
        let (mut feeds, mut own) = (Vec::new(), Vec::new());
        for mut ids in texts {
            let have = ids.len();
            if let Some(length) = fixed {
                let last = ids.last().copied().unwrap_or_default();
                ids.resize(length, last);
            }
            feeds.push(inputs.iter().map(|input| token_feed(input, &ids, have)).collect());
            own.push(have);
        }
        let pins = inputs.iter().map(|input| (input.name.clone(), vec![Some(1), fixed])).collect();
        Ok(Inputs { feeds, own, pins })
    }

    /// Pieces of one length, cut from the texts as one after another, with nothing before them.
    fn pieces(&self, model: &Path, inputs: &[InputInfo]) -> Result<Inputs, QuantiseFolderError> {
        let (past, tokens): (Vec<&InputInfo>, Vec<&InputInfo>) =
            inputs.iter().partition(|input| input.name.starts_with(PAST));
        for input in &tokens {
            only(model, std::slice::from_ref(*input), &["input_ids", "attention_mask", "position_ids"])?;
        }
        let stream: Vec<TokenId> = self.tokens(model, usize::MAX)?.concat();
        let mut length = PIECE_TOKENS;
        while stream.len() / length < INPUTS_MIN && length > PIECE_TOKENS_MIN {
            length /= 2;
        }
        let mut empty = Vec::new();
        for input in past {
            let [_, Some(heads), _, Some(width)] = *input.shape.as_slice() else {
                return Err(refuse(
                    model,
                    format!("{} has the shape {:?}; heads and width are due", input.name, input.shape),
                ));
            };
            let shape = vec![1, heads, 0, width];
            empty.push(Feed { name: input.name.clone(), shape, values: Values::F32(Vec::new()) });
        }
        let pieces: Vec<&[TokenId]> = stream.chunks_exact(length).collect();
        let feeds: Vec<Vec<Feed>> = spread(&pieces)
            .map(|ids| {
                let mut feeds: Vec<Feed> = tokens.iter().map(|input| token_feed(input, ids, ids.len())).collect();
                feeds.extend(empty.iter().cloned());
                feeds
            })
            .collect();
        let pins = feeds.first().into_iter().flatten();
        let pins = pins.map(|feed| (feed.name.clone(), feed.shape.iter().copied().map(Some).collect())).collect();
        Ok(Inputs { own: vec![usize::MAX; feeds.len()], feeds, pins })
    }

    /// The texts as tokens. A line that is a list of numbers in brackets is taken as the tokens themselves.
    fn tokens(&self, model: &Path, length: usize) -> Result<Vec<Vec<TokenId>>, QuantiseFolderError> {
        if self.texts.is_empty() {
            return Err(refuse(model, "reads texts: give a file of them, one a line, with --calibrate"));
        }
        let length = length.min(context(&self.folder)?);
        let mut tokenizer = None;
        let texts: Vec<&String> =
            if length == usize::MAX { self.texts.iter().collect() } else { spread(&self.texts).collect() };
        let mut found = Vec::new();
        for text in texts {
            let given = if text.starts_with('[') { serde_json::from_str::<Vec<TokenId>>(text).ok() } else { None };
            let mut ids = match given {
                Some(ids) => ids,
                None => {
                    let tokenizer = match &mut tokenizer {
                        Some(tokenizer) => tokenizer,
                        none => none.insert(Tokenizer::load(&self.folder.join("tokenizer.json"))?),
                    };
                    tokenizer.encode_for_model(text, length).ids
                }
            };
            ids.truncate(length);
            if !ids.is_empty() {
                found.push(ids);
            }
        }
        Ok(found)
    }
}

/// The longest text that the folder's configuration allows.
fn context(folder: &Path) -> Result<usize, QuantiseFolderError> {
    let path = folder.join("config.json");
    let config: Value = serde_json::from_slice(&read(&path, trimtab_engine::JSON_BYTES_MAX)?)
        .map_err(|error| refuse(&path, format!("is no configuration ({error}); fetch it again")))?;
    let places = ["/context", "/max_position_embeddings", "/n_positions", "/text_config/max_position_embeddings"];
    let lengths = places.iter().filter_map(|place| config.pointer(place).and_then(Value::as_u64));
    Ok(lengths.min().and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX))
}

/// What an input of a text is fed: `ids`, of which the first `have` are its own.
fn token_feed(input: &InputInfo, ids: &[TokenId], have: usize) -> Feed {
    let numbers: Vec<i64> = match input.name.as_str() {
        "attention_mask" => (0..ids.len()).map(|at| i64::from(at < have)).collect(),
        "position_ids" => (0..ids.len() as i64).collect(),
        "token_type_ids" => vec![0; ids.len()],
        _ => ids.iter().map(|id| i64::from(*id)).collect(),
    };
    let values = if input.dtype == DType::I32.code() {
        Values::I32(numbers.into_iter().map(|number| number as i32).collect())
    } else if input.dtype == DType::Bool.code() {
        Values::Bool(numbers.into_iter().map(|number| number != 0).collect())
    } else if input.dtype == DType::F32.code() {
        Values::F32(numbers.into_iter().map(|number| number as f32).collect())
    } else {
        Values::I64(numbers)
    };
    Feed { name: input.name.clone(), shape: vec![1, ids.len()], values }
}

fn only(model: &Path, inputs: &[InputInfo], known: &[&str]) -> Result<(), QuantiseFolderError> {
    match inputs.iter().find(|input| !known.contains(&input.name.as_str())) {
        Some(input) => {
            Err(refuse(model, format!("takes an input {}, which is not known; export it without", input.name)))
        }
        None => Ok(()),
    }
}

/// As many as are run, evenly spread.
fn spread<T>(all: &[T]) -> impl Iterator<Item = &T> {
    let count = all.len().min(INPUTS_MAX);
    (0..count).map(move |at| &all[at * all.len() / count])
}

/// The files of a folder by name, but for hidden ones.
fn list(folder: &Path) -> Result<Vec<PathBuf>, QuantiseFolderError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io(folder, "listed"))?.take(LISTED_MAX) {
        let path = entry.map_err(io(folder, "listed"))?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_file() && !hidden {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Distinct lines that are not empty.
fn lines(path: &Path) -> Result<Vec<String>, QuantiseFolderError> {
    let text = String::from_utf8(read(path, TEXTS_BYTES_MAX)?)
        .map_err(|error| refuse(path, format!("not a text in UTF-8 ({}); write one a line", error.utf8_error())))?;
    let mut seen = HashSet::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && seen.insert(*line));
    Ok(lines.take(LISTED_MAX).map(String::from).collect())
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, QuantiseFolderError> {
    let have = fs::metadata(path).map_err(io(path, "read"))?.len();
    if have > limit {
        return Err(refuse(path, format!("{have} bytes, more than the {limit} that it may have; give a smaller one")));
    }
    fs::read(path).map_err(io(path, "read"))
}
