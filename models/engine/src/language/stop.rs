//! Ends a reply at a text that the caller names: what may be the beginning of one is held back until it is known.

/// A text that arrives in pieces, up to the first stop sequence.
pub(super) struct Stops<'a> {
    sequences: Vec<&'a str>,
    held: String,
}

impl<'a> Stops<'a> {
    pub(super) fn new(sequences: &'a [String]) -> Self {
        Self {
            sequences: sequences.iter().map(String::as_str).filter(|text| !text.is_empty()).collect(),
            held: String::new(),
        }
    }

    /// Takes a piece; gives what can be shown, and whether a sequence ended the text.
    pub(super) fn push(&mut self, piece: &str) -> (String, bool) {
        self.held.push_str(piece);
        if let Some(at) = self.sequences.iter().filter_map(|text| self.held.find(text)).min() {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let begins = |from: usize| self.sequences.iter().any(|text| text.starts_with(&self.held[from..]));
        let keep = self.held.char_indices().map(|(at, _)| at).find(|&at| begins(at)).unwrap_or(self.held.len());
        let rest = self.held.split_off(keep);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back, when nothing more comes.
    pub(super) fn finish(self) -> String {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::Stops;

    #[test]
    fn a_sequence_across_pieces_ends_the_text_before_it() {
        let check = |sequences: &[&str], pieces: &[&str], expected: &str, stopped: bool| {
            let owned: Vec<String> = sequences.iter().map(|text| (*text).to_owned()).collect();
            let mut stops = Stops::new(&owned);
            let mut shown = String::new();
            for piece in pieces {
                let (text, ended) = stops.push(piece);
                shown.push_str(&text);
                if ended {
                    assert!(stopped, "{sequences:?} {pieces:?}");
                    assert_eq!(shown, expected);
                    return;
                }
            }
            shown.push_str(&stops.finish());
            assert!(!stopped, "{sequences:?} {pieces:?}");
            assert_eq!(shown, expected);
        };
        check(&[], &["a", "b"], "ab", false);
        check(&["", "END"], &["xE", "N", "Dy"], "x", true);
        check(&["END"], &["xE", "N", "E", "END"], "xENE", true);
        check(&["\n\n", "User:"], &["über\n", "\nUser:"], "über", true);
        check(&["aab"], &["aa", "ab"], "a", true);
        check(&["END"], &["the EN"], "the EN", false);
    }
}
