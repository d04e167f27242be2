//! Energy meters: a counter of joules since the start, labelled *measured* or *estimated*.
//!
//! A meter is read before and after something, and the difference is what it took. [`probe`] picks the best one there is:
//! the processor's own counter in powercap, else a model of processor time, bytes sent and waiting. Nothing is passed over
//! silently: what was tried and why it did not do is part of the answer.

mod config;
mod elsewhere;
mod estimate;
mod powercap;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use trimtab_core::{Joules, Millis, Watts};
use trimtab_turn::EnergySource;

pub use config::{
    EnergyConfig, EnergyConfigError, IDLE_WATTS, MeterChoice, RawEnergy, UPLINK_UJ_PER_BYTE, WATTS_MAX, WATTS_PER_CORE,
};
pub use elsewhere::WorkElsewhere;
pub use estimate::{CpuTime, Estimate, OnCpu, Uplink};
pub use powercap::{Powercap, ZONES_MAX};

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
}

/// Why energy cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeterError {
    /// There is a counter, and the runtime's user may not read it.
    #[error(
        "{path}: permission denied (owner {owner}, group {group}, mode {mode:o}); give the runtime's user the right to read it, by a udev rule or `setfacl -m u:trimtab:r`"
    )]
    Permission {
        /// The file.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
        /// Its group's number.
        group: u32,
        /// Its mode bits.
        mode: u32,
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
    /// This machine has no such counter.
    #[error("{path}: no energy counter here; set [energy] meter to \"estimate\" or \"auto\"")]
    Absent {
        /// Where one was looked for.
        path: PathBuf,
    },
}

impl MeterError {
    /// Whether there simply is no such counter, which is no fault of the board.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }
}

/// Where the kernel's counters are; other places are for tests.
#[derive(Clone, Debug)]
pub struct MeterPaths {
    /// Usually `/sys/class/powercap`.
    pub powercap: PathBuf,
    /// Usually `/proc`.
    pub proc: PathBuf,
}

impl Default for MeterPaths {
    fn default() -> Self {
        Self { powercap: PathBuf::from("/sys/class/powercap"), proc: PathBuf::from("/proc") }
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

/// What probing found.
pub struct Probed {
    /// The meter; none only if the configuration says so.
    pub meter: Option<Arc<dyn Meter>>,
    /// What would have been better, and why it did not do.
    pub passed_over: Vec<MeterError>,
}

/// Picks a meter by the configuration; fails if the one it insists on does not work.
pub fn probe(config: &EnergyConfig, counters: Counters, paths: &MeterPaths) -> Result<Probed, MeterError> {
    let mut passed_over = Vec::new();
    let meter: Option<Arc<dyn Meter>> = match config.meter {
        MeterChoice::None => None,
        MeterChoice::Powercap => Some(Arc::new(Powercap::open(&paths.powercap, config.peak)?)),
        MeterChoice::Estimate => Some(Arc::new(Estimate::new(config, counters, &paths.proc)?)),
        MeterChoice::Auto => match Powercap::open(&paths.powercap, config.peak) {
            Ok(meter) => Some(Arc::new(meter)),
            Err(error) => {
                passed_over.push(error);
                Some(Arc::new(Estimate::new(config, counters, &paths.proc)?))
            }
        },
    };
    Ok(Probed { meter, passed_over })
}
