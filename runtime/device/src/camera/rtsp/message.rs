//! Takes what an RTSP server sends apart: answers, requests of its own, and between them packets of pictures (RFC 2326,
//! sections 4 to 7 and 10.12).

use super::super::multipart::{head_end, stated_length};

/// Longest head of an answer, bytes.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest first line of an answer, bytes.
const LINE_BYTES_MAX: usize = 2 * 1024;
/// Longest body of an answer, bytes; a description of streams has one or two thousand.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

/// Why a server is not listened to any longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error("does not answer in RTSP; check its address and port")]
    Foreign,
    #[error("sends an answer whose head has no end within {HEAD_BYTES_MAX} bytes; check its address and port")]
    Head,
    #[error("announces an answer of {0} bytes, above the limit of {BODY_BYTES_MAX}; check its address and port")]
    Body(u64),
}

/// One thing that a server sent.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Message<'a> {
    /// To a request of ours.
    Answer(Answer),
    /// It wants something; with the number of its request.
    Request(Option<String>),
    /// A packet of one of the channels that were agreed on.
    Packet { channel: u8, bytes: &'a [u8] },
}

/// What a server answered.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    /// The first value of a header, by its name in any case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// All values of a header.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let headers = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers.filter(|(found, _)| found.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }
}

/// What came and is not taken out yet. Holds at most a head, a body and what was pushed last.
#[derive(Default)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    /// Up to here it is taken out.
    at: usize,
}

impl Inbox {
    /// Adds what was read; to be called when [`Self::next`] has nothing more.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next thing that is here as a whole.
    pub(super) fn next(&mut self) -> Result<Option<Message<'_>>, MessageError> {
        let ends = self.buffer[self.at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        self.at += ends.count();
        match &self.buffer[self.at..] {
            [b'$', channel, high, low, rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some(bytes) = rest.get(..length) else { return Ok(None) };
                self.at += 4 + length;
                Ok(Some(Message::Packet { channel: *channel, bytes }))
            }
            [] | [b'$', ..] => Ok(None),
            text => match written(text)? {
                Some((length, message)) => {
                    self.at += length;
                    Ok(Some(message))
                }
                None => Ok(None),
            },
        }
    }
}

/// An answer or request at the beginning of `bytes`, with its length, once it is there as a whole.
fn written(bytes: &[u8]) -> Result<Option<(usize, Message<'static>)>, MessageError> {
    let line = bytes.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n');
    let first = &bytes[..line.unwrap_or(bytes.len().min(LINE_BYTES_MAX))];
    // Whatever speaks RTSP begins with a word in capitals.
    if line.is_none() && (bytes.len() >= LINE_BYTES_MAX || !first.first().is_some_and(u8::is_ascii_uppercase)) {
        return Err(MessageError::Foreign);
    }
    if line.is_none() {
        return Ok(None);
    }
    let first = String::from_utf8_lossy(first);
    let code = match first.trim_end().split_once(' ') {
        Some((version, rest)) if version.starts_with("RTSP/1.") => {
            let code = rest.get(..3).and_then(|code| code.parse::<u16>().ok());
            Some(code.ok_or(MessageError::Foreign)?)
        }
        Some((_, rest)) if rest.ends_with("RTSP/1.0") => None,
        _ => return Err(MessageError::Foreign),
    };
    let Some(end) = head_end(bytes, 0) else {
        return if bytes.len() > HEAD_BYTES_MAX { Err(MessageError::Head) } else { Ok(None) };
    };
    if end > HEAD_BYTES_MAX {
        return Err(MessageError::Head);
    }
    let length = stated_length(&bytes[..end]).unwrap_or(0);
    if length > BODY_BYTES_MAX as u64 {
        return Err(MessageError::Body(length));
    }
    let length = length as usize;
    let Some(body) = bytes[end..].get(..length) else { return Ok(None) };
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let answer = Answer { code: code.unwrap_or_default(), head: text(&bytes[..end]), body: text(body) };
    let message = match code {
        Some(_) => Message::Answer(answer),
        None => Message::Request(answer.header("CSeq").map(str::to_owned)),
    };
    Ok(Some((end + length, message)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out of bytes that arrive in these pieces, as text.
    fn taken(bytes: &[u8], sizes: &[usize]) -> (Vec<String>, Option<MessageError>) {
        let (mut inbox, mut messages, mut rest) = (Inbox::default(), Vec::new(), bytes);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*size).min(rest.len()));
            inbox.push(now);
            rest = later;
            loop {
                match inbox.next() {
                    Ok(Some(message)) => messages.push(format!("{message:?}")),
                    Ok(None) => break,
                    Err(error) => return (messages, Some(error)),
                }
            }
            assert!(inbox.buffer.len() <= HEAD_BYTES_MAX + BODY_BYTES_MAX + size);
        }
        (messages, None)
    }

    const ANSWER: &[u8] = b"RTSP/1.0 200 OK\r\ncseq: 2\r\nContent-Length: 3\r\n\r\nv=0";

    #[test]
    fn answers_requests_and_packets_are_told_apart() {
        let request = b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n";
        let bytes = [ANSWER, b"$\x01\0\x02ab\r\n", request, b"$\0\0\0", ANSWER].concat();
        let mut inbox = Inbox::default();
        inbox.push(&bytes);
        let Some(Message::Answer(answer)) = inbox.next().unwrap() else { panic!("no answer") };
        assert_eq!((answer.code, answer.header("CSeq"), answer.body.as_str()), (200, Some("2"), "v=0"));
        assert_eq!(inbox.next().unwrap(), Some(Message::Packet { channel: 1, bytes: b"ab" }));
        assert_eq!(inbox.next().unwrap(), Some(Message::Request(Some("9".to_owned()))));
        assert_eq!(inbox.next().unwrap(), Some(Message::Packet { channel: 0, bytes: b"" }));
        assert!(matches!(inbox.next().unwrap(), Some(Message::Answer(_))));
        assert_eq!(inbox.next().unwrap(), None);
    }

    #[test]
    fn whatever_has_no_end_or_is_no_rtsp_is_given_up() {
        let endless = [b"RTSP/1.0 200 OK\r\n".to_vec(), b"X-More: more\r\n".repeat(2_000)].concat();
        for (bytes, expected) in [
            (endless, MessageError::Head),
            (b"RTSP/1.0 200 OK\r\nContent-Length: 4000000000\r\n\r\n".to_vec(), MessageError::Body(4_000_000_000)),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), MessageError::Foreign),
            (b"RTSP/1.0 fine\r\n\r\n".to_vec(), MessageError::Foreign),
            (b"\x16\x03\x01".to_vec(), MessageError::Foreign),
            (vec![b'R'; LINE_BYTES_MAX], MessageError::Foreign),
        ] {
            assert_eq!(
                taken(&bytes, &[100]).1,
                Some(expected),
                "{}",
                String::from_utf8_lossy(&bytes[..40.min(bytes.len())])
            );
        }
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter_and_any_bytes_are_survived(
            junk in prop::collection::vec(prop_oneof![Just(b'$'), Just(b'\n'), Just(b'\r'), Just(b'R'), any::<u8>()], 0..300),
            sizes in prop::collection::vec(1_usize..60, 1..4),
        ) {
            let bytes = [ANSWER, b"$\0\0\x01a", ANSWER, &junk].concat();
            let (messages, error) = taken(&bytes, &sizes);
            let (whole, same) = taken(&bytes, &[usize::MAX / 2]);
            prop_assert!(messages.len() >= 3);
            prop_assert_eq!((messages, error), (whole, same));
        }
    }
}
