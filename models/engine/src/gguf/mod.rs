//! The header of a GGUF file, read and checked before an engine is given the file: engines in C++ end the process on some
//! files that they do not expect, and how much memory a model will take must be known before it is taken.
//!
//! A header has a table of keys (architecture, sizes, vocabulary) and a table of tensors, each with its place in the rest of
//! the file. What is said here of a model is taken from these alone; the weights are not read.

mod kinds;
mod read;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::ModelError;
use read::{ARRAY, Reader, TEXT, Value};

pub use read::GGUF_HEADER_BYTES_MAX;

/// Architectures that are run: decoders of one kind of layer.
pub const GGUF_ARCHITECTURES: [&str; 7] = ["llama", "qwen2", "qwen3", "smollm3", "gemma", "granite", "olmo2"];
/// Vocabularies that are read: byte-level BPE and SentencePiece.
const VOCABULARIES: [&[u8]; 2] = [b"gpt2", b"llama"];
const MAGIC: [u8; 4] = *b"GGUF";
const VERSIONS: [u32; 2] = [2, 3];
const KEYS_MAX: u64 = 4096;
const TENSORS_MAX: u64 = 1 << 14;
const DIMENSIONS_MAX: u32 = 4;
const ELEMENTS_MAX: u64 = 1 << 34;
const ALIGNMENT: u64 = 32;
const ALIGNMENT_MAX: u64 = 1 << 16;
/// Bounds on what a header may declare.
const LAYERS_MAX: u64 = 512;
const WIDTH_MAX: u64 = 1 << 17;
const CONTEXT_MAX: u64 = 1 << 24;
const VOCABULARY_MAX: u64 = 1 << 20;

/// What the header of a GGUF file says of the model in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufHeader {
    /// The architecture: one of [`GGUF_ARCHITECTURES`].
    pub architecture: String,
    /// The longest text that it was trained on, tokens.
    pub context: usize,
    /// Layers.
    pub layers: usize,
    /// Numbers in a token's vector.
    pub width: usize,
    /// Numbers between the two halves of a layer.
    pub inner: usize,
    /// Attention heads.
    pub heads: usize,
    /// Heads of keys and values, which heads share.
    pub kv_heads: usize,
    /// Numbers in a head.
    pub head: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Bytes of its longest token.
    pub token_bytes_max: usize,
    /// Bytes of all weights once loaded; those that serve for two purposes count twice.
    pub weight_bytes: u64,
}

/// The two tables.
struct Tables {
    values: HashMap<String, Value>,
    /// Keys whose value is an array, with its length.
    arrays: HashMap<String, u64>,
    token_bytes_max: usize,
    tensors: HashMap<String, Tensor>,
}

struct Tensor {
    shape: Vec<u64>,
    bytes: u64,
}

impl GgufHeader {
    /// Reads and checks the header of a file; its weights must all be there, but are not read.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let failed = |source| ModelError::Read { path: path.into(), source };
        let file = File::open(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                ModelError::Missing { path: path.into(), remedy: "check the path in the configuration".into() }
            }
            _ => failed(source),
        })?;
        let length = file.metadata().map_err(failed)?.len();
        Self::read(BufReader::new(file), length).map_err(|problem| ModelError::Gguf { path: path.into(), problem })
    }

    /// Reads and checks the header of a file of `length` bytes; says what is wrong with it.
    pub fn read(input: impl Read, length: u64) -> Result<Self, String> {
        let tables = Tables::read(&mut Reader::new(input), length)?;
        tables.model()
    }

    /// Bytes of the cache of keys and values for so many tokens, at two bytes a number.
    #[must_use]
    pub const fn cache_bytes(&self, tokens: usize) -> u64 {
        (2 * 2 * self.layers * self.kv_heads * self.head) as u64 * tokens as u64
    }
}

