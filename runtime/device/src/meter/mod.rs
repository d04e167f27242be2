//! Energy meters: a counter of joules since the start, labelled *measured* or *estimated*.
//!
//! A meter is read before and after something, and the difference is what it took. [`probe()`] picks the best one there is. A
//! sensor of power becomes a meter by a thread that reads it again and again ([`Sampled`]) and an account in whole numbers
//! ([`PowerAccount`]); an [`EnergyBook`] says what the joules of any meter went to.

mod account;
mod battery;
mod book;
mod channel;
mod check;
mod config;
mod elsewhere;
mod estimate;
pub(crate) mod files;
mod hwmon;
mod iio;
mod pmic;
mod powercap;
mod probe;
mod sampled;

use std::io;
use std::path::PathBuf;

use trimtab_core::{Joules, Millis, Watts};
use trimtab_turn::EnergySource;

pub use account::PowerAccount;
pub use battery::Battery;
pub use book::{EnergyBook, SPANS_MAX, SpanEnergy, SpanId};
pub use channel::{BoardSensor, ChannelChoice};
pub use check::{POWER_MAX, POWER_MIN, StuckWatch};
pub(crate) use check::{above_peak, peak_from};
pub use config::{
    EnergyConfig, EnergyConfigError, IDLE_WATTS, MeterChoice, PERIOD_MAX, PERIOD_MIN, RawEnergy, SYSFS,
    UPLINK_UJ_PER_BYTE, WATTS_MAX, WATTS_PER_CORE,
};
pub use elsewhere::WorkElsewhere;
pub use estimate::{CpuTime, Estimate, OnCpu, Uplink};
pub use pmic::Pmic;
pub use powercap::{Powercap, ZONES_MAX};
pub use probe::{Candidate, Found, MeterSources, Probed, cores, mean, probe, survey};
pub use sampled::{Sampled, Sampling};

/// Counts energy since it was made.
pub trait Meter: Send + Sync {
    /// Who says so, and whether it was measured or estimated.
    fn source(&self) -> EnergySource;
    /// Energy since the meter was made; never less than the last reading.
    fn energy(&self) -> Result<Joules, MeterError>;
    /// The most that can be drawn: what a hold's guard is made of.
    fn peak(&self) -> Watts;
    /// How far apart in time two readings must be to differ: what happens in between is seen late.
    fn period(&self) -> Millis;
    /// Power now, where the meter reads power; none where it counts, and while it fails.
    fn power(&self) -> Option<Watts> {
        None
    }
    /// How it is.
    fn health(&self) -> MeterHealth {
        MeterHealth::default()
    }
}

/// Reads the board's power.
pub trait PowerSensor: Send + std::fmt::Debug {
    /// Of which kind it is.
    fn kind(&self) -> MeterKind;
    /// Kind, device and channels, as energy figures are labelled.
    fn name(&self) -> String;
    /// The files or programs that it reads.
    fn reads(&self) -> Vec<String>;
    /// Power now. After a failure the next call looks for the device anew.
    fn power(&mut self) -> Result<Watts, MeterError>;
}

/// Kinds of meters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MeterKind {
    /// A microcontroller beside the board.
    Supervisor,
    /// A sensor of the board, by the kernel's hwmon.
    Hwmon,
    /// A sensor of the board, by the kernel's industrial I/O.
    Iio,
    /// The power chip of a Raspberry Pi 5.
    Pmic,
    /// The processor's own counter.
    Powercap,
    /// The battery's gauge.
    Battery,
    /// A model.
    Estimate,
}

/// How a meter is: a fault is never silent, and what it cost is counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MeterHealth {
    /// What is wrong now, if it fails.
    pub trouble: Option<String>,
    /// Readings that failed.
    pub faults: u64,
    /// Joules that were assumed while it failed, not measured.
    pub assumed: Joules,
    /// The sensor seems to be stuck.
    pub stuck: Option<String>,
    /// More was read than the board was taken to draw at most.
    pub above_peak: Option<String>,
}

