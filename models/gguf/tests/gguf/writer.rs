//! Writes GGUF files with random weights: the architecture of llama, a vocabulary of bytes and a few merges.

#![allow(dead_code, reason = "shared by tests and a bench, each of which uses some of it")]

use std::collections::BTreeMap;

/// How matrices are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weights {
    F32,
    Q8_0,
    Q4_0,
}

/// The sizes of a model.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) layers: u32,
    pub(crate) width: u32,
    pub(crate) inner: u32,
    pub(crate) heads: u32,
    pub(crate) kv_heads: u32,
    pub(crate) vocabulary: u32,
    pub(crate) context: u32,
    /// The token that ends an answer.
    pub(crate) eos: u32,
    pub(crate) template: Option<&'static str>,
}

impl Shape {
    /// A model of a few kilobytes.
    pub(crate) fn tiny() -> Self {
        Self {
            layers: 2,
            width: 64,
            inner: 96,
            heads: 4,
            kv_heads: 2,
            vocabulary: 300,
            context: 256,
            eos: END,
            template: None,
        }
    }

    /// SmolLM2-135M.
    pub(crate) fn smollm2_135m() -> Self {
        Self {
            layers: 30,
            width: 576,
            inner: 1536,
            heads: 9,
            kv_heads: 3,
            vocabulary: 49152,
            context: 2048,
            eos: END,
            template: None,
        }
    }
}

/// The token that begins texts, and the one that ends them.
pub(crate) const BEGIN: u32 = 256;
pub(crate) const END: u32 = 257;
/// Pairs that are joined, in this order.
const MERGES: [&str; 4] = ["t h", "th e", "i n", "Ġ a"];
/// Types of values and of tokens, as the format numbers them.
const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const FLAG: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const ALIGNMENT: usize = 32;
/// 0.01 at half precision: the scale of a block.
const SCALE: [u8; 2] = 0x211f_u16.to_le_bytes();

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, count: usize) -> impl Iterator<Item = u8> {
        (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(count)
    }
}

/// A header as it is put together; tests change it before it becomes a file.
#[derive(Clone, Debug)]
pub(crate) struct Gguf {
    /// Type and bytes of each value.
    pub(crate) keys: BTreeMap<String, (u32, Vec<u8>)>,
    /// Name, shape, type and bytes of each tensor.
    pub(crate) tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

impl Gguf {
    pub(crate) fn random(shape: &Shape, weights: Weights, seed: u64) -> Self {
        let mut made = Self { keys: BTreeMap::new(), tensors: Vec::new() };
        made.text("general.architecture", "llama");
        made.number("llama.block_count", shape.layers);
        made.number("llama.context_length", shape.context);
        made.number("llama.embedding_length", shape.width);
        made.number("llama.feed_forward_length", shape.inner);
        made.number("llama.attention.head_count", shape.heads);
        made.number("llama.attention.head_count_kv", shape.kv_heads);
        made.keys.insert("llama.attention.layer_norm_rms_epsilon".into(), (F32, 1e-5_f32.to_le_bytes().into()));
        made.vocabulary(shape);
        made.weights(shape, weights, &mut Chance(seed));
        made
    }

    pub(crate) fn number(&mut self, key: &str, value: u32) {
        self.keys.insert(key.into(), (U32, value.to_le_bytes().into()));
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.keys.insert(key.into(), (TEXT, text(value)));
    }

    fn list(&mut self, key: &str, kind: u32, count: usize, items: impl Iterator<Item = Vec<u8>>) {
        let head = [&kind.to_le_bytes()[..], &(count as u64).to_le_bytes()].concat();
        self.keys.insert(key.into(), (ARRAY, head.into_iter().chain(items.flatten()).collect()));
    }