impl Tables {
    fn read(reader: &mut Reader<impl Read>, length: u64) -> Result<Self, String> {
        if reader.magic().ok() != Some(MAGIC) {
            return Err("it does not begin with GGUF".to_owned());
        }
        let version = reader.u32()?;
        if !VERSIONS.contains(&version) {
            return Err(format!("it has version {version} of the format; versions 2 and 3 are read"));
        }
        let (tensors, keys) = (reader.u64()?, reader.u64()?);
        if !(1..=TENSORS_MAX).contains(&tensors) || !(1..=KEYS_MAX).contains(&keys) {
            return Err(format!("its header declares {tensors} tensors and {keys} keys"));
        }
        let mut tables =
            Self { values: HashMap::new(), arrays: HashMap::new(), token_bytes_max: 0, tensors: HashMap::new() };
        for _ in 0..keys {
            tables.key(reader)?;
        }
        let alignment = tables.number("general.alignment")?.unwrap_or(ALIGNMENT);
        if !alignment.is_power_of_two() || alignment > ALIGNMENT_MAX {
            return Err(format!("general.alignment is {alignment}, which is no power of two up to {ALIGNMENT_MAX}"));
        }
        let mut next = 0;
        for _ in 0..tensors {
            let offset = tables.tensor(reader, next)?;
            next = offset.next_multiple_of(alignment);
        }
        let needed = reader.at().next_multiple_of(alignment) + next;
        // The last tensor's padding may be left out.
        if needed > length.next_multiple_of(alignment) {
            return Err(format!("it is cut off: {length} bytes of {needed}"));
        }
        Ok(tables)
    }

    fn key(&mut self, reader: &mut Reader<impl Read>) -> Result<(), String> {
        let name = reader.name()?;
        let mut kind = reader.u32()?;
        let fresh = if kind == ARRAY {
            kind = reader.u32()?;
            let count = reader.u64()?;
            self.array(reader, &name, kind, count)?;
            self.arrays.insert(name.clone(), count).is_none() && !self.values.contains_key(&name)
        } else {
            let value = reader.value(kind)?;
            self.values.insert(name.clone(), value).is_none() && !self.arrays.contains_key(&name)
        };
        if fresh && !name.is_empty() { Ok(()) } else { Err(format!("it has the key {name:?} twice")) }
    }

    fn array(&mut self, reader: &mut Reader<impl Read>, name: &str, kind: u32, count: u64) -> Result<(), String> {
        let tokens = name == "tokenizer.ggml.tokens";
        if tokens && (kind != TEXT || count > VOCABULARY_MAX) {
            return Err(format!("its vocabulary has {count} tokens of type {kind}"));
        }
        let mut seen = HashSet::new();
        // The length of a header bounds this, whatever the count says.
        for _ in 0..count {
            let value = reader.value(kind)?;
            if let (true, Value::Text(token)) = (tokens, value) {
                self.token_bytes_max = self.token_bytes_max.max(token.len());
                if !seen.insert(token) {
                    return Err("its vocabulary has a token twice".to_owned());
                }
            }
        }
        Ok(())
    }

    /// Reads one tensor, which must begin at `place` of the data; returns where it ends.
    fn tensor(&mut self, reader: &mut Reader<impl Read>, place: u64) -> Result<u64, String> {
        let name = reader.name()?;
        let dimensions = reader.u32()?;
        if dimensions > DIMENSIONS_MAX {
            return Err(format!("tensor {name:?} has {dimensions} dimensions"));
        }
        let shape: Vec<u64> = (0..dimensions).map(|_| reader.u64()).collect::<Result<_, _>>()?;
        let (kind, offset) = (reader.u32()?, reader.u64()?);
        let elements = shape.iter().try_fold(1_u64, |product, &length| product.checked_mul(length));
        let elements = elements.filter(|elements| (1..=ELEMENTS_MAX).contains(elements));
        let elements = elements.ok_or_else(|| format!("tensor {name:?} has the shape {shape:?}"))?;
        let (block, bytes) =
            kinds::block(kind).ok_or_else(|| format!("tensor {name:?} is stored as type {kind}, which is not run"))?;
        if !shape.first().is_some_and(|row| row.is_multiple_of(block)) {
            return Err(format!("tensor {name:?} has rows of {:?} elements in blocks of {block}", shape.first()));
        }
        if offset != place {
            return Err(format!("tensor {name:?} is at {offset}, expected {place}"));
        }
        let bytes = elements / block * bytes;
        if self.tensors.insert(name.clone(), Tensor { shape, bytes }).is_some() {
            return Err(format!("it has the tensor {name:?} twice"));
        }
        Ok(offset + bytes)
    }

