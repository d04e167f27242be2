//! Byte-level byte-pair encoding, read from a Hugging Face `tokenizer.json`.
//!
//! Text is cut into words (see `words`), every byte of a word becomes a symbol, and the pair of neighbours that was
//! merged first in training is merged until none is left. Because all 256 bytes are symbols, any text can be encoded;
//! with GPT-2's scheme, decoding gives it back exactly. Text is expected in Unicode normal form C, as it is typed.

mod file;
mod words;

use std::collections::HashMap;
use std::path::Path;

use crate::{ModelError, folder};
use words::{Scheme, words};

pub use words::WORD_BYTES_MAX;

/// Number of a token in the vocabulary.
pub type TokenId = u32;

/// A tokenizer; cheap to share, never changes after loading.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    /// What each token stands for, by number; empty for numbers that the file leaves out.
    pieces: Vec<Box<[u8]>>,
    /// (left, right) → (rank, merged): a lower rank was learnt earlier and is merged first.
    merges: HashMap<(TokenId, TokenId), (u32, TokenId)>,
    bytes: [TokenId; 256],
    /// The byte symbols at the end of a word, where the file tells them apart.
    last_bytes: Option<Box<[TokenId; 256]>>,
    scheme: Scheme,
    prefix_space: bool,
    lowercase: bool,
    specials: HashMap<String, TokenId>,
    /// Special tokens that the file wraps around a text.
    before: Vec<TokenId>,
    after: Vec<TokenId>,
}

/// A text as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The tokens.
    pub ids: Vec<TokenId>,
    /// Whether the end of the text did not fit and was left out.
    pub truncated: bool,
}

impl Tokenizer {
    /// Reads `tokenizer.json`. Fails when the file is not byte-level BPE or asks for a scheme that is not supported.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        Self::parse(path, &folder::read(path, folder::JSON_BYTES_MAX)?)
    }

    /// Reads the contents of a `tokenizer.json`; `path` is only named in errors.
    pub fn parse(path: &Path, json: &[u8]) -> Result<Self, ModelError> {
        file::parse(path, json)
    }

    /// One more than the highest token number.
    pub fn vocabulary(&self) -> usize {
        self.pieces.len()
    }

    /// The number of a special token such as `<eos>`.
    pub fn special(&self, name: &str) -> Option<TokenId> {
        self.specials.get(name).copied()
    }

    /// Encodes text as it is: special tokens spelt out in it are ordinary characters.
    pub fn encode(&self, text: &str) -> Vec<TokenId> {
        self.encode_plain(text, usize::MAX).ids
    }

    /// Encodes text with the special tokens that the file puts around one, in at most `tokens_max` tokens.
    pub fn encode_for_model(&self, text: &str, tokens_max: usize) -> Encoding {
        let room = tokens_max.saturating_sub(self.before.len() + self.after.len());
        let plain = self.encode_plain(text, room);
        let mut ids = self.before.clone();
        ids.extend(plain.ids);
        ids.extend(&self.after);
        ids.truncate(tokens_max);
        Encoding { ids, truncated: plain.truncated }
    }

    /// Encodes a template in which special tokens count and `{prompt}` stands for the text of a user, in which they
    /// do not: nobody can end a prompt by spelling a special token out.
    pub fn encode_template(&self, template: &str, prompt: &str) -> Vec<TokenId> {
        let mut ids = Vec::new();
        let mut rest = template;
        while !rest.is_empty() {
            let next = self
                .specials
                .iter()
                .filter_map(|(name, id)| rest.find(name.as_str()).map(|at| (at, std::cmp::Reverse(name.len()), *id)))
                .min();
            let (plain, special, tail) = match next {
                Some((at, length, id)) => (&rest[..at], Some(id), &rest[at + length.0..]),
                None => (rest, None, ""),
            };
            ids.extend(self.encode(&plain.replacen("{prompt}", prompt, 1)));
            ids.extend(special);
            rest = tail;
        }
        ids
    }

    /// The bytes that a token stands for; none for a special token or a number outside the vocabulary.
    pub fn piece(&self, id: TokenId) -> &[u8] {
        self.pieces.get(id as usize).map_or(&[], |piece| piece)
    }

    /// Decodes tokens; bytes that are no UTF-8 become the replacement character, special tokens vanish.
    pub fn decode(&self, ids: &[TokenId]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| self.piece(id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn encode_plain(&self, text: &str, tokens_max: usize) -> Encoding {
        let mut owned = String::new();
        if self.prefix_space && !text.starts_with(char::is_whitespace) && !text.is_empty() {
            owned.push(' ');
        }
        owned.push_str(text);
        if self.lowercase {
            owned = owned.to_lowercase();
        }
        let mut ids = Vec::new();
        for word in words(self.scheme, &owned) {
            if ids.len() >= tokens_max {
                return Encoding { ids, truncated: true };
            }
            self.merge(word, &mut ids);
            if ids.len() > tokens_max {
                ids.truncate(tokens_max);
                return Encoding { ids, truncated: true };
            }
        }
        Encoding { ids, truncated: false }
    }

    fn merge(&self, word: &str, ids: &mut Vec<TokenId>) {
        let mut symbols: Vec<TokenId> = word.bytes().map(|byte| self.bytes[usize::from(byte)]).collect();
        if let (Some(last_bytes), Some(symbol), Some(byte)) =
            (&self.last_bytes, symbols.last_mut(), word.bytes().last())
        {
            *symbol = last_bytes[usize::from(byte)];
        }
        while let Some((pair, merged)) = self.earliest_merge(&symbols) {
            let mut kept = 0;
            let mut at = 0;
            while at < symbols.len() {
                let merges_here = symbols.get(at + 1).is_some_and(|&right| (symbols[at], right) == pair);
                symbols[kept] = if merges_here { merged } else { symbols[at] };
                kept += 1;
                at += 1 + usize::from(merges_here);
            }
            symbols.truncate(kept);
        }
        ids.extend(symbols);
    }

    fn earliest_merge(&self, symbols: &[TokenId]) -> Option<((TokenId, TokenId), TokenId)> {
        symbols
            .windows(2)
            .filter_map(|pair| {
                self.merges.get(&(pair[0], pair[1])).map(|&(rank, merged)| (rank, (pair[0], pair[1]), merged))
            })
            .min()
            .map(|(_, pair, merged)| (pair, merged))
    }
}
