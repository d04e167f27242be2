//! What outlives a power cut: encoded for a slot of flash, and checked when it is read.

use serde::{Deserialize, Serialize};

use crate::sealed;
use crate::wire::{BootNumber, Config, Trip, TripId};

/// What the board must know after a power cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Counts the records of a board; the higher of two is the newer.
    pub generation: u32,
    /// The configuration in force.
    pub config: Config,
    /// The last start that was recorded.
    pub boot: BootNumber,
    /// The last trip, if it is not released.
    pub trip: Option<Trip>,
    /// The number that the next trip will have.
    pub next_trip: TripId,
}

/// Longest encoded record, bytes.
pub const RECORD_BYTES_MAX: usize = 256;

/// Why bytes are no record, or a record fits in no bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordFault;

/// What the store holds at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// Nothing was ever stored.
    Empty,
    /// This, whole.
    Whole(Record),
    /// This, and the other slot is damaged.
    FellBack(Record),
    /// Something was stored and nothing of it can be read.
    Damaged,
}

impl Record {
    /// Of a board that was never configured.
    pub const NEW: Self =
        Self { generation: 0, config: Config::DEFAULT, boot: BootNumber(0), trip: None, next_trip: TripId(1) };

    /// Encodes it for a slot, with its length and a checksum. Gives the bytes that were filled.
    pub fn encode<'b>(&self, out: &'b mut [u8; RECORD_BYTES_MAX]) -> Result<&'b [u8], RecordFault> {
        let filled = sealed::seal(self, out).ok_or(RecordFault)?;
        out.get(..filled).ok_or(RecordFault)
    }

    /// Reads what [`Record::encode`] made; fails where a byte of it is wrong. Whether the configuration keeps its rules is for
    /// the supervisor to see.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordFault> {
        sealed::open(bytes).ok_or(RecordFault)
    }
}
