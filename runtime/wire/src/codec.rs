//! Encoding and decoding of packets: version and content type first, then postcard, then every bound.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::{
    ANSWER_BYTES_MAX, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNKS_MAX, CONTENT_TYPE_DOWN, CONTENT_TYPE_UP,
    CONTEXT_BYTES_MAX, DETAIL_BYTES_MAX, MESSAGES_MAX, PACKET_BYTES_MAX, PIECE_BYTES_MAX, PROMPT_BYTES_MAX,
    REQUEST_BYTES_MAX, TOKENS_MAX, VERSION, VIEWS_MAX,
};
use crate::packet::{Body, Chunked, Down, Request, Up};

/// Why a packet was not encoded or not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Another content type than the topic calls for.
    #[error("content type is {found:?}; this topic carries {expected:?}")]
    ContentType {
        /// What the message said.
        found: String,
        /// What it must say.
        expected: &'static str,
    },
    /// Nothing at all.
    #[error("the packet is empty; its first byte is the version, {VERSION}")]
    Empty,
    /// A version that this program does not speak.
    #[error("packet version {found} is unknown; this program speaks {VERSION}: update the older end")]
    Version {
        /// The first byte.
        found: u8,
    },
    /// Not a value of the expected type.
    #[error("packet of {bytes} bytes is garbled: {cause}")]
    Garbled {
        /// Its length.
        bytes: usize,
        /// What postcard says.
        cause: postcard::Error,
    },
    /// Bytes remain after the value.
    #[error("{bytes} bytes follow the packet")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// More of something than the contract allows.
    #[error("{what} is {found}; the limit is {limit}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much.
        found: u64,
        /// The bound.
        limit: u64,
    },
    /// Less of something than the contract needs.
    #[error("{what} is {found}; at least {least} is needed")]
    TooLittle {
        /// Of what.
        what: &'static str,
        /// How much.
        found: u64,
        /// The bound.
        least: u64,
    },
    /// Two views have one name.
    #[error("view {name:?} is there twice; names of views differ")]
    ViewTwice {
        /// The name.
        name: String,
    },
    /// The sizes in a request contradict each other.
    #[error("the views add up to {views} bytes, the body to {body}")]
    Sizes {
        /// Sum over the views.
        views: u64,
        /// What the body has or declares.
        body: u64,
    },
    /// The manifest's number of chunks is not what its sizes give.
    #[error("the manifest says {found} chunks; its sizes give {expected}")]
    Chunks {
        /// What it says.
        found: u32,
        /// What the sizes give.
        expected: u32,
    },
}

/// Encodes what goes on `…/req`; fails where the packet breaks a bound.
pub fn encode_up(packet: &Up) -> Result<Vec<u8>, WireError> {
    check_up(packet)?;
    encode(packet)
}

/// Decodes what came on `…/req`. `content_type`: as the message carried it.
pub fn decode_up(content_type: Option<&str>, bytes: &[u8]) -> Result<Up, WireError> {
    let packet = decode(content_type, CONTENT_TYPE_UP, bytes)?;
    check_up(&packet)?;
    Ok(packet)
}

/// Encodes what goes on `…/res/<rid>`; fails where the packet breaks a bound.
pub fn encode_down(packet: &Down) -> Result<Vec<u8>, WireError> {
    check_down(packet)?;
    encode(packet)
}

/// Decodes what came on `…/res/<rid>`. `content_type`: as the message carried it.
pub fn decode_down(content_type: Option<&str>, bytes: &[u8]) -> Result<Down, WireError> {
    let packet = decode(content_type, CONTENT_TYPE_DOWN, bytes)?;
    check_down(&packet)?;
    Ok(packet)
}

