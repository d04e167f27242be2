//! Pre-tokenisation: cuts text into the words inside which byte pairs are merged.
//!
//! A tokenizer file names one or more cuts, each of which cuts every piece that the ones before it left. The published
//! expressions are written here by hand, as scanners: each says how long the piece at the beginning of a text is.

use std::ops::ControlFlow;

use super::classes::{Class, class};

/// Longest word in bytes that is merged as one; a longer one is cut, which bounds the work on hostile input.
pub const WORD_BYTES_MAX: usize = 1 << 16;

/// One cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    /// GPT-2's expression: contractions, then runs of letters, of digits or of other signs, each with at most one leading
    /// space; a run of white space leaves its last character to what follows.
    Gpt2,
    /// GPT-4's, as later models vary it: any sign may lead letters, line ends follow signs, and at most this many digits
    /// stay together.
    Gpt4 {
        /// One or three.
        digits: usize,
    },
    /// CLIP's: runs of letters or of signs and single digits, without white space, but for these names, which stay whole.
    Clip {
        /// In the order of the expression.
        names: Vec<String>,
    },
    /// Sets digits apart: each by itself, or each run.
    Digits {
        /// Each by itself.
        single: bool,
    },
    /// A space before a piece that does not begin with one.
    Prefix,
}

/// Hands the words of `text` to `on_word`, in order, until it breaks off.
pub(super) fn words(cuts: &[Cut], text: &str, on_word: &mut dyn FnMut(&str) -> ControlFlow<()>) -> ControlFlow<()> {
    let Some((cut, finer)) = cuts.split_first() else {
        return bounded(text, on_word);
    };
    if *cut == Cut::Prefix {
        let is_led = text.is_empty() || text.starts_with(' ');
        return if is_led { words(finer, text, on_word) } else { words(finer, &format!(" {text}"), on_word) };
    }
    let mut rest = text;
    loop {
        if let Cut::Clip { .. } = cut {
            rest = rest.trim_start();
        }
        if rest.is_empty() {
            return ControlFlow::Continue(());
        }
        let (piece, tail) = rest.split_at(cut.piece(rest));
        words(finer, piece, on_word)?;
        rest = tail;
    }
}

/// A word in parts that are not too long.
fn bounded(mut word: &str, on_word: &mut dyn FnMut(&str) -> ControlFlow<()>) -> ControlFlow<()> {
    while word.len() > WORD_BYTES_MAX {
        let (part, rest) = word.split_at(word.floor_char_boundary(WORD_BYTES_MAX));
        on_word(part)?;
        word = rest;
    }
    if word.is_empty() { ControlFlow::Continue(()) } else { on_word(word) }
}

impl Cut {
    /// Length in bytes of the piece at the beginning of a text, which has at least one character.
    fn piece(&self, text: &str) -> usize {
        let length = match self {
            Self::Gpt2 => gpt2(text),
            Self::Gpt4 { digits } => gpt4(text, *digits),
            Self::Clip { names } => clip(text, names),
            Self::Digits { single } => apart(text, *single),
            Self::Prefix => text.len(),
        };
        debug_assert!(length > 0, "no piece of {text:?}");
        length
    }
}

fn first(text: &str) -> Option<(usize, Class)> {
    text.chars().next().map(|c| (c.len_utf8(), class(c)))
}

fn run(text: &str, wanted: Class) -> usize {
    text.find(|c| class(c) != wanted).unwrap_or(text.len())
}

const CONTRACTIONS: [&str; 7] = ["s", "t", "re", "ve", "m", "ll", "d"];

fn contraction(text: &str) -> Option<usize> {
    let after = text.strip_prefix('\'')?;
    CONTRACTIONS.iter().find(|end| after.starts_with(**end)).map(|end| 1 + end.len())
}

/// As [`contraction`], in any case; a long s is an s in another case.
fn contraction_in_any_case(text: &str) -> Option<usize> {
    let after = text.strip_prefix('\'')?;
    let length = |end: &&str| {
        let mut chars = after.chars();
        let mut length = 1;
        for wanted in end.chars() {
            let c = chars.next()?;
            let folded = if c == 'ſ' { 's' } else { c.to_ascii_lowercase() };
            if folded != wanted {
                return None;
            }
            length += c.len_utf8();
        }
        Some(length)
    };
    CONTRACTIONS.iter().find_map(length)
}

