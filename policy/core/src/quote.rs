//! What an action may cost at most, and what it did cost.

use crate::units::{Bytes, Joules, Millis, Usd};
use serde::{Deserialize, Serialize};

/// Upper bounds of what one candidate will take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Quote {
    /// Until the whole answer is there.
    pub latency: Millis,
    /// On the device.
    pub energy: Joules,
    /// To the upstream.
    pub money: Usd,
    /// Over the uplink.
    pub bytes: Bytes,
    /// Peak of memory on top of what is resident.
    pub memory: Bytes,
}

impl Quote {
    /// What counts against budgets.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        Cost { latency: self.latency, energy: self.energy, money: self.money, bytes: self.bytes }
    }
}

/// What a turn took, or may take: the countable part of a quote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Time.
    pub latency: Millis,
    /// Energy on the device.
    pub energy: Joules,
    /// Money to upstreams.
    pub money: Usd,
    /// Bytes over the uplink.
    pub bytes: Bytes,
}

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self { latency: Millis::ZERO, energy: Joules::ZERO, money: Usd::ZERO, bytes: Bytes::ZERO };

    /// More than can ever be spent.
    pub const MAX: Self = Self { latency: Millis::MAX, energy: Joules::MAX, money: Usd::MAX, bytes: Bytes::MAX };

    /// Sum, resource by resource.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            latency: self.latency.plus(other.latency),
            energy: self.energy.plus(other.energy),
            money: self.money.plus(other.money),
            bytes: self.bytes.plus(other.bytes),
        }
    }

    /// The smaller of the two, resource by resource.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        Self {
            latency: self.latency.min(other.latency),
            energy: self.energy.min(other.energy),
            money: self.money.min(other.money),
            bytes: self.bytes.min(other.bytes),
        }
    }

    /// By how much this exceeds the other, resource by resource; zero where it does not.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            latency: self.latency.minus(other.latency),
            energy: self.energy.minus(other.energy),
            money: self.money.minus(other.money),
            bytes: self.bytes.minus(other.bytes),
        }
    }
}
