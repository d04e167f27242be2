//! Numbers of frames as they arrive: what is missing, repeated or late.

use serde::{Deserialize, Serialize};

/// What a frame's number says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// It is new; so many before it are missing.
    New {
        /// How many.
        missing: u32,
    },
    /// It is the one before, once more: not to be taken again.
    Repeated,
    /// It comes after a later one: not to be taken.
    Late,
}

/// Follows the numbers of one direction, which start anywhere at a greeting and wrap round.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Arrivals {
    /// The newest number; none before the first frame.
    newest: Option<u32>,
    /// Frames that were numbered and did not come, saturating.
    pub missing: u32,
    /// Frames that came twice in a row, saturating.
    pub repeated: u32,
    /// Frames that came after a later one, saturating.
    pub late: u32,
}

impl Arrivals {
    /// From zero.
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: None, missing: 0, repeated: 0, late: 0 }
    }

    /// A greeting came: the other end may have begun to number anew.
    pub const fn restart(&mut self, number: u32) {
        self.newest = Some(number);
    }

    /// Counts one frame. The first ever is new, whatever its number.
    pub const fn take(&mut self, number: u32) -> Arrival {
        let Some(newest) = self.newest else {
            self.newest = Some(number);
            return Arrival::New { missing: 0 };
        };
        // The shorter way round tells which of two numbers is later.
        let ahead = number.wrapping_sub(newest);
        if ahead == 0 {
            self.repeated = self.repeated.saturating_add(1);
            Arrival::Repeated
        } else if ahead < u32::MAX / 2 {
            self.newest = Some(number);
            self.missing = self.missing.saturating_add(ahead - 1);
            Arrival::New { missing: ahead - 1 }
        } else {
            self.late = self.late.saturating_add(1);
            Arrival::Late
        }
    }
}
