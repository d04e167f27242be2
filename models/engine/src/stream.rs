//! Text from bytes that arrive in pieces, a character at a time.

/// Holds back the bytes of a character that is not complete yet.
#[derive(Debug, Default)]
pub(crate) struct Utf8Stream {
    pending: Vec<u8>,
}

impl Utf8Stream {
    /// Takes more bytes and returns the characters that are complete; bytes that can never become a character turn
    /// into the replacement character.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(rest) => {
                    text.push_str(rest);
                    self.pending.clear();
                    return text;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    text.push_str(&String::from_utf8_lossy(&self.pending[..valid]));
                    match error.error_len() {
                        Some(length) => {
                            text.push(char::REPLACEMENT_CHARACTER);
                            self.pending.drain(..valid + length);
                        }
                        None => {
                            self.pending.drain(..valid);
                            return text;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8Stream;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn pieces_join_up_to_the_text(text in any::<String>(), size in 1_usize..5) {
            let mut stream = Utf8Stream::default();
            let joined: String = text.as_bytes().chunks(size).map(|chunk| stream.push(chunk)).collect();
            prop_assert_eq!(joined, text);
        }
    }

    #[test]
    fn bytes_that_are_no_character_are_replaced() {
        let mut stream = Utf8Stream::default();
        assert_eq!(stream.push(b"a\xff\xc3"), "a\u{fffd}");
        assert_eq!(stream.push(b"\xa9b"), "éb");
    }
}
