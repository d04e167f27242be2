//! The packets themselves. Field order is the wire format: a change is a new version and new vectors.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_core::{Millis, TurnId, Usd};

use crate::names::{BridgeId, NodeName, RequestId, ViewName};

/// From a device to a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Up {
    /// Answer this.
    Request(Request),
}

/// One turn that a node of a bridge shall answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The same for every attempt; the bridge pays an upstream once for it.
    pub id: RequestId,
    /// The device's own number of the turn.
    pub turn: TurnId,
    /// Counts the publications of this request, from 1.
    pub attempt: u16,
    /// Which node shall answer.
    pub node: NodeName,
    /// Whether another node may, if it fits [`Request::max_cost`].
    pub fallback_allowed: bool,
    /// What the user asks; at most [`crate::limits::PROMPT_BYTES_MAX`] bytes.
    pub prompt: String,
    /// System and earlier messages, oldest first; bounded by [`crate::limits::MESSAGES_MAX`] and
    /// [`crate::limits::CONTEXT_BYTES_MAX`].
    pub messages: Vec<Message>,
    /// Tokens of the answer, 1 to [`crate::limits::TOKENS_MAX`].
    pub max_tokens: u32,
    /// What the answer may cost at most.
    pub max_cost: Usd,
    /// What is left until the device needs the answer, counted from the publication; above zero.
    pub deadline: Millis,
    /// The views, in the order in which their bytes follow.
    pub views: Vec<View>,
    /// How the views' bytes travel.
    pub body: Body,
}

/// A message of the conversation so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who spoke.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The application.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One JPEG among the views of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The camera's name.
    pub name: ViewName,
    /// Its share of the body, bytes.
    pub bytes: u32,
}

/// How the views' bytes travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// All views, one after the other, in this packet; empty without views.
    Inline(#[serde(with = "raw")] Vec<u8>),
    /// This packet is a manifest; chunks follow once granted.
    Chunked(Chunked),
}

/// What the chunks of a request will add up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunked {
    /// Size of every chunk but the last.
    pub chunk_bytes: u32,
    /// How many there are.
    pub chunks: u32,
    /// All views together, bytes.
    pub total: u32,
    /// SHA-256 of all views, one after the other.
    pub sha256: [u8; 32],
}

/// From a bridge to a device, about one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Down {
    /// Chunks may be sent.
    Grant(Grant),
    /// A piece of the answer.
    Tokens(Tokens),
    /// The whole answer; nothing follows.
    Answer(Answer),
    /// There will be no answer; nothing follows.
    Refusal(Refusal),
}

/// Leave to send chunks to one bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who will take them.
    pub bridge: BridgeId,
    /// The attempt whose manifest this answers.
    pub attempt: u16,
    /// Chunks below this number may be sent. Cumulative, so a repeated grant changes nothing.
    pub credit: u32,
}

/// A piece of an answer as it comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Counts the pieces of one upstream call, from 0.
    pub seq: u32,
    /// The text; at most [`crate::limits::PIECE_BYTES_MAX`] bytes.
    pub text: String,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The text; at most [`crate::limits::ANSWER_BYTES_MAX`] bytes.
    pub text: String,
    /// Who answered.
    pub node: NodeName,
    /// What the upstream counted.
    pub usage: Usage,
    /// What it cost by the node's price table.
    pub cost: Usd,
    /// From the call of the upstream to its last byte.
    pub upstream: Millis,
    /// Why the text ends.
    pub finish: Finish,
    /// The stored answer of an earlier attempt, published again; the upstream was not called for it.
    pub replayed: bool,
}

/// What an upstream counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of prompt and context, as the upstream counts them (images included where it does so).
    pub prompt_tokens: u32,
    /// Tokens of the answer.
    pub completion_tokens: u32,
    /// Pictures sent.
    pub images: u32,
    /// Whether the upstream gave no count and the bridge charged its own upper bound.
    pub estimated: bool,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// It reached its limit of tokens.
    Length,
    /// The upstream withheld the rest.
    Filtered,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind, to branch on.
    pub reason: RefusalReason,
    /// Thing, place and remedy, to read; at most [`crate::limits::DETAIL_BYTES_MAX`] bytes.
    pub detail: String,
    /// What was spent all the same.
    pub cost: Usd,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// The packet could not be read or breaks a bound.
    Malformed,
    /// The chunks do not add up to the manifest, or did not come.
    BodyIncomplete,
    /// No such node at this bridge.
    UnknownNode,
    /// More views or a longer context than the node takes.
    NodeLimit,
    /// Not even one token fits `max_cost`.
    CostLimit,
    /// The deadline passed.
    Deadline,
    /// The upstream answered with an error.
    UpstreamFailed,
    /// The upstream's answer could not be read.
    UpstreamGarbled,
    /// The upstream did not answer in time.
    UpstreamSilent,
    /// The node failed repeatedly and rests.
    CircuitOpen,
    /// The bridge has no room; another bridge or a later attempt may.
    Overloaded,
    /// The bridge is stopping.
    Draining,
    /// The upstream was called but its answer was lost; the whole `max_cost` counts as spent.
    OutcomeUnknown,
}

impl RefusalReason {
    /// Whether the same request, tried again, may find an answer.
    pub const fn may_retry(self) -> bool {
        match self {
            Self::BodyIncomplete | Self::Overloaded | Self::Draining => true,
            Self::Malformed
            | Self::UnknownNode
            | Self::NodeLimit
            | Self::CostLimit
            | Self::Deadline
            | Self::UpstreamFailed
            | Self::UpstreamGarbled
            | Self::UpstreamSilent
            | Self::CircuitOpen
            | Self::OutcomeUnknown => false,
        }
    }

    /// Name as in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BodyIncomplete => "body_incomplete",
            Self::UnknownNode => "unknown_node",
            Self::NodeLimit => "node_limit",
            Self::CostLimit => "cost_limit",
            Self::Deadline => "deadline",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamGarbled => "upstream_garbled",
            Self::UpstreamSilent => "upstream_silent",
            Self::CircuitOpen => "circuit_open",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }
}

/// Bytes as one run instead of a sequence of numbers: the same layout, read and written at once.
mod raw {
    use alloc::vec::Vec;
    use core::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    struct Run;

    impl Visitor<'_> for Run {
        type Value = Vec<u8>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }
        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(Run)
    }
}
