//! The board's states, why it changes them, and what it notes down.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::config::ConfigFault;
use super::units::Micros;

/// How far the board has stepped in; each state is safer than the one before it.
///
/// ```text
///            worse           worse                 worse
///  Normal ──────────▶ Throttle ──────▶ CutAccelerator ──────▶ Safe
///     ▲                  │                  │                   │
///     └──────────────────┴── sealed release of the last trip ───┘   to what still holds, at the lowest
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum State {
    /// The host does as it likes.
    #[default]
    Normal,
    /// The host is told to slow down.
    Throttle,
    /// The accelerator has no power, and the host is told to slow down.
    CutAccelerator,
    /// As before, and the host is not reset any more: what can be switched off is off.
    Safe,
}

/// Why the board steps in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// Much of an energy budget is used.
    BudgetLow,
    /// An energy budget is used up.
    BudgetExhausted,
    /// Energy still flows although a budget is used up and the accelerator is cut.
    BudgetOverrun,
    /// More current than is healthy, or than is allowed.
    OverCurrent,
    /// Hotter than is healthy, or than is allowed.
    OverTemperature,
    /// A sensor gives nothing that can be believed.
    SensorLost,
    /// The host's heartbeat is gone, or stands still.
    HostLost,
    /// The host was reset as often as is allowed, and is not back.
    HostGone,
    /// No stored configuration can be read: the defaults are in force.
    ConfigInvalid,
    /// The board's own program hung: its watchdog reset it.
    OwnWatchdog,
    /// The board's own program failed.
    OwnFault,
}

/// Number of a trip: unique on one board as long as its stored record is whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TripId(pub u32);

/// A step to a safer state, which only a sealed release takes back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Trip {
    /// Its number.
    pub id: TripId,
    /// The state that it led to.
    pub state: State,
    /// Why.
    pub cause: Cause,
}

/// What started the board's program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum ResetCause {
    /// Power came.
    #[default]
    Power,
    /// The reset pin.
    Pin,
    /// The program asked for it.
    Software,
    /// The hardware watchdog was not fed.
    Watchdog,
    /// The program panicked.
    Panic,
    /// The supply fell too low.
    Brownout,
}

/// How the board sees the host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum HostStage {
    /// It may take its time to start.
    #[default]
    Starting,
    /// Its heartbeat advances.
    Alive,
    /// A heartbeat is due.
    Warned,
    /// It is overdue: throttled.
    Throttled,
    /// The reset line is held.
    Resetting,
    /// It was reset, and may take its time to start.
    HoldOff,
    /// It was reset as often as is allowed.
    Gone,
    /// Its program stopped on purpose, and said so.
    Resting,
}

/// One of the three things that are measured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Channel {
    /// Of the board's supply.
    Current,
    /// Of the board's supply.
    Voltage,
    /// Of the board.
    Temperature,
}

/// Whether a reading is believed; whatever is not is widened to the worst case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Verdict {
    /// It is.
    Good,
    /// The sensor did not answer.
    #[default]
    Missing,
    /// Nothing was even asked of the sensor for too long.
    Stale,
    /// Outside what is possible.
    Range,
    /// Below zero where nothing can be.
    Negative,
    /// Farther from the one before than is possible, and not confirmed yet.
    Jump,
    /// The same for so long that it is no measurement.
    Stuck,
}

/// Why what is stored was not taken, or not kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum StoreFault {
    /// The newer slot is damaged; the older one is in force.
    FellBack,
    /// Both slots are damaged; the defaults are in force.
    Damaged,
    /// What is stored is whole, and breaks its own rules; the defaults are in force.
    Rules(ConfigFault),
    /// Writing failed; the older slot is as it was.
    NotWritten,
}

/// Counts the starts of a board.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootNumber(pub u32);

/// When something happened: in which boot, and how long after its start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// In which boot.
    pub boot: BootNumber,
    /// How long after its start.
    pub at: Micros,
}

/// What is told to the host and noted in the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Event {
    /// The board started.
    Started(ResetCause),
    /// A step to a safer state.
    Tripped(Trip),
    /// A sealed release was believed.
    Released {
        /// Of this trip.
        trip: TripId,
        /// The state from now on: what still holds.
        to: State,
    },
    /// A release or a configuration was refused, because its seal is wrong or was used before.
    SealRefused,
    /// The host changed in the board's eyes.
    Host(HostStage),
    /// Whether a sensor is believed changed.
    Sensor {
        /// Which.
        channel: Channel,
        /// What is thought of it now.
        verdict: Verdict,
    },
    /// A new configuration is in force.
    ConfigChanged,
    /// The store has a fault.
    Store(StoreFault),
}

/// One line of the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct LogEntry {
    /// Counts all lines ever, from zero; a missing number was lost.
    pub number: u32,
    /// When.
    pub stamp: Stamp,
    /// What.
    pub event: Event,
}

impl State {
    /// All of them, from the least safe.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Throttle, Self::CutAccelerator, Self::Safe];

    /// Name as in topics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Throttle => "throttle",
            Self::CutAccelerator => "cut-accelerator",
            Self::Safe => "safe",
        }
    }
}

impl Cause {
    /// Name as in topics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BudgetLow => "budget-low",
            Self::BudgetExhausted => "budget-exhausted",
            Self::BudgetOverrun => "budget-overrun",
            Self::OverCurrent => "over-current",
            Self::OverTemperature => "over-temperature",
            Self::SensorLost => "sensor-lost",
            Self::HostLost => "host-lost",
            Self::HostGone => "host-gone",
            Self::ConfigInvalid => "config-invalid",
            Self::OwnWatchdog => "own-watchdog",
            Self::OwnFault => "own-fault",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for TripId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trip {}", self.0)
    }
}
