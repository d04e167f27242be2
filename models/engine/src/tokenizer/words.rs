//! Pre-tokenisation: cuts text into the words inside which byte pairs are merged. Two published schemes, written by
//! hand as scanners: GPT-2's (contractions, then runs of letters, of digits or of other signs, each with at most one
//! leading space) and CLIP's (the same runs without spaces, digits one by one). Combining vowel signs count as letters, so a
//! word of an Indic script stays whole where the published expressions would cut it.

/// Longest word in bytes that is merged as one; a longer one is cut, which bounds the work on hostile input.
pub const WORD_BYTES_MAX: usize = 256;

/// Which scheme a tokenizer file asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// GPT-2; nothing is dropped, so decoding gives the text back.
    Gpt2,
    /// GPT-2 after every digit has been set apart.
    Gpt2Digits,
    /// CLIP; white space is dropped.
    Clip,
}

#[derive(Clone, Copy, PartialEq, Eq)]
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

/// The words of `text`, in order. For the GPT-2 schemes they join up to `text` again.
pub(crate) fn words(scheme: Scheme, text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if scheme == Scheme::Clip {
            rest = rest.trim_start();
        }
        if rest.is_empty() {
            return None;
        }
        let length = match scheme {
            Scheme::Gpt2 => gpt2_word(rest),
            Scheme::Gpt2Digits => digits_apart(rest),
            Scheme::Clip => clip_word(rest),
        };
        let (word, tail) = rest.split_at(cut(rest, length));
        rest = tail;
        Some(word)
    })
}

/// `length`, or the last character boundary within the longest word allowed.
fn cut(text: &str, length: usize) -> usize {
    if length <= WORD_BYTES_MAX {
        return length;
    }
    (1..=WORD_BYTES_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(length)
}

fn run(text: &str, wanted: Class) -> usize {
    text.find(|c| class(c) != wanted).unwrap_or(text.len())
}

fn contraction(text: &str) -> Option<usize> {
    ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].iter().find(|c| text.starts_with(**c)).map(|c| c.len())
}

fn gpt2_word(text: &str) -> usize {
    if let Some(length) = contraction(text) {
        return length;
    }
    let lead = usize::from(text.starts_with(' '));
    match text[lead..].chars().next().map(class) {
        Some(kind) if kind != Class::Space => lead + run(&text[lead..], kind),
        _ => {
            let spaces = run(text, Class::Space);
            // A run of white space leaves its last character to the word that follows.
            match text[..spaces].char_indices().next_back() {
                Some((last, _)) if last > 0 && spaces < text.len() => last,
                _ => spaces,
            }
        }
    }
}

fn digits_apart(text: &str) -> usize {
    let is_digit = |c: char| class(c) == Class::Digit;
    match text.chars().next() {
        Some(c) if is_digit(c) => c.len_utf8(),
        _ => gpt2_word(&text[..text.find(is_digit).unwrap_or(text.len())]),
    }
}

fn clip_word(text: &str) -> usize {
    if let Some(length) = contraction(text) {
        return length;
    }
    match text.chars().next().map(|c| (c, class(c))) {
        Some((c, Class::Digit)) => c.len_utf8(),
        Some((_, kind)) => run(text, kind),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Scheme, words};

    #[test]
    fn words_are_those_of_the_published_schemes() {
        let check =
            |scheme, text, expected: &[&str]| assert_eq!(words(scheme, text).collect::<Vec<_>>(), expected, "{text:?}");
        check(Scheme::Gpt2, "Is it's  on?", &["Is", " it", "'s", " ", " on", "?"]);
        check(Scheme::Gpt2, "a  \n b ", &["a", "  \n", " b", " "]);
        check(Scheme::Gpt2, "a \t", &["a", " \t"]);
        check(Scheme::Gpt2, "room 12...", &["room", " 12", "..."]);
        check(Scheme::Gpt2Digits, "room 12!", &["room", " ", "1", "2", "!"]);
        check(Scheme::Clip, "a photo  of 12 cats!!", &["a", "photo", "of", "1", "2", "cats", "!!"]);
    }
}
