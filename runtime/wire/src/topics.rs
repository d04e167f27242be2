//! The topic tree: one enum for every topic, its text and its parser, and the filters each program subscribes to.
//!
//! ```text
//! trimtab/v1/<fleet>/<device>/status · tele/<what> · <subject>/desired · <subject>/reported
//!                            /cmd/<name>[/res] · req · req/<rid>/<n> · res/<rid>
//! trimtab/v1/<fleet>/_bridge/<bridge>/offers
//! trimtab/v1/<fleet>/_all/cmd/<name>
//! ```

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use crate::limits::{CHUNKS_MAX, TOPIC_BYTES_MAX};
use crate::names::{BridgeId, DeviceId, FleetId, NameError, RequestId};

const ROOT: &str = "trimtab/v1";

macro_rules! levels {
    ($(#[$doc:meta])* $type:ident { $($(#[$item:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$item])* $variant),+ }

        impl $type {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The topic level.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            fn parse(level: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == level)
            }
        }
    };
}

levels! {
    /// What a device reports continuously.
    Telemetry {
        /// One message per turn: the decision and its account.
        Decision = "decision",
        /// What is left of every budget.
        Budget = "budget",
        /// Energy readings.
        Energy = "energy",
        /// Memory readings.
        Memory = "memory",
        /// Link estimates.
        Link = "link",
        /// What the microcontroller beside the board noted: each line of its log once and in order, kept by the broker for
        /// a day, also what it noted while no runtime ran. `event` says what; `board`, `number` (from zero), `boot` and
        /// `at_us` say which line and when by the board's clock; `at_unix_ms` when the runtime heard of it. `missed`: it was
        /// read from the log later; `lost_before`: so many lines before it were overwritten or damaged unread; `anew`: the
        /// board lost its log, and numbers from zero again.
        Supervisor = "supervisor",
    }
}

levels! {
    /// What an operator may set and a device reports back.
    Subject {
        /// Budgets of energy, money, bytes and time.
        Budget = "budget",
        /// Weights of quality, association, latency, cost and energy.
        Preference = "preference",
        /// The policy file.
        Policy = "policy",
    }
}

levels! {
    /// What an operator may ask a device to do.
    CommandName {
        /// Answer a prompt.
        Ask = "ask",
        /// Explain a turn from its ledger record.
        Explain = "explain",
        /// Report the present state.
        Status = "status",
    }
}

/// Every topic that a Trimtab program publishes to or hears from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// Retained birth and last will of a device.
    Status(FleetId, DeviceId),
    /// Telemetry of a device.
    Telemetry(FleetId, DeviceId, Telemetry),
    /// Retained wish of the operator.
    Desired(FleetId, DeviceId, Subject),
    /// Retained answer of the device to that wish.
    Reported(FleetId, DeviceId, Subject),
    /// A command to one device.
    Command(FleetId, DeviceId, CommandName),
    /// A command to every device of a fleet.
    CommandAll(FleetId, CommandName),
    /// The answer of a device to a command.
    CommandAnswer(FleetId, DeviceId, CommandName),
    /// A request, or the manifest of a large one, from a device to any bridge.
    Request(FleetId, DeviceId),
    /// A chunk to the bridge that granted credit; numbered from 0, below [`CHUNKS_MAX`].
    Chunk(FleetId, DeviceId, RequestId, u32),
    /// Everything a bridge says about one request.
    Response(FleetId, DeviceId, RequestId),
    /// Retained offers of a bridge.
    Offers(FleetId, BridgeId),
}

/// Why a text is not a topic of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Longer than [`TOPIC_BYTES_MAX`].
    #[error("a topic has {bytes} bytes; the limit is {TOPIC_BYTES_MAX}")]
    Long {
        /// Its length.
        bytes: usize,
    },
    /// A level holds a name that is not allowed.
    #[error("topic {topic:?}: {cause}")]
    Name {
        /// The whole topic.
        topic: String,
        /// What is wrong with the name.
        cause: NameError,
    },
    /// No such place in the tree.
    #[error("topic {topic:?} is not in the tree {ROOT}/<fleet>/<device>/…")]
    Unknown {
        /// The whole topic.
        topic: String,
    },
}

impl Topic {
    /// Reads a topic; names are checked, so nothing a stranger puts into a level gets further than this.
    pub fn parse(topic: &str) -> Result<Self, TopicError> {
        if topic.len() > TOPIC_BYTES_MAX {
            return Err(TopicError::Long { bytes: topic.len() });
        }
        let unknown = || TopicError::Unknown { topic: topic.to_string() };
        let name = |cause| TopicError::Name { topic: topic.to_string(), cause };
        let rest = topic.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/')).ok_or_else(unknown)?;
        let (fleet, rest) = rest.split_once('/').ok_or_else(unknown)?;
        let (id, rest) = rest.split_once('/').ok_or_else(unknown)?;
        let fleet = FleetId::new(fleet).map_err(name)?;
        if id == "_all" {
            let command = rest.strip_prefix("cmd/").and_then(CommandName::parse).ok_or_else(unknown)?;
            return Ok(Self::CommandAll(fleet, command));
        }
        if id == "_bridge" {
            let bridge = rest.strip_suffix("/offers").ok_or_else(unknown)?;
            return Ok(Self::Offers(fleet, BridgeId::new(bridge).map_err(name)?));
        }
        let id = DeviceId::new(id).map_err(name)?;
        Self::of_device(fleet, id, rest).ok_or_else(unknown)
    }

