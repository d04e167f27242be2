//! What is done to a text before it is cut.

use unicode_normalization::char::{canonical_combining_class, compose, decompose_canonical};

/// One step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Unicode's normal form C: a letter and its accent become one character where there is one.
    Composed,
    /// Small letters, character by character: the end of a word does not matter.
    Lowercase,
}

pub(super) fn normalise(steps: &[Step], text: &str) -> String {
    let mut text = text.to_owned();
    for step in steps {
        text = match step {
            // Every ASCII text is in this form already.
            Step::Composed if text.is_ascii() => text,
            Step::Composed => composed(&text),
            Step::Lowercase => text.chars().flat_map(char::to_lowercase).collect(),
        };
    }
    text
}

/// Normal form C (Unicode Standard Annex 15): taken apart, marks brought into order, and put together again. Written out
/// here over the tables of characters, so that the tables of the compatibility forms stay out of the program.
fn composed(text: &str) -> String {
    let mut apart: Vec<(u8, char)> = Vec::with_capacity(text.len());
    for c in text.chars() {
        decompose_canonical(c, |part| apart.push((class(part), part)));
    }
    // The order of marks between two characters that are none.
    for marks in apart.chunk_by_mut(|one, other| one.0 != 0 && other.0 != 0) {
        marks.sort_by_key(|(class, _)| *class);
    }
    let mut joined: Vec<(u8, char)> = Vec::with_capacity(apart.len());
    let mut starter: Option<usize> = None;
    for (class, c) in apart {
        if let Some(at) = starter {
            // A mark reaches the last character that is none unless one of its own class or a higher one stands between.
            let is_next = joined.len() == at + 1;
            let is_free = is_next || joined.last().is_some_and(|(last, _)| *last < class);
            if let Some(both) = compose(joined[at].1, c).filter(|_| is_free) {
                joined[at].1 = both;
                continue;
            }
        }
        if class == 0 {
            starter = Some(joined.len());
        }
        joined.push((class, c));
    }
    joined.into_iter().map(|(_, c)| c).collect()
}

/// How a mark is ordered; 0 for what is none.
fn class(c: char) -> u8 {
    if stands_still(c) { 0 } else { canonical_combining_class(c) }
}

fn stands_still(c: char) -> bool {
    let after = LATE_MARKS.partition_point(|&(first, _)| first <= u32::from(c));
    after.checked_sub(1).is_some_and(|at| u32::from(c) <= LATE_MARKS[at].1)
}

/// Marks that Unicode received after version 9. The tables of the reference implementation are of that version, so it
/// neither moves them nor moves or joins others across them.
#[rustfmt::skip]
const LATE_MARKS: [(u32, u32); 52] = [
    (0x5c8, 0x5c9), (0x7fd, 0x7fd), (0x897, 0x89f), (0x8ca, 0x8d3), (0x9fe, 0x9fe), (0xc3c, 0xc3c), (0xd3b, 0xd3c),
    (0xeba, 0xeba), (0x1715, 0x1715), (0x1abf, 0x1af0), (0x1df6, 0x1dfa), (0xa82c, 0xa82c), (0x10d24, 0x10d27),
    (0x10d69, 0x10d6d), (0x10eab, 0x10eac), (0x10ecb, 0x10ecf), (0x10ef0, 0x10efb), (0x10efd, 0x10eff),
    (0x10f46, 0x10f50), (0x10f82, 0x10f85), (0x11070, 0x11070), (0x1133b, 0x1133b), (0x113ce, 0x113d0),
    (0x1145e, 0x1145e), (0x11839, 0x1183a), (0x1193d, 0x1193e), (0x11943, 0x11943), (0x119e0, 0x119e0),
    (0x11a34, 0x11a34), (0x11a47, 0x11a47), (0x11a99, 0x11a99), (0x11d42, 0x11d42), (0x11d44, 0x11d45),
    (0x11d97, 0x11d97), (0x11f41, 0x11f42), (0x1612f, 0x1612f), (0x16ff0, 0x16ff1), (0x1d127, 0x1d128),
    (0x1d250, 0x1d252), (0x1d25b, 0x1d25c), (0x1d25f, 0x1d25f), (0x1d280, 0x1d281), (0x1e08f, 0x1e08f),
    (0x1e130, 0x1e136), (0x1e2ae, 0x1e2ae), (0x1e2ec, 0x1e2ef), (0x1e4ec, 0x1e4ef), (0x1e5ee, 0x1e5ef),
    (0x1e6e3, 0x1e6e3), (0x1e6e6, 0x1e6e6), (0x1e6ee, 0x1e6ef), (0x1e6f5, 0x1e6f5),
];
