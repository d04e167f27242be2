//! What sensors give, as whole numbers. Energy, power and spans are those of `trimtab_core`: mA × mV is exactly µW.

use core::fmt;

use serde::{Deserialize, Serialize};
use trimtab_core::Watts;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $suffix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i32);

        impl $name {
            /// Of this many.
            #[must_use]
            pub const fn new(n: i32) -> Self {
                Self(n)
            }
            /// How many.
            #[must_use]
            pub const fn get(self) -> i32 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{} ", $suffix), self.0)
            }
        }
    };
}

unit! {
    /// Current in whole milliamperes.
    Milliamps, "mA"
}
unit! {
    /// Voltage in whole millivolts.
    Millivolts, "mV"
}
unit! {
    /// Temperature in thousandths of a degree Celsius.
    Millicelsius, "m°C"
}

impl Milliamps {
    /// The power at this voltage, exact; nothing where either is negative.
    #[must_use]
    pub const fn at(self, voltage: Millivolts) -> Watts {
        if self.0 <= 0 || voltage.0 <= 0 {
            return Watts::ZERO;
        }
        Watts::from_micro((self.0 as u64).saturating_mul(voltage.0 as u64))
    }
}

/// A span, or an instant since the board started, in whole microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(u64);

impl Micros {
    /// The start, or no time.
    pub const ZERO: Self = Self(0);

    /// Of this many.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(n)
    }
    /// How many.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
    /// Later by `span`, saturating.
    #[must_use]
    pub const fn plus(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
    /// The span since `earlier`; none where that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
    /// From milliseconds, saturating.
    #[must_use]
    pub const fn from_millis(millis: trimtab_core::Millis) -> Self {
        Self(millis.get().saturating_mul(1000))
    }
    /// In whole milliseconds, rounded down.
    #[must_use]
    pub const fn millis(self) -> trimtab_core::Millis {
        trimtab_core::Millis::new(self.0 / 1000)
    }
}
