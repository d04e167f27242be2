//! Ids are distinct types, so that one cannot be passed for another.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// One turn of one device: the boot in which it began, and its number within that boot. Shown as `boot-number`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TurnId {
    /// Starts of the runtime since the ledger was created, from 1.
    pub boot: u32,
    /// Turns since that start, from 1.
    pub number: u32,
}

impl TurnId {
    /// Both halves in one number, ordered as the turns began.
    #[must_use]
    pub const fn key(self) -> u64 {
        (self.boot as u64) << 32 | self.number as u64
    }
    /// The turn that [`TurnId::key`] came from.
    #[must_use]
    pub const fn from_key(key: u64) -> Self {
        Self { boot: (key >> 32) as u32, number: key as u32 }
    }
}

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.boot, self.number)
    }
}

/// Text that is no turn id; the form is `boot-number`, as in `3-17`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotATurnId;

impl fmt::Display for NotATurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no turn id: write boot-number, as in 3-17")
    }
}

impl core::error::Error for NotATurnId {}

impl FromStr for TurnId {
    type Err = NotATurnId;
    fn from_str(text: &str) -> Result<Self, NotATurnId> {
        let (boot, number) = text.split_once('-').ok_or(NotATurnId)?;
        Ok(Self { boot: boot.parse().map_err(|_| NotATurnId)?, number: number.parse().map_err(|_| NotATurnId)? })
    }
}

/// A conversation, by a hash of the name that the application gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConversationId(pub u64);

impl ConversationId {
    /// From the application's own name: FNV-1a, 64 bits.
    #[must_use]
    pub const fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut rest = bytes;
        while let [first, tail @ ..] = rest {
            hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
            rest = tail;
        }
        Self(hash)
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
