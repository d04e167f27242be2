//! What the ledger hands out besides whole records.

use serde_json::Value;
use trimtab_core::budget::{HoldId, OpenHold};
use trimtab_core::{Bytes, ConversationId, Cost, Millis, TurnId};
use trimtab_wire::RequestId;

/// Records kept by default.
pub const TURNS_KEPT: u32 = 20_000;
/// Bytes of prompts and records kept by default.
pub const BYTES_KEPT: Bytes = Bytes::new(64 * 1024 * 1024);

/// Age of the oldest record that is kept by default, in days of active time.
pub const DAYS_KEPT: u32 = 90;

/// How much of the past is kept: the oldest records go first. What was spent is never forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Most records; at least one is kept.
    pub turns: u32,
    /// Most bytes of prompts, records and what turns were fed.
    pub bytes: Bytes,
    /// Age of the oldest record, in days of active time: a device that is off forgets nothing.
    pub days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { turns: TURNS_KEPT, bytes: BYTES_KEPT, days: DAYS_KEPT }
    }
}

/// What a call that has returned survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// A power cut: every device runs so.
    #[default]
    Full,
    /// The end of the process alone: to measure what the other costs, and to see that a test of it finds losses.
    Off,
}

impl Durability {
    pub(super) const fn pragma(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Off => "off",
        }
    }
}

/// A turn that a dead runtime left without a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unfinished {
    /// Which turn.
    pub turn: TurnId,
    /// Whose.
    pub conversation: ConversationId,
    /// When its first hold was made durable.
    pub opened: Millis,
    /// What was asked.
    pub prompt: String,
    /// Its holds that are still open, as orphans.
    pub holds: Vec<OpenHold>,
}

/// A conversation's past.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Past {
    /// Its turns that ended.
    pub turns: u32,
    /// What they cost: settled, or expired with their day. Open holds are not in it.
    pub spent: Cost,
}

/// A request that left the device, or is about to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Its id over all attempts.
    pub request: RequestId,
    /// For which turn.
    pub turn: TurnId,
    /// Under which hold.
    pub hold: HoldId,
    /// Whose.
    pub conversation: ConversationId,
    /// The node that was asked.
    pub node: String,
    /// Until when somebody waits, in active time.
    pub deadline: Millis,
    /// Nobody waits any more: an answer would be late.
    pub late: bool,
}

/// What an operator set, and how often.
#[derive(Clone, PartialEq, Debug)]
pub struct Setting {
    /// The operator's counter.
    pub counter: u64,
    /// The value, as it came.
    pub value: Value,
}
