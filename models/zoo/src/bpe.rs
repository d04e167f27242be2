//! Byte-level byte-pair vocabulary: its training, its encoder for training batches, and its `tokenizer.json`.
//!
//! Text is cut into words first (a run of letters, of digits or of other signs, with the space before it), bytes are
//! written in the published printable alphabet, and the most frequent adjacent pair is merged until the vocabulary is
//! full. Pair counts are weighted by the logarithm of a word's frequency: names and goods are rare, yet each should be
//! one token, because the language model has to copy them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

/// Padding; its embedding is never used by a loaded model.
pub const PAD: u32 = 0;
/// Begins every text of the language model.
pub const USER: u32 = 1;
/// Separates prompt and reply.
pub const REPLY: u32 = 2;
/// Ends a reply.
pub const END: u32 = 3;
/// Separates what a reply says from the action that it announces.
pub const ACTION: u32 = 4;
/// The special tokens, by number.
pub const SPECIALS: [&str; 5] = ["<|pad|>", "<|user|>", "<|reply|>", "<|end|>", "<|action|>"];
/// Size of the shared vocabulary.
pub const VOCABULARY: usize = 1536;

/// A trained vocabulary.
#[derive(Clone, Debug)]
pub struct Bpe {
    /// The bytes of every token; special tokens have none.
    pieces: Vec<Vec<u8>>,
    merges: Vec<(u32, u32)>,
    ranks: HashMap<(u32, u32), (usize, u32)>,
}

impl Bpe {
    /// Learns a vocabulary of at most `size` tokens from `texts`.
    #[must_use]
    pub fn train<'a>(texts: impl Iterator<Item = &'a str>, size: usize) -> Self {
        let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
        for text in texts {
            for word in words(text) {
                *counts.entry(word.as_bytes()).or_default() += 1;
            }
        }
        let first = SPECIALS.len() as u32;
        let mut pieces: Vec<Vec<u8>> =
            SPECIALS.iter().map(|_| Vec::new()).chain((0..=255u8).map(|b| vec![b])).collect();
        let mut corpus: Vec<(Vec<u32>, f64)> = counts
            .into_iter()
            .map(|(word, n)| (word.iter().map(|&b| first + u32::from(b)).collect(), (1.0 + n as f64).ln()))
            .collect();
        let mut merges = Vec::new();
        while pieces.len() < size {
            let mut pairs: BTreeMap<(u32, u32), f64> = BTreeMap::new();
            for (word, weight) in &corpus {
                for pair in word.windows(2) {
                    *pairs.entry((pair[0], pair[1])).or_default() += weight;
                }
            }
            // Ties go to the smallest pair, so the vocabulary follows from the texts alone.
            let Some((&pair, _)) = pairs.iter().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0))) else { break };
            let id = pieces.len() as u32;
            pieces.push([pieces[pair.0 as usize].clone(), pieces[pair.1 as usize].clone()].concat());
            merges.push(pair);
            for (word, _) in &mut corpus {
                merge(word, pair, id);
            }
        }
        let ranks = merges.iter().enumerate().map(|(rank, &pair)| (pair, (rank, first + 256 + rank as u32))).collect();
        Self { pieces, merges, ranks }
    }

    /// Number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Never: the bytes are always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The tokens of `text`.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        for word in words(text) {
            let mut symbols: Vec<u32> = word.bytes().map(|b| SPECIALS.len() as u32 + u32::from(b)).collect();
            while let Some((&pair, &(_, id))) = symbols
                .windows(2)
                .filter_map(|w| self.ranks.get_key_value(&(w[0], w[1])))
                .min_by_key(|(_, (rank, _))| *rank)
            {
                merge(&mut symbols, pair, id);
            }
            ids.append(&mut symbols);
        }
        ids
    }

    /// The text of `ids`; special tokens are left out.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().filter_map(|&id| self.pieces.get(id as usize)).flatten().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The file that a runtime reads.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let alphabet = alphabet();
        let name = |id: u32| -> String { self.pieces[id as usize].iter().map(|&b| alphabet[b as usize]).collect() };
        let mut vocab = serde_json::Map::new();
        for (id, special) in SPECIALS.iter().enumerate() {
            vocab.insert((*special).to_owned(), json!(id));
        }
        for id in SPECIALS.len() as u32..self.pieces.len() as u32 {
            vocab.insert(name(id), json!(id));
        }
        let added: Vec<Value> = (SPECIALS.iter().enumerate())
            .map(|(id, content)| {
                json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
            })
            .collect();
        let merges: Vec<Value> = self.merges.iter().map(|&(a, b)| json!([name(a), name(b)])).collect();
        let byte_level =
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": null,
            "pre_tokenizer": byte_level,
            "post_processor": null,
            "decoder": byte_level,
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges
            }
        })
    }
}

fn merge(word: &mut Vec<u32>, pair: (u32, u32), id: u32) {
    let mut at = 0;
    while at + 1 < word.len() {
        if (word[at], word[at + 1]) == pair {
            word[at] = id;
            word.remove(at + 1);
        }
        at += 1;
    }
}

/// The printable character that stands for each byte: printable Latin-1 for itself, the others from U+0100 on.
fn alphabet() -> [char; 256] {
    let mut spare = 0x100_u32;
    core::array::from_fn(|byte| {
        let own = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = if own { byte as u32 } else { spare };
        spare += u32::from(!own);
        char::from_u32(code).unwrap_or('?')
    })
}

#[derive(PartialEq, Clone, Copy)]
enum Class {
    Letter,
    Digit,
    Space,
    Sign,
}

fn class(c: char) -> Class {
    if c.is_whitespace() {
        Class::Space
    } else if c.is_numeric() {
        Class::Digit
    } else if c.is_alphabetic() {
        Class::Letter
    } else {
        Class::Sign
    }
}

/// Cuts `text` at the borders of the published byte-level scheme: contractions, then runs of one class with at most one
/// space before them; of a run of white space the last one belongs to the word that follows.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (word, tail) = rest.split_at(word_length(rest));
        rest = tail;
        Some(word)
    })
}

fn word_length(text: &str) -> usize {
    for contraction in ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"] {
        if text.starts_with(contraction) {
            return contraction.len();
        }
    }
    let run = |from: usize, wanted: Class| text[from..].find(|c| class(c) != wanted).map_or(text.len(), |n| from + n);
    let lead = usize::from(text.starts_with(' '));
    match text[lead..].chars().next().map(class) {
        Some(kind) if kind != Class::Space => run(lead, kind),
        _ => {
            let spaces = run(0, Class::Space);
            match text[..spaces].char_indices().next_back() {
                Some((last, _)) if last > 0 && spaces < text.len() => last,
                _ => spaces,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bpe, SPECIALS, words};

    #[test]
    fn words_keep_their_leading_space_and_join_up() {
        let text = "tell Anna, I'm  late at 21:30 ";
        let cut: Vec<&str> = words(text).collect();
        assert_eq!(cut, ["tell", " Anna", ",", " I", "'m", " ", " late", " at", " 21", ":", "30", " "]);
        assert_eq!(cut.concat(), text);
    }

    #[test]
    fn encoding_loses_nothing_and_frequent_words_are_one_token() {
        let texts = ["the red mug", "the red ball", "the red mug"];
        let bpe = Bpe::train(texts.into_iter(), 256 + SPECIALS.len() + 20);
        for text in ["the red mug", "größer als 3 m² 🙂", "", "   x  "] {
            assert_eq!(bpe.decode(&bpe.encode(text)), text);
        }
        assert_eq!(bpe.encode(" red").len(), 1);
    }
}
