//! One policy file as the owner's weight of money is swept: what it gets right against what it spends.

use serde::Serialize;
use trimtab_core::Preference;
use trimtab_engine::PolicyError;

use crate::choose::Chooser;
use crate::dataset::Turn;
use crate::evaluate::evaluate;

/// Weights of money, a milli-USD each.
pub const WEIGHTS: [f32; 12] = [0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1, 0.2, 0.4, 1.0];

/// What comes of one weight.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Point {
    /// Of money.
    pub weight: f32,
    /// Right answers in percent.
    pub right_percent: f64,
    /// Mean nano-USD a turn.
    pub money_nusd: f64,
    /// Mean milliseconds a turn.
    pub latency_ms: f64,
    /// Mean microjoules a turn.
    pub energy_uj: f64,
}

/// Sweeps the weight of money, the other weights as they are.
///
/// # Errors
/// A policy file that cannot be run.
pub fn front(chooser: &Chooser, turns: &[&Turn], preference: &Preference) -> Result<Vec<Point>, PolicyError> {
    let point = |weight: f32| {
        let report = evaluate(chooser, "", turns, &Preference { cost: weight, ..*preference })?;
        Ok(Point {
            weight,
            right_percent: report.right_percent.value,
            money_nusd: report.money_nusd,
            latency_ms: report.latency_ms,
            energy_uj: report.energy_uj,
        })
    };
    WEIGHTS.into_iter().map(point).collect()
}