/// Why energy cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeterError {
    /// It is there, and the runtime's user may not read it.
    #[error("{path}: permission denied (owner {owner}, group {group}, mode {mode:o}); {remedy}")]
    Permission {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: String,
        /// Its group.
        group: String,
        /// Its mode bits.
        mode: u32,
        /// How to get the right.
        remedy: String,
    },
    /// It cannot be read for another reason.
    #[error("{path}: cannot read; choose another [energy] meter")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It says something that is no number.
    #[error("{path}: {text:?} is no number; choose another [energy] meter")]
    Form {
        /// The file.
        path: PathBuf,
        /// Its beginning.
        text: String,
    },
    /// This machine has none.
    #[error("{path}: no {what} here; set [energy] meter to \"estimate\" or \"auto\"")]
    Absent {
        /// Where one was looked for.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// No microcontroller is connected.
    #[error("no supervisor is configured; write [supervisor] port, or set [energy] meter to \"auto\" or another")]
    NoSupervisor,
    /// There is one, and it does not speak.
    #[error("{port}: the supervisor does not answer; `trimtab doctor` looks at its link")]
    Silent {
        /// Its port.
        port: String,
    },
    /// There is a chip that measures power, but perhaps of a part of the board.
    #[error("{chip} may measure a part and not the board; if it is the board's, write [energy] {key} = {chip:?}")]
    Part {
        /// The key of the configuration.
        key: &'static str,
        /// The chip's name.
        chip: String,
    },
    /// The configuration names a channel that is not there.
    #[error("[energy] {key} = {wanted:?}: no such chip or channel; there are: {there}")]
    Channel {
        /// The key of the configuration.
        key: &'static str,
        /// What it names.
        wanted: String,
        /// All that there are.
        there: String,
    },
    /// Current flows backwards through the sensor.
    #[error(
        "{path}: {watts:.3} W, a board cannot draw less than nothing; swap IN+ and IN- of the sensor, or choose another channel by [energy] {key}"
    )]
    Negative {
        /// The file.
        path: PathBuf,
        /// The power.
        watts: f64,
        /// The key of the configuration.
        key: &'static str,
    },
    /// No running board draws that.
    #[error(
        "{name}: {power} is not what a running board draws ({low} to {high}): a wrong unit or channel? Check the sensor's driver, or choose another [energy] meter or channel"
    )]
    Implausible {
        /// The sensor.
        name: String,
        /// What it read.
        power: Watts,
        /// The least that can be.
        low: Watts,
        /// The most that can be.
        high: Watts,
    },
    /// The battery is not what feeds the board now.
    #[error(
        "{path}: the battery is {status:?}, so its gauge does not tell what the board draws; choose another [energy] meter where the charger stays connected"
    )]
    Charging {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        status: String,
    },
    /// The battery tells only what is left.
    #[error(
        "{path}: this battery tells only what is left in it, in coarse steps; write [energy] meter = \"battery\" to take it all the same"
    )]
    Coarse {
        /// The battery's folder.
        path: PathBuf,
    },
    /// The battery's charge has not gone down by a step yet.
    #[error("{path}: the battery's charge has not changed since the start; wait for its next step")]
    Waiting {
        /// The file.
        path: PathBuf,
    },
    /// A program that tells power does not.
    #[error(
        "{program}: {trouble}; install Raspberry Pi's vcgencmd and add the runtime's user to the group video, or choose another [energy] meter"
    )]
    Program {
        /// The program.
        program: PathBuf,
        /// What is wrong.
        trouble: String,
    },
    /// No thread to read a sensor.
    #[error("{name}: no thread to read it; raise the limit of threads")]
    Thread {
        /// The sensor.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl MeterError {
    /// There is nothing of this kind here, as opposed to something that does not work.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. } | Self::NoSupervisor)
    }
}

/// Where the kernel shows its sensors; other places are for containers and tests.
#[derive(Clone, Debug)]
pub struct MeterPaths {
    /// Usually `/sys`.
    pub sys: PathBuf,
    /// Usually `/proc`.
    pub proc: PathBuf,
    /// The program that speaks to the firmware of a Raspberry Pi.
    pub vcgencmd: PathBuf,
}

impl MeterPaths {
    pub(crate) fn hwmon(&self) -> PathBuf {
        self.sys.join("class/hwmon")
    }
    fn iio(&self) -> PathBuf {
        self.sys.join("bus/iio/devices")
    }
    fn powercap(&self) -> PathBuf {
        self.sys.join("class/powercap")
    }
    fn power_supply(&self) -> PathBuf {
        self.sys.join("class/power_supply")
    }
}

impl Default for MeterPaths {
    fn default() -> Self {
        Self { sys: PathBuf::from(SYSFS), proc: PathBuf::from("/proc"), vcgencmd: PathBuf::from("vcgencmd") }
    }
}

/// What an estimate is made from.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Bytes sent; whoever sends adds to it.
    pub uplink: Uplink,
    /// Which threads' processor time counts.
    pub cpu: CpuTime,
}
