//! Units as whole numbers, so that sums are exact and need no floating-point unit.
//!
//! Every conversion from a rate rounds **up**: a cost is never under-counted. Sums saturate instead of wrapping.

use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// The largest value that can be told: "unbounded" in comparisons.
            pub const MAX: Self = Self(u64::MAX);
            /// Sum, saturating.
            #[must_use]
            pub const fn plus(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
            /// Difference, zero where `other` is larger.
            #[must_use]
            pub const fn minus(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
            /// `n` times as much, saturating.
            #[must_use]
            pub const fn times(self, n: u64) -> Self {
                Self(self.0.saturating_mul(n))
            }
            /// The product with `num / den`, rounded up; `den` of zero counts as one.
            #[must_use]
            pub const fn scaled_up(self, num: u64, den: u64) -> Self {
                let den = if den == 0 { 1 } else { den };
                let wide = (self.0 as u128 * num as u128).div_ceil(den as u128);
                Self(if wide > u64::MAX as u128 { u64::MAX } else { wide as u64 })
            }
            /// Whether there is nothing.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
            /// This as a share of `whole`, clamped to 0..=1; of nothing, one if this is nothing too, else zero.
            #[must_use]
            pub fn share_of(self, whole: Self) -> f32 {
                if whole.0 == 0 {
                    return if self.0 == 0 { 1.0 } else { 0.0 };
                }
                (self.0 as f64 / whole.0 as f64).min(1.0) as f32
            }
        }

        impl core::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self::ZERO, Self::plus)
            }
        }
    };
}

unit! {
    /// Energy in whole microjoules.
    Joules
}
unit! {
    /// Money in whole nano-USD (10⁻⁹ USD).
    Usd
}
unit! {
    /// Bytes, on a link or in memory.
    Bytes
}
unit! {
    /// A span, or an instant of active time since the ledger was created, in milliseconds.
    Millis
}
unit! {
    /// Power in whole microwatts.
    Watts
}

impl Joules {
    /// From microjoules.
    #[must_use]
    pub const fn from_micro(n: u64) -> Self {
        Self(n)
    }
    /// In microjoules.
    #[must_use]
    pub const fn micro(self) -> u64 {
        self.0
    }
    /// Power held for a while, rounded up.
    #[must_use]
    pub const fn of(draw: Watts, span: Millis) -> Self {
        Self(draw.0).scaled_up(span.0, 1000)
    }
    /// In joules, for display and for models.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Usd {
    /// From nano-USD.
    #[must_use]
    pub const fn from_nano(n: u64) -> Self {
        Self(n)
    }
    /// In nano-USD.
    #[must_use]
    pub const fn nano(self) -> u64 {
        self.0
    }
    /// Price of `n` units at `per_million` for a million of them, rounded up.
    #[must_use]
    pub const fn of(per_million: Self, n: u64) -> Self {
        per_million.scaled_up(n, 1_000_000)
    }
    /// In micro-USD, for display and for models.
    #[must_use]
    pub fn micro_f64(self) -> f64 {
        self.0 as f64 / 1e3
    }
}

impl Bytes {
    /// From a count.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(n)
    }
    /// As a count.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
    /// The time this takes at `bits_per_s`, rounded up to the next millisecond; [`Millis::MAX`] at a rate of zero.
    #[must_use]
    pub const fn transfer_time(self, bits_per_s: u64) -> Millis {
        if bits_per_s == 0 {
            return Millis::MAX;
        }
        Millis(self.0).scaled_up(8000, bits_per_s)
    }
}

impl Millis {
    /// From milliseconds.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(n)
    }
    /// In milliseconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
    /// As the standard library's span.
    #[must_use]
    pub const fn duration(self) -> core::time::Duration {
        core::time::Duration::from_millis(self.0)
    }
    /// From the standard library's span, rounded up to the next millisecond.
    #[must_use]
    pub const fn from_duration(span: core::time::Duration) -> Self {
        let micros = span.as_micros().div_ceil(1000);
        Self(if micros > u64::MAX as u128 { u64::MAX } else { micros as u64 })
    }
}

impl Watts {
    /// From microwatts.
    #[must_use]
    pub const fn from_micro(n: u64) -> Self {
        Self(n)
    }
    /// From milliwatts.
    #[must_use]
    pub const fn from_milli(n: u64) -> Self {
        Self(n.saturating_mul(1000))
    }
    /// In microwatts.
    #[must_use]
    pub const fn micro(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Joules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} J", self.as_f64())
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} µUSD", self.micro_f64())
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

impl fmt::Display for Watts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} W", self.0 as f64 / 1e6)
    }
}