    /// A number that may be missing; one that is no number is a fault.
    fn number(&self, key: &str) -> Result<Option<u64>, String> {
        match self.values.get(key) {
            None if self.arrays.contains_key(key) => Err(format!("{key} is a list, which is not run")),
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(*number)),
            Some(_) => Err(format!("{key} is no whole number")),
        }
    }

    fn within(&self, key: &str, max: u64) -> Result<u64, String> {
        match self.number(key)? {
            Some(number) if (1..=max).contains(&number) => Ok(number),
            Some(number) => Err(format!("{key} is {number}, not within 1..={max}")),
            None => Err(format!("it lacks {key}")),
        }
    }

    fn model(&self) -> Result<GgufHeader, String> {
        let text = |key: &str| match self.values.get(key) {
            Some(Value::Text(text)) => Ok(text.as_slice()),
            _ => Err(format!("it lacks {key}")),
        };
        let architecture = String::from_utf8_lossy(text("general.architecture")?).into_owned();
        if !GGUF_ARCHITECTURES.contains(&architecture.as_str()) {
            let known = GGUF_ARCHITECTURES.join(", ");
            return Err(format!("its architecture is {architecture:?}; {known} are run"));
        }
        let vocabulary = text("tokenizer.ggml.model")?;
        if !VOCABULARIES.contains(&vocabulary) {
            let name = String::from_utf8_lossy(vocabulary);
            return Err(format!("its vocabulary is of the kind {name:?}; gpt2 and llama are read"));
        }
        let key = |name: &str| format!("{architecture}.{name}");
        let layers = self.within(&key("block_count"), LAYERS_MAX)?;
        let context = self.within(&key("context_length"), CONTEXT_MAX)?;
        let width = self.within(&key("embedding_length"), WIDTH_MAX)?;
        let inner = self.within(&key("feed_forward_length"), WIDTH_MAX)?;
        let heads = self.within(&key("attention.head_count"), WIDTH_MAX)?;
        let kv_heads = self.number(&key("attention.head_count_kv"))?.unwrap_or(heads);
        if !width.is_multiple_of(heads) || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(format!("a width of {width} in {heads} heads, {kv_heads} of them for keys, does not divide"));
        }
        let head = self.number(&key("attention.key_length"))?.unwrap_or(width / heads);
        for (name, default) in [("attention.value_length", head), ("rope.dimension_count", head)] {
            let other = self.number(&key(name))?.unwrap_or(default);
            if other != head || !(1..=WIDTH_MAX).contains(&head) {
                return Err(format!("{} is {other}, but a head has {head} numbers", key(name)));
            }
        }
        for name in ["expert_count", "expert_used_count", "expert_group_count", "nextn_predict_layers"] {
            if self.number(&key(name))?.is_some_and(|count| count != 0) {
                return Err(format!("it has {}, which is not run", key(name)));
            }
        }
        if let Some(Value::Text(scaling)) = self.values.get(&key("rope.scaling.type"))
            && ![&b"none"[..], b"linear", b"yarn"].contains(&scaling.as_slice())
        {
            return Err(format!("{} is not none, linear or yarn", key("rope.scaling.type")));
        }
        self.vocabulary_and_embedding(width).map(|(vocabulary, weight_bytes)| GgufHeader {
            architecture: architecture.clone(),
            context: context as usize,
            layers: layers as usize,
            width: width as usize,
            inner: inner as usize,
            heads: heads as usize,
            kv_heads: kv_heads as usize,
            head: head as usize,
            vocabulary: vocabulary as usize,
            token_bytes_max: self.token_bytes_max,
            weight_bytes,
        })
    }

    /// Tokens, and bytes of all weights.
    fn vocabulary_and_embedding(&self, width: u64) -> Result<(u64, u64), String> {
        let list = |name: &str| self.arrays.get(&format!("tokenizer.ggml.{name}")).copied();
        let tokens = list("tokens").filter(|&tokens| tokens > 0).ok_or("it has no vocabulary")?;
        for name in ["scores", "token_type"] {
            if let Some(count) = list(name).filter(|&count| count != tokens) {
                return Err(format!("tokenizer.ggml.{name} has {count} entries for {tokens} tokens"));
            }
        }
        for name in ["bos", "eos", "eot", "unknown", "padding"] {
            let id = self.number(&format!("tokenizer.ggml.{name}_token_id"))?;
            if let Some(id) = id.filter(|&id| id >= tokens) {
                return Err(format!("tokenizer.ggml.{name}_token_id is {id}, beyond the {tokens} tokens"));
            }
        }
        let embedding = self.tensors.get("token_embd.weight").ok_or("it lacks the tensor token_embd.weight")?;
        if embedding.shape != [width, tokens] {
            let shape = &embedding.shape;
            return Err(format!("token_embd.weight has the shape {shape:?}, expected [{width}, {tokens}]"));
        }
        let stored: u64 = self.tensors.values().map(|tensor| tensor.bytes).sum();
        let tied = !self.tensors.contains_key("output.weight");
        Ok((tokens, stored + if tied { embedding.bytes } else { 0 }))
    }
}