fn encode<T: Serialize>(packet: &T) -> Result<Vec<u8>, WireError> {
    let start = Vec::from([VERSION]);
    let bytes = postcard::to_extend(packet, start).map_err(|cause| WireError::Garbled { bytes: 0, cause })?;
    at_most("packet size", bytes.len(), PACKET_BYTES_MAX)?;
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(
    content_type: Option<&str>,
    expected: &'static str,
    bytes: &[u8],
) -> Result<T, WireError> {
    if content_type != Some(expected) {
        let found = content_type.unwrap_or_default().to_string();
        return Err(WireError::ContentType { found, expected });
    }
    at_most("packet size", bytes.len(), PACKET_BYTES_MAX)?;
    let (version, value) = bytes.split_first().ok_or(WireError::Empty)?;
    if *version != VERSION {
        return Err(WireError::Version { found: *version });
    }
    let (packet, rest) =
        postcard::take_from_bytes(value).map_err(|cause| WireError::Garbled { bytes: bytes.len(), cause })?;
    if !rest.is_empty() {
        return Err(WireError::Trailing { bytes: rest.len() });
    }
    Ok(packet)
}

fn at_most(what: &'static str, found: usize, limit: usize) -> Result<(), WireError> {
    if found > limit {
        return Err(WireError::TooMuch { what, found: found as u64, limit: limit as u64 });
    }
    Ok(())
}

fn at_least(what: &'static str, found: u64, least: u64) -> Result<(), WireError> {
    if found < least {
        return Err(WireError::TooLittle { what, found, least });
    }
    Ok(())
}

fn check_up(packet: &Up) -> Result<(), WireError> {
    match packet {
        Up::Request(request) => check_request(request),
    }
}

/// Every bound of a request; also used before a request is planned for upload.
pub(crate) fn check_request(request: &Request) -> Result<(), WireError> {
    at_least("attempt", request.attempt.into(), 1)?;
    at_most("prompt bytes", request.prompt.len(), PROMPT_BYTES_MAX)?;
    at_most("number of messages", request.messages.len(), MESSAGES_MAX)?;
    let context = request.messages.iter().map(|message| message.text.len()).sum();
    at_most("context bytes", context, CONTEXT_BYTES_MAX)?;
    at_least("max_tokens", request.max_tokens.into(), 1)?;
    at_most("max_tokens", request.max_tokens as usize, TOKENS_MAX as usize)?;
    at_least("deadline in ms", request.deadline.get(), 1)?;
    at_most("number of views", request.views.len(), VIEWS_MAX)?;
    for (index, view) in request.views.iter().enumerate() {
        at_least("bytes of a view", view.bytes.into(), 1)?;
        if request.views.iter().skip(index + 1).any(|other| other.name == view.name) {
            return Err(WireError::ViewTwice { name: view.name.to_string() });
        }
    }
    let views: u64 = request.views.iter().map(|view| u64::from(view.bytes)).sum();
    let body = match &request.body {
        Body::Inline(bytes) => bytes.len() as u64,
        Body::Chunked(manifest) => u64::from(manifest.total),
    };
    if views != body {
        return Err(WireError::Sizes { views, body });
    }
    match &request.body {
        Body::Inline(_) => Ok(()),
        Body::Chunked(manifest) => check_manifest(manifest),
    }
}

fn check_manifest(manifest: &Chunked) -> Result<(), WireError> {
    at_least("total bytes", manifest.total.into(), 1)?;
    at_most("total bytes", manifest.total as usize, REQUEST_BYTES_MAX)?;
    at_least("chunk_bytes", manifest.chunk_bytes.into(), CHUNK_BYTES_MIN as u64)?;
    at_most("chunk_bytes", manifest.chunk_bytes as usize, CHUNK_BYTES_MAX)?;
    at_most("number of chunks", manifest.chunks as usize, CHUNKS_MAX as usize)?;
    let expected = manifest.total.div_ceil(manifest.chunk_bytes);
    if manifest.chunks != expected {
        return Err(WireError::Chunks { found: manifest.chunks, expected });
    }
    Ok(())
}

fn check_down(packet: &Down) -> Result<(), WireError> {
    match packet {
        Down::Grant(grant) => at_most("credit", grant.credit as usize, CHUNKS_MAX as usize),
        Down::Tokens(tokens) => at_most("bytes of a piece", tokens.text.len(), PIECE_BYTES_MAX),
        Down::Answer(answer) => at_most("bytes of an answer", answer.text.len(), ANSWER_BYTES_MAX),
        Down::Refusal(refusal) => at_most("bytes of a detail", refusal.detail.len(), DETAIL_BYTES_MAX),
    }
}
