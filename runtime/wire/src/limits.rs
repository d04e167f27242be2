//! The bounds of everything that travels, and how they relate.

/// The version byte in front of every postcard packet.
pub const VERSION: u8 = 1;

/// Content type of a packet from a device to a bridge ([`crate::Up`]).
pub const CONTENT_TYPE_UP: &str = "application/vnd.trimtab.req+postcard;v=1";
/// Content type of a packet from a bridge to a device ([`crate::Down`]).
pub const CONTENT_TYPE_DOWN: &str = "application/vnd.trimtab.res+postcard;v=1";
/// Content type of one chunk: raw bytes, no envelope.
pub const CONTENT_TYPE_CHUNK: &str = "application/octet-stream";
/// Content type of every operator topic.
pub const CONTENT_TYPE_JSON: &str = "application/json";

/// Payload of one chunk, bytes. The smallest broker in view takes 128 KB a message.
pub const CHUNK_BYTES_MAX: usize = 96 * 1024;
/// One encoded packet (either direction), bytes; a request that would exceed it travels in chunks.
pub const PACKET_BYTES_MAX: usize = 96 * 1024;
/// Chunks granted and not yet received, per request.
pub const CHUNKS_IN_FLIGHT_MAX: u32 = 4;
/// All views of one request together, bytes.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Chunks of one request.
pub const CHUNKS_MAX: u32 = 64;
/// Smallest chunk size a manifest may declare, bytes (the last chunk may be shorter).
pub const CHUNK_BYTES_MIN: usize = REQUEST_BYTES_MAX / CHUNKS_MAX as usize;

/// Views of one request.
pub const VIEWS_MAX: usize = trimtab_core::limits::VIEWS_MAX;
/// Prompt text, bytes of UTF-8.
pub const PROMPT_BYTES_MAX: usize = 32 * 1024;
/// System and earlier messages together, bytes of UTF-8.
pub const CONTEXT_BYTES_MAX: usize = 48 * 1024;
/// System and earlier messages of one request.
pub const MESSAGES_MAX: usize = 64;
/// Tokens a request may ask for.
pub const TOKENS_MAX: u32 = 32 * 1024;
/// One streamed piece of an answer, bytes of UTF-8.
pub const PIECE_BYTES_MAX: usize = 16 * 1024;
/// A whole answer, bytes of UTF-8.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The explanation of a refusal, bytes of UTF-8.
pub const DETAIL_BYTES_MAX: usize = 2 * 1024;
/// The name of a fleet, a device or a bridge, bytes of ASCII.
pub const ID_BYTES_MAX: usize = 64;
/// The name of a node or a view, bytes of ASCII.
pub const NAME_BYTES_MAX: usize = trimtab_core::limits::NAME_BYTES_MAX;
/// A whole topic, bytes.
pub const TOPIC_BYTES_MAX: usize = 256;
/// Everything in a request packet that is neither text nor picture, bytes: ids, names, lengths, digests.
pub const ENVELOPE_BYTES_MAX: usize = 4 * 1024;
/// One JSON payload of an operator topic, bytes.
pub const JSON_BYTES_MAX: usize = 96 * 1024;
/// Nodes in one bridge's offers.
pub const OFFERS_MAX: usize = trimtab_core::limits::NODES_MAX - 1;

const _: () = assert!(PROMPT_BYTES_MAX + CONTEXT_BYTES_MAX + ENVELOPE_BYTES_MAX <= PACKET_BYTES_MAX);
const _: () = assert!(ANSWER_BYTES_MAX + ENVELOPE_BYTES_MAX <= PACKET_BYTES_MAX);
const _: () = assert!(PIECE_BYTES_MAX + ENVELOPE_BYTES_MAX <= PACKET_BYTES_MAX);
const _: () = assert!(DETAIL_BYTES_MAX + ID_BYTES_MAX <= ENVELOPE_BYTES_MAX);
const _: () = assert!(CHUNK_BYTES_MAX * CHUNKS_MAX as usize >= REQUEST_BYTES_MAX);
const _: () = assert!(CHUNK_BYTES_MIN <= CHUNK_BYTES_MAX);
const _: () = assert!(CHUNKS_IN_FLIGHT_MAX <= CHUNKS_MAX);
const _: () = assert!(VIEWS_MAX * (NAME_BYTES_MAX + 64) + MESSAGES_MAX * 16 + 512 <= ENVELOPE_BYTES_MAX);
const _: () = assert!("trimtab/v1//_bridge//offers".len() + 2 * ID_BYTES_MAX <= TOPIC_BYTES_MAX);
const _: () = assert!("trimtab/v1///req//".len() + 2 * ID_BYTES_MAX + 32 + 10 <= TOPIC_BYTES_MAX);
