//! The messages themselves. Field order is the wire format: a change is a new version and new vectors.

use core::fmt;

use heapless::String;
use serde::{Deserialize, Serialize};
use trimtab_core::{Joules, Millis};

use super::config::{Config, ConfigFault};
use super::counters::Counters;
use super::event::{BootNumber, LogEntry, Trip, TripId};
use super::seal::{Nonce, Tag};
use super::telemetry::{BudgetWindow, Telemetry};

/// The name of a board or a program, at most 24 bytes of UTF-8.
pub type Name = String<24>;

/// Opens the link. The layout never changes, so that ends of any age can tell each other why they do not match.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Greeting {
    /// Who I am and what I speak.
    Hello(Hello),
    /// We have no version in common.
    Refusal(Refusal),
}

/// Who speaks, and which versions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// What is spoken.
    pub versions: Versions,
    /// The board's name, or the program's.
    pub name: Name,
    /// The firmware's version, or the program's.
    pub firmware: FirmwareVersion,
    /// How often it was started.
    pub boot: BootNumber,
}

/// Major, minor and patch of a program's version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct FirmwareVersion {
    /// Incompatible changes.
    pub major: u16,
    /// Additions.
    pub minor: u16,
    /// Repairs.
    pub patch: u16,
}

/// Versions of the link that one end speaks, both ends of the range included. Zero is the greeting's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Versions {
    /// The oldest.
    pub min: u8,
    /// The newest.
    pub max: u8,
}

impl Versions {
    /// What this code speaks.
    pub const SPOKEN: Self = Self { min: 1, max: 1 };

    /// The newest version that both ends speak. `self`: ours.
    pub fn agree(self, theirs: Self) -> Result<u8, Refusal> {
        let newest = self.max.min(theirs.max);
        if newest < self.min.max(theirs.min) || newest == 0 {
            return Err(Refusal { ours: self, theirs });
        }
        Ok(newest)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { write!(f, "{}", self.max) } else { write!(f, "{} to {}", self.min, self.max) }
    }
}

/// No version is common to both ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("this end of the link speaks version {ours}, the other {theirs}: update the older end")]
pub struct Refusal {
    /// What the end speaks that refuses.
    pub ours: Versions,
    /// What the end speaks that is refused.
    pub theirs: Versions,
}

/// From the host to the board.
// Without a heap there is no box, and one message is in hand at a time.
#[expect(clippy::large_enum_variant)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToMcu {
    /// The host is alive. The only message that is not acknowledged.
    Heartbeat {
        /// Advances by any amount whenever the host's own work has advanced: one that stands still tells of a host that hangs.
        count: u32,
        /// How long the host's program runs, ms, wrapping round.
        uptime_ms: u32,
    },
    /// Limits energy; never above what the configuration allows. It outlives a reset of the board and no power cut: the host
    /// sets it whenever it greets.
    SetBudget {
        /// Of which window.
        window: BudgetWindow,
        /// How much; without one, what the configuration says.
        limit: Option<Joules>,
    },
    /// Replaces the configuration, under a seal over the last challenge.
    SetConfig {
        /// By this one.
        config: Config,
        /// The seal: [`super::Key::configure`].
        tag: Tag,
    },
    /// Takes a trip back, under a seal over the last challenge.
    Release {
        /// Which; only the last one can be taken back.
        trip: TripId,
        /// The seal: [`super::Key::release`].
        tag: Tag,
    },
    /// Asks; the answer comes besides the acknowledgement.
    Query(Query),
}

/// What the host asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Query {
    /// [`FromMcu::Config`].
    Config,
    /// [`FromMcu::Log`] for each line that is kept, then [`FromMcu::LogEnd`].
    Log {
        /// From this line on.
        from: u32,
    },
    /// [`FromMcu::Counters`].
    Counters,
    /// [`FromMcu::Challenge`].
    Challenge,
    /// [`FromMcu::Budgets`].
    Budgets,
}

/// From the board to the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FromMcu {
    /// Ten times a second.
    Telemetry(Telemetry),
    /// The frame of this number was carried out.
    Ack {
        /// Number of the host's frame.
        of: u32,
    },
    /// It was not.
    Nack(Nack),
    /// Something happened. The same line is in the log.
    Event(LogEntry),
    /// What the next seal is made over; also sent after each trip.
    Challenge(Challenge),
    /// A line of the log.
    Log(LogEntry),
    /// The log was sent.
    LogEnd(LogEnd),
    /// All counts.
    Counters(Counters),
    /// The configuration in force.
    Config(Config),
    /// The energy budgets in force.
    Budgets(Budgets),
}

/// A frame of the host's was not carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Nack {
    /// Number of the host's frame.
    pub of: u32,
    /// Why.
    pub reason: NackReason,
}

/// Why something was not carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum NackReason {
    /// No version was agreed on.
    #[error("no version is agreed on yet: greet first")]
    NotGreeted,
    /// The seal is wrong.
    #[error("the seal is wrong: ask for the challenge, and seal with this board's key")]
    WrongSeal,
    /// The seal was used before.
    #[error("the seal was used before: ask for the new challenge")]
    ReplayedSeal,
    /// The board has no key.
    #[error("the board has no key: provision one")]
    NoKey,
    /// There is another trip, or none.
    #[error("that is not the last trip; the last is {last:?}")]
    StaleTrip {
        /// The last trip.
        last: Option<TripId>,
    },
    /// The configuration breaks a rule.
    #[error("the configuration is not taken: {0}")]
    Config(ConfigFault),
    /// More than the configuration allows.
    #[error("more than the board's configuration allows, which is {limit}")]
    AboveCeiling {
        /// What it allows.
        limit: Joules,
    },
    /// A limit of nothing.
    #[error("a limit of zero would trip at once: cut by other means")]
    ZeroLimit,
    /// A log is being sent.
    #[error("the log is being sent already: wait for its end")]
    Busy,
}

/// What a seal is made over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Challenge {
    /// Works once.
    pub nonce: Nonce,
    /// The trip to be released, if there is one.
    pub trip: Option<Trip>,
    /// Whether the board has a key; without one nothing is believed.
    pub has_key: bool,
}

/// End of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogEnd {
    /// The number that the next line will have.
    pub next: u32,
    /// Lines in memory that were damaged and left out.
    pub damaged: u32,
}

/// All energy budgets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Budgets {
    /// Of this hour.
    pub hour: WindowState,
    /// Of this day.
    pub day: WindowState,
    /// Since the board was last without power.
    pub total: WindowState,
}

/// One energy budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WindowState {
    /// What may flow; none for any amount.
    pub limit: Option<Joules>,
    /// What flowed.
    pub spent: Joules,
    /// When the window ends, from now; none for one that does not.
    pub ends_in: Option<Millis>,
}