    fn vocabulary(&mut self, shape: &Shape) {
        self.text("tokenizer.ggml.model", "gpt2");
        self.text("tokenizer.ggml.pre", "gpt-2");
        let joined = MERGES.map(|pair| pair.replace(' ', ""));
        let mut tokens: Vec<String> = (0..=255_u8).map(|byte| spelt(byte).to_string()).collect();
        tokens.extend(["<|begin|>", "<|end|>"].map(str::to_owned));
        tokens.extend(joined);
        let more = tokens.len()..shape.vocabulary as usize;
        tokens.extend(more.map(|number| format!("w{number}")));
        let kinds = (0..tokens.len() as u32).map(|id| if [BEGIN, END].contains(&id) { CONTROL } else { NORMAL });
        self.list("tokenizer.ggml.token_type", I32, tokens.len(), kinds.map(|kind| kind.to_le_bytes().into()));
        self.list("tokenizer.ggml.tokens", TEXT, tokens.len(), tokens.iter().map(|token| text(token)));
        self.list("tokenizer.ggml.merges", TEXT, MERGES.len(), MERGES.iter().map(|pair| text(pair)));
        self.number("tokenizer.ggml.bos_token_id", BEGIN);
        self.number("tokenizer.ggml.eos_token_id", shape.eos);
        self.keys.insert("tokenizer.ggml.add_bos_token".into(), (FLAG, vec![1]));
        if let Some(template) = shape.template {
            self.text("tokenizer.chat_template", template);
        }
    }

    fn weights(&mut self, shape: &Shape, weights: Weights, chance: &mut Chance) {
        let [width, inner] = [shape.width, shape.inner].map(u64::from);
        let keys = width / u64::from(shape.heads) * u64::from(shape.kv_heads);
        self.matrix("token_embd.weight", width, shape.vocabulary.into(), weights, chance);
        self.ones("output_norm.weight", width);
        for layer in 0..shape.layers {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            self.ones(&name("attn_norm"), width);
            self.ones(&name("ffn_norm"), width);
            let matrices = [
                ("attn_q", width, width),
                ("attn_k", width, keys),
                ("attn_v", width, keys),
                ("attn_output", width, width),
                ("ffn_gate", width, inner),
                ("ffn_up", width, inner),
                ("ffn_down", inner, width),
            ];
            for (part, from, to) in matrices {
                self.matrix(&name(part), from, to, weights, chance);
            }
        }
    }

    fn ones(&mut self, name: &str, count: u64) {
        let bytes = (0..count).flat_map(|_| 1_f32.to_le_bytes()).collect();
        self.tensors.push((name.into(), vec![count], 0, bytes));
    }

    fn matrix(&mut self, name: &str, from: u64, to: u64, weights: Weights, chance: &mut Chance) {
        let count = (from * to) as usize;
        let blocks = |chance: &mut Chance, bytes| {
            (0..count / 32).flat_map(|_| SCALE.into_iter().chain(chance.bytes(bytes)).collect::<Vec<u8>>()).collect()
        };
        let (kind, bytes) = match weights {
            Weights::F32 => {
                let value = |chance: &mut Chance| ((chance.next() >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.16;
                (0, (0..count).flat_map(|_| value(chance).to_le_bytes()).collect())
            }
            Weights::Q8_0 => (8, blocks(chance, 32)),
            Weights::Q4_0 => (2, blocks(chance, 16)),
        };
        self.tensors.push((name.into(), vec![from, to], kind, bytes));
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3_u32.to_le_bytes());
        file.extend((self.tensors.len() as u64).to_le_bytes());
        file.extend((self.keys.len() as u64).to_le_bytes());
        for (key, (kind, value)) in &self.keys {
            file.extend(text(key));
            file.extend(kind.to_le_bytes());
            file.extend(value);
        }
        let mut place = 0_usize;
        for (name, shape, kind, bytes) in &self.tensors {
            file.extend(text(name));
            file.extend((shape.len() as u32).to_le_bytes());
            file.extend(shape.iter().flat_map(|length| length.to_le_bytes()));
            file.extend(kind.to_le_bytes());
            file.extend((place as u64).to_le_bytes());
            place = (place + bytes.len()).next_multiple_of(ALIGNMENT);
        }
        for (_, _, _, bytes) in &self.tensors {
            file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
            file.extend(bytes);
        }
        file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
        file
    }
}

/// The character by which byte-level vocabularies spell a byte: itself where it is printable, else one from 256 up.
fn spelt(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let others = (0..byte).filter(|other| !printable(*other)).count() as u32;
    if printable(byte) { byte.into() } else { char::from_u32(256 + others).unwrap_or(char::REPLACEMENT_CHARACTER) }
}
