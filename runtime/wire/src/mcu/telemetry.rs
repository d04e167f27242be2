//! What the board measures and thinks, ten times a second.

use serde::{Deserialize, Serialize};
use trimtab_core::{Joules, Watts};

use super::event::{Cause, HostStage, State, Verdict};
use super::units::{Micros, Milliamps, Millicelsius, Millivolts};

/// How long an energy budget of the board counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum BudgetWindow {
    /// One hour of the board's time: [`trimtab_core::Window::Hour`].
    Hour,
    /// One day of the board's time: [`trimtab_core::Window::Day`].
    Day,
    /// Since the board was last without power.
    Total,
}

impl BudgetWindow {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Total];
}

/// What is thought of each sensor; what is not good stands in the telemetry at its worst case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Plausibility {
    /// Of the current.
    pub current: Verdict,
    /// Of the voltage.
    pub voltage: Verdict,
    /// Of the temperature.
    pub temperature: Verdict,
}

/// One telemetry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Telemetry {
    /// Counts those that were due, from zero at each start of the board: a missing number was dropped or lost.
    pub number: u32,
    /// How many of them the board itself dropped since its start, because the line was full.
    pub dropped: u32,
    /// When, since the board's start.
    pub at: Micros,
    /// All energy since the board was last without power.
    pub energy: Joules,
    /// How much of it was charged at the worst case, because a sensor was not believed.
    pub widened: Joules,
    /// Power now.
    pub power: Watts,
    /// Current now.
    pub current: Milliamps,
    /// Voltage now.
    pub voltage: Millivolts,
    /// Temperature now.
    pub temperature: Millicelsius,
    /// Whether they are measured.
    pub plausibility: Plausibility,
    /// How far the board has stepped in.
    pub state: State,
    /// Why it did last, if it did.
    pub cause: Option<Cause>,
    /// How it sees the host.
    pub host: HostStage,
    /// What is left of the tightest energy budget; none where there is no budget.
    pub remaining: Option<Joules>,
}
