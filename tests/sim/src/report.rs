//! What a run came to.

use serde::Serialize;

/// Counts of one run. Those under `faults of the code` must be zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The run can be had again with it.
    pub seed: u64,
    /// Turns that were asked for.
    pub turns: u64,
    /// Turns whose first hold was durable, or that were refused before.
    pub begun: u64,
    /// Records, each of another turn.
    pub records: u64,
    /// Turns answered by a node.
    pub cloud: u64,
    /// Turns answered on the device.
    pub local: u64,
    /// Turns without an answer.
    pub refused: u64,
    /// Records of turns that their runtime did not live to close.
    pub lost: u64,
    /// Answers cut where joules ended.
    pub energy_cuts: u64,
    /// Answers cut where time ended.
    pub time_cuts: u64,
    /// Turns in which the local model stepped in.
    pub fallbacks: u64,
    /// Answers that came after their turn.
    pub late: u64,
    /// Answers that came a second time.
    pub duplicates: u64,
    /// Views that were not encoded because deciding took too much.
    pub views_cut: u64,
    /// Turns with a cost above the quote of what was chosen, in some resource.
    pub above_quote: u64,
    /// Crashes of the runtime.
    pub crashes: u64,
    /// Losses of the link.
    pub link_losses: u64,
    /// Losses of the meter.
    pub meter_losses: u64,
    /// Times the bridge refused.
    pub bridge_refusals: u64,
    /// Times the ledger could not be written.
    pub ledger_faults: u64,
    /// Times an operator set budgets.
    pub operator_changes: u64,
    /// Times the wall clock leapt.
    pub clock_leaps: u64,
    /// Verdicts that were decided again from what was recorded, and came out the same byte for byte.
    pub decided_again: u64,
    /// States that were compared on the way.
    pub states: u64,
    /// Bytes that were recorded for that.
    pub event_bytes: u64,
    /// Hours of active time.
    pub active_hours: u64,
    /// Hours of wall-clock time, off and leaping.
    pub wall_hours: i64,

    /// Faults of the code: windows in which more was truly spent than was allowed.
    pub overshoots: u64,
    /// Settlements that debited something else than was metered.
    pub clamped: u64,
    /// Settlements above their hold, though every stop took effect within the guard.
    pub overruns: u64,
    /// Turns with no record, or with two.
    pub misrecorded: u64,
    /// Open holds that the ledger forgot, or made up.
    pub forgotten: u64,
    /// Budgets that believed to have more left than was true.
    pub too_much_left: u64,
    /// Starts whose clock was not where it should be.
    pub misclocked: u64,
    /// Verdicts and states that came out otherwise, or turns that could not be followed.
    pub decided_otherwise: u64,
    /// What went wrong, in words; the first of it.
    pub faults: Vec<String>,
}

/// Faults that are told in words.
const FAULTS_MAX: usize = 20;

impl Report {
    /// Whether nothing went wrong.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.overshoots == 0
            && self.clamped == 0
            && self.overruns == 0
            && self.misrecorded == 0
            && self.forgotten == 0
            && self.too_much_left == 0
            && self.misclocked == 0
            && self.decided_otherwise == 0
            && self.faults.is_empty()
    }

    /// Notes a fault in words.
    pub(crate) fn tell(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}
