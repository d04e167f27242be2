//! Byte-level byte-pair encoding, read from a Hugging Face `tokenizer.json`, with the tokens of the reference implementation.
//!
//! Text is normalised as the file says (`normal`) and cut into words (`words`), every byte of a word becomes a symbol, and
//! the pair of neighbours that was merged first in training is merged until none is left (`merge`). Because all bytes of
//! text are symbols, any text can be encoded; with GPT-2's cut and no normalisation, decoding gives it back exactly.

mod added;
mod classes;
mod file;
mod merge;
mod normal;
mod words;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use crate::{ModelError, folder};
use added::{Added, Part, parts};
use merge::{Merger, Merges};
use normal::{Step, normalise};
use words::{Cut, words};

pub use words::WORD_BYTES_MAX;

/// Number of a token in the vocabulary.
pub type TokenId = u32;

/// A tokenizer; cheap to share, never changes after loading.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    /// What each token stands for, by number; empty for numbers that the file leaves out.
    pieces: Vec<Box<[u8]>>,
    merges: Merges,
    /// The token of each byte. A byte without one is left out of a text.
    bytes: Box<[Option<TokenId>; 256]>,
    /// The byte symbols at the end of a word, where the file tells them apart.
    last_bytes: Option<Box<[Option<TokenId>; 256]>>,
    /// Words that are tokens whatever the merges say, where the file asks for that.
    whole: HashMap<Box<[u8]>, TokenId>,
    steps: Vec<Step>,
    cuts: Vec<Cut>,
    added: Vec<Added>,
    /// Special tokens that the file wraps around a text.
    before: Vec<TokenId>,
    after: Vec<TokenId>,
    /// The token that fills up where all texts must have one length.
    filler: Option<TokenId>,
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
        self.added.iter().find(|token| token.special && token.content == name).map(|token| token.id)
    }

    /// The token that the file names to fill up where all texts must have one length.
    pub(crate) fn filler(&self) -> Option<TokenId> {
        self.filler
    }

    /// The token that the file puts at the end of a text.
    pub(crate) fn end(&self) -> Option<TokenId> {
        self.after.last().copied()
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
        for part in parts(&self.added, |token| token.special, template) {
            match part {
                Part::Plain(plain) => ids.extend(self.encode(&plain.replacen("{prompt}", prompt, 1))),
                Part::Token(id) => ids.push(id),
            }
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
        let mut ids = Vec::new();
        let mut merger = Merger::default();
        let mut full = ControlFlow::Continue(());
        for part in parts(&self.added, |token| !token.special, text) {
            full = match part {
                Part::Plain(plain) => words(&self.cuts, &normalise(&self.steps, plain), &mut |word| {
                    self.word(&mut merger, word.as_bytes(), &mut ids);
                    if ids.len() > tokens_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                }),
                Part::Token(id) => {
                    ids.push(id);
                    if ids.len() > tokens_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                }
            };
            if full.is_break() {
                break;
            }
        }
        ids.truncate(tokens_max);
        Encoding { ids, truncated: full.is_break() }
    }

    fn word(&self, merger: &mut Merger, word: &[u8], ids: &mut Vec<TokenId>) {
        if let Some(&id) = self.whole.get(word) {
            ids.push(id);
            return;
        }
        let last = word.len().saturating_sub(1);
        let symbol = |(at, byte): (usize, &u8)| {
            let bytes = self.last_bytes.as_ref().filter(|_| at == last).unwrap_or(&self.bytes);
            bytes[usize::from(*byte)]
        };
        merger.merge(&self.merges, word.iter().enumerate().filter_map(symbol), ids);
    }
}