    fn of_device(fleet: FleetId, id: DeviceId, rest: &str) -> Option<Self> {
        let mut levels = rest.split('/');
        let found = match (levels.next()?, levels.next(), levels.next()) {
            ("status", None, None) => Self::Status(fleet, id),
            ("tele", Some(what), None) => Self::Telemetry(fleet, id, Telemetry::parse(what)?),
            ("cmd", Some(command), None) => Self::Command(fleet, id, CommandName::parse(command)?),
            ("cmd", Some(command), Some("res")) => Self::CommandAnswer(fleet, id, CommandName::parse(command)?),
            ("req", None, None) => Self::Request(fleet, id),
            ("req", Some(request), Some(n)) => Self::Chunk(fleet, id, request.parse().ok()?, chunk_number(n)?),
            ("res", Some(request), None) => Self::Response(fleet, id, request.parse().ok()?),
            (subject, Some("desired"), None) => Self::Desired(fleet, id, Subject::parse(subject)?),
            (subject, Some("reported"), None) => Self::Reported(fleet, id, Subject::parse(subject)?),
            _ => return None,
        };
        levels.next().is_none().then_some(found)
    }
}

/// A chunk number in its one spelling: no sign, no leading zero.
fn chunk_number(level: &str) -> Option<u32> {
    let n: u32 = level.parse().ok()?;
    (n < CHUNKS_MAX && n.to_string() == level).then_some(n)
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.to_string()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}/")?;
        match self {
            Self::Status(fleet, id) => write!(f, "{fleet}/{id}/status"),
            Self::Telemetry(fleet, id, what) => write!(f, "{fleet}/{id}/tele/{}", what.as_str()),
            Self::Desired(fleet, id, subject) => {
                write!(f, "{fleet}/{id}/{}/desired", subject.as_str())
            }
            Self::Reported(fleet, id, subject) => {
                write!(f, "{fleet}/{id}/{}/reported", subject.as_str())
            }
            Self::Command(fleet, id, command) => write!(f, "{fleet}/{id}/cmd/{}", command.as_str()),
            Self::CommandAll(fleet, command) => write!(f, "{fleet}/_all/cmd/{}", command.as_str()),
            Self::CommandAnswer(fleet, id, command) => {
                write!(f, "{fleet}/{id}/cmd/{}/res", command.as_str())
            }
            Self::Request(fleet, id) => write!(f, "{fleet}/{id}/req"),
            Self::Chunk(fleet, id, request, n) => write!(f, "{fleet}/{id}/req/{request}/{n}"),
            Self::Response(fleet, id, request) => write!(f, "{fleet}/{id}/res/{request}"),
            Self::Offers(fleet, bridge) => write!(f, "{fleet}/_bridge/{bridge}/offers"),
        }
    }
}

/// Subscription filters, by who subscribes.
pub mod filters {
    use super::{DeviceId, FleetId, ROOT, RequestId, String, Subject, format};

    /// Device: commands to it alone.
    pub fn commands(fleet: &FleetId, device: &DeviceId) -> String {
        format!("{ROOT}/{fleet}/{device}/cmd/+")
    }

    /// Device: commands to the whole fleet.
    pub fn commands_all(fleet: &FleetId) -> String {
        format!("{ROOT}/{fleet}/_all/cmd/+")
    }

    /// Device: what the operator wishes for it.
    pub fn desired(fleet: &FleetId, device: &DeviceId) -> String {
        format!("{ROOT}/{fleet}/{device}/+/desired")
    }

    /// Device: all that bridges say about its requests.
    pub fn responses(fleet: &FleetId, device: &DeviceId) -> String {
        format!("{ROOT}/{fleet}/{device}/res/+")
    }

    /// Device and operator: what the bridges of the fleet offer.
    pub fn offers(fleet: &FleetId) -> String {
        format!("{ROOT}/{fleet}/_bridge/+/offers")
    }

    /// Bridge: requests of its fleet, each given to one bridge of the share group.
    pub fn requests_shared(fleet: &FleetId) -> String {
        format!("$share/bridge/{ROOT}/{fleet}/+/req")
    }

    /// Bridge: the chunks of one request, to this bridge alone.
    pub fn chunks(fleet: &FleetId, device: &DeviceId, request: &RequestId) -> String {
        format!("{ROOT}/{fleet}/{device}/req/{request}/+")
    }

    /// Operator: the status of every device.
    pub fn statuses(fleet: &FleetId) -> String {
        format!("{ROOT}/{fleet}/+/status")
    }

    /// Operator: every decision, of one device or of all.
    pub fn decisions(fleet: &FleetId, device: Option<&DeviceId>) -> String {
        match device {
            Some(device) => format!("{ROOT}/{fleet}/{device}/tele/decision"),
            None => format!("{ROOT}/{fleet}/+/tele/decision"),
        }
    }

    /// Operator: what devices report about a subject, of one device or of all.
    pub fn reported(fleet: &FleetId, device: Option<&DeviceId>, subject: Subject) -> String {
        let subject = subject.as_str();
        match device {
            Some(device) => format!("{ROOT}/{fleet}/{device}/{subject}/reported"),
            None => format!("{ROOT}/{fleet}/+/{subject}/reported"),
        }
    }

    /// Operator: the answers of one device to commands.
    pub fn command_answers(fleet: &FleetId, device: &DeviceId) -> String {
        format!("{ROOT}/{fleet}/{device}/cmd/+/res")
    }
}
