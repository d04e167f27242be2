//! What a turn was worth to its owner, from what it really took.

use trimtab_core::observation::utility;
use trimtab_core::{Bytes, Preference, Quote};
use trimtab_turn::TurnRecord;

/// The weighted sum that policies are trained for, with right or wrong in place of an estimated quality and with metered
/// costs in place of quotes. Association is left out: it is a means, not an end.
#[must_use]
pub fn value(preference: &Preference, right: bool, record: &TurnRecord) -> f64 {
    let cost = &record.cost;
    let took =
        Quote { latency: cost.latency, energy: cost.energy, money: cost.money, bytes: cost.bytes, memory: Bytes::ZERO };
    f64::from(utility(preference, f32::from(u8::from(right)), 0.0, &took))
}