/// The white space at the beginning of a text, without its last character if something follows and others are left.
fn space(text: &str) -> usize {
    let spaces = run(text, Class::Space);
    match text[..spaces].char_indices().next_back() {
        Some((last, _)) if last > 0 && spaces < text.len() => last,
        _ => spaces,
    }
}

fn gpt2(text: &str) -> usize {
    if let Some(length) = contraction(text) {
        return length;
    }
    let lead = usize::from(text.starts_with(' '));
    match first(&text[lead..]) {
        Some((_, kind)) if kind != Class::Space => lead + run(&text[lead..], kind),
        _ => space(text),
    }
}

fn gpt4(text: &str, digits: usize) -> usize {
    if let Some(length) = contraction_in_any_case(text) {
        return length;
    }
    let Some((length, kind)) = first(text) else { return 0 };
    if kind == Class::Letter {
        return run(text, Class::Letter);
    }
    let is_line_end = text.starts_with(['\r', '\n']);
    if kind != Class::Digit && !is_line_end && first(&text[length..]).is_some_and(|(_, next)| next == Class::Letter) {
        return length + run(&text[length..], Class::Letter);
    }
    if kind == Class::Digit {
        let run = &text[..run(text, Class::Digit)];
        return run.char_indices().nth(digits).map_or(run.len(), |(end, _)| end);
    }
    let lead = usize::from(text.starts_with(' '));
    let signs = lead + run(&text[lead..], Class::Sign);
    if signs > lead {
        return signs + text[signs..].find(|c| !matches!(c, '\r' | '\n')).unwrap_or(text.len() - signs);
    }
    match text[..run(text, Class::Space)].rfind(['\r', '\n']) {
        Some(last) => last + 1,
        None => space(text),
    }
}

fn clip(text: &str, names: &[String]) -> usize {
    if let Some(name) = names.iter().find(|name| text.starts_with(name.as_str())) {
        return name.len();
    }
    if let Some(length) = contraction(text) {
        return length;
    }
    match first(text) {
        Some((length, Class::Digit)) => length,
        Some((_, kind)) => run(text, kind),
        None => 0,
    }
}

fn apart(text: &str, single: bool) -> usize {
    match first(text) {
        Some((length, Class::Digit)) if single => length,
        Some((_, Class::Digit)) => run(text, Class::Digit),
        _ => text.find(|c| class(c) == Class::Digit).unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::{Cut, words};

    #[test]
    fn words_are_those_of_the_published_expressions() {
        let check = |cuts: &[Cut], text: &str, expected: &[&str]| {
            let mut found = Vec::new();
            let _ = words(cuts, text, &mut |word| {
                found.push(word.to_owned());
                ControlFlow::Continue(())
            });
            assert_eq!(found, expected, "{text:?}");
        };
        let gpt2 = [Cut::Gpt2];
        check(&gpt2, "Is it's  on?", &["Is", " it", "'s", " ", " on", "?"]);
        check(&gpt2, "a  \n b ", &["a", "  \n", " b", " "]);
        check(&gpt2, "a \t", &["a", " \t"]);
        check(&gpt2, "room 12...", &["room", " 12", "..."]);
        check(&gpt2, "किताब", &["क", "ि", "त", "ा", "ब"]);
        check(&[Cut::Digits { single: true }, Cut::Gpt2], "room 12!", &["room", " ", "1", "2", "!"]);
        check(&[Cut::Digits { single: false }, Cut::Prefix, Cut::Gpt2], "a12 b", &[" a", " 12", " b"]);
        let clip = [Cut::Clip { names: vec!["<|end|>".into()] }, Cut::Gpt2];
        check(&clip, "a photo  of 12 cats!!", &["a", "photo", "of", "1", "2", "cats", "!!"]);
        check(&clip, "it's <|end|>!?<|end|>", &["it", "'s", "<|", "end", "|>", "!?<|", "end", "|>"]);
        let gpt4 = [Cut::Gpt4 { digits: 3 }];
        check(
            &gpt4,
            "I'LL (see) 12345!\n\n ok\r\n  x",
            &["I", "'LL", " (", "see", ")", " ", "123", "45", "!\n\n", " ok", "\r\n", " ", " x"],
        );
        check(&gpt4, "\tx \n\t y", &["\tx", " \n", "\t", " y"]);
    }
}
