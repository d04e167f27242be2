//! A streamed chat completion as bytes come: server-sent events, of which each `data:` line holds one JSON object.

use serde_json::Value;
use trimtab_engine::Finish;

/// Longest line of a stream, bytes.
pub const LINE_BYTES_MAX: usize = 256 << 10;
/// The line after the last object.
const DONE: &str = "[DONE]";
/// Characters of a server's own words that are repeated in an error.
const WORDS_MAX: usize = 200;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Where the next line begins; what lies before was taken.
    begin: usize,
}

/// A part of the answer that the server counts as one token.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) logprob: Option<f32>,
}

/// What one line says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Chunk {
    pub(super) pieces: Vec<Piece>,
    pub(super) finish: Option<Finish>,
    /// Tokens of the prompt and of the answer.
    pub(super) usage: Option<(usize, usize)>,
    /// Nothing follows.
    pub(super) done: bool,
}

impl Lines {
    /// Adds what came. Fails when a line has no end.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.bytes.drain(..self.begin);
        self.begin = 0;
        let open = self.bytes.len() - self.bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let added = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
        if open + added > LINE_BYTES_MAX {
            return Err(format!("a line of its stream is longer than {LINE_BYTES_MAX} bytes"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole line, without its end.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let rest = &self.bytes[self.begin..];
        let length = rest.iter().position(|&byte| byte == b'\n')?;
        let line = &self.bytes[self.begin..self.begin + length];
        self.begin += length + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

impl Chunk {
    /// Reads one line. Comments, other fields and empty lines say nothing.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let Some(data) = line.strip_prefix(b"data:") else { return Ok(Self::default()) };
        let data = data.trim_ascii();
        if data == DONE.as_bytes() {
            return Ok(Self { done: true, ..Self::default() });
        }
        let object: Value = serde_json::from_slice(data)
            .map_err(|fault| format!("{:?} is no JSON ({fault})", words(&String::from_utf8_lossy(data))))?;
        if let Some(error) = object.get("error").filter(|error| !error.is_null()) {
            return Err(refusal(error));
        }
        let choice = &object["choices"][0];
        let count = |name: &str| object["usage"][name].as_u64().and_then(|count| usize::try_from(count).ok());
        Ok(Self {
            pieces: pieces(choice),
            finish: choice["finish_reason"].as_str().map(|reason| match reason {
                "length" | "content_filter" => Finish::Length,
                _ => Finish::Stop,
            }),
            usage: count("prompt_tokens").zip(count("completion_tokens")),
            done: false,
        })
    }
}

/// The text of a choice, token by token where the server says what each token was.
fn pieces(choice: &Value) -> Vec<Piece> {
    let Some(text) = choice["delta"]["content"].as_str().filter(|text| !text.is_empty()) else { return Vec::new() };
    let tokens = choice["logprobs"]["content"].as_array().map_or(&[][..], Vec::as_slice);
    let piece = |token: &Value| {
        let logprob = token["logprob"].as_f64().map(|logprob| logprob as f32).filter(|logprob| logprob.is_finite());
        Some(Piece { text: token["token"].as_str()?.to_owned(), logprob })
    };
    let split: Vec<Piece> = tokens.iter().filter_map(piece).collect();
    match split.as_slice() {
        // A character in parts is told as a token of another text.
        [one] => vec![Piece { text: text.to_owned(), logprob: one.logprob }],
        many if many.iter().flat_map(|piece| piece.text.chars()).eq(text.chars()) => split,
        _ => vec![Piece { text: text.to_owned(), logprob: None }],
    }
}

/// What an error object says.
pub(super) fn refusal(error: &Value) -> String {
    let message = error["message"].as_str().or_else(|| error.as_str());
    message.map_or_else(|| words(&error.to_string()), words)
}

/// The beginning of a server's words, on one line.
pub(super) fn words(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Chunk, String> {
        Chunk::read(line.as_bytes())
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let stream = "data: a\r\n\r\n: comment\ndata: ä\n";
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for byte in stream.as_bytes() {
            lines.push(&[*byte]).unwrap();
            while let Some(line) = lines.next() {
                seen.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        assert_eq!(seen, ["data: a", "", ": comment", "data: ä"]);
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut lines = Lines::default();
        let half = vec![b'x'; LINE_BYTES_MAX / 2 + 1];
        lines.push(&half).unwrap();
        assert!(lines.push(&half).unwrap_err().contains("longer than"));
    }

    #[test]
    fn what_servers_say_is_understood() {
        let piece = |text: &str, logprob| Piece { text: text.into(), logprob };
        let said = read(r#"data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}"#).unwrap();
        assert_eq!(said, Chunk { pieces: vec![piece("Hi", None)], ..Chunk::default() });
        let two = r#"data: {"choices":[{"delta":{"content":"ab"},"logprobs":{"content":[{"token":"a","logprob":-0.5},{"token":"b","logprob":-1}]}}]}"#;
        assert_eq!(read(two).unwrap().pieces, [piece("a", Some(-0.5)), piece("b", Some(-1.0))]);
        let others = two.replace("\"token\":\"b\"", "\"token\":\"c\"");
        assert_eq!(read(&others).unwrap().pieces, [piece("ab", None)]);
        let end = read(r#"data:{"choices":[{"delta":{},"finish_reason":"length"}]}"#).unwrap();
        assert_eq!(end, Chunk { finish: Some(Finish::Length), ..Chunk::default() });
        let usage = read(r#"data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#).unwrap();
        assert_eq!(usage, Chunk { usage: Some((7, 3)), ..Chunk::default() });
        assert!(read("data: [DONE]").unwrap().done);
        assert_eq!(read("event: ping").unwrap(), Chunk::default());
        assert_eq!(read(r#"data: {"error":{"message":"no slot"}}"#).unwrap_err(), "no slot");
        assert!(read("data: {\"choices\":[").unwrap_err().contains("is no JSON"));
        assert_eq!(read(r#"data: {"choices":"none"}"#).unwrap(), Chunk::default());
    }
}
