//! Server-sent events, as far as chat completions use them: bytes in, `data` payloads out, without I/O.

/// Longest line of an event stream, bytes.
pub(crate) const LINE_BYTES_MAX: usize = 256 * 1024;

/// A line grew beyond [`LINE_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// Collects lines across reads and hands out the payload of each `data:` field. Completions put one JSON value in one
/// line, so a payload of several lines is handed out line by line.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    line: Vec<u8>,
}

impl EventStream {
    /// Takes what was read; calls `data` with every payload it completes, in order.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<(), LineTooLong> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > LINE_BYTES_MAX {
                return Err(LineTooLong);
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                if let Some(payload) = line.strip_prefix(b"data:") {
                    data(payload.trim_ascii());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_may_be_cut_anywhere(cuts in prop::collection::vec(1_usize..20, 1..30)) {
            let stream = b"data: {\"a\":1}\r\n\r\n: comment\nevent: x\ndata:two\n\ndata: [DONE]\n\n".repeat(3);
            let mut whole: Vec<Vec<u8>> = Vec::new();
            EventStream::default().feed(&stream, |payload| whole.push(payload.to_vec())).unwrap();
            prop_assert_eq!(whole.get(..3).unwrap(), [&b"{\"a\":1}"[..], b"two", b"[DONE]"]);
            let (mut events, mut cut, mut rest) = (EventStream::default(), Vec::new(), &stream[..]);
            for size in cuts.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (head, tail) = rest.split_at(size.min(rest.len()));
                events.feed(head, |payload| cut.push(payload.to_vec())).unwrap();
                rest = tail;
            }
            prop_assert_eq!(cut, whole);
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut events = EventStream::default();
        let fed: Vec<_> = (0..5).map(|_| events.feed(&vec![b'x'; 64 * 1024], |_| {})).collect();
        assert_eq!(fed.last(), Some(&Err(LineTooLong)));
    }
}
