//! Tokens that stand for a whole text and are found before anything else is done to it.

use super::TokenId;

/// Such a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Added {
    pub(super) id: TokenId,
    pub(super) content: String,
    /// It steers the model, so what a user writes must not count as one.
    pub(super) special: bool,
    /// It takes the white space before it.
    pub(super) takes_left: bool,
    /// It takes the white space after it.
    pub(super) takes_right: bool,
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Plain(&'a str),
    Token(TokenId),
}

/// The parts of a text: of all tokens that `counts` the first, and of those that begin there the longest, comes first.
pub(super) fn parts<'a>(tokens: &[Added], counts: impl Fn(&Added) -> bool, text: &'a str) -> Vec<Part<'a>> {
    let counted: Vec<&Added> = tokens.iter().filter(|token| counts(token)).collect();
    let mut parts = Vec::new();
    let mut rest = text;
    // Where each token is next, sought again only when it was passed.
    let mut next: Vec<Option<usize>> = counted.iter().map(|token| text.find(&token.content)).collect();
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        for (place, token) in next.iter_mut().zip(&counted) {
            if place.is_some_and(|place| place < at) {
                *place = rest.find(&token.content).map(|offset| at + offset);
            }
        }
        let found = next.iter().zip(&counted).filter_map(|(place, token)| place.map(|place| (place, *token)));
        let Some((place, token)) = found.min_by_key(|(place, token)| (*place, usize::MAX - token.content.len())) else {
            parts.push(Part::Plain(rest));
            break;
        };
        let mut plain = &text[at..place];
        rest = &text[place + token.content.len()..];
        if token.takes_left {
            plain = plain.trim_end();
        }
        if token.takes_right {
            rest = rest.trim_start();
        }
        if !plain.is_empty() {
            parts.push(Part::Plain(plain));
        }
        parts.push(Part::Token(token.id));
    }
    parts
}
