//! Which meter is taken, in the order in which they are trusted: the supervisor; a sensor of the board by hwmon or IIO; the
//! power chip of a Raspberry Pi 5; the processor's own counter; the battery's gauge; and an estimate as the last resort.
//! Nothing is passed over silently: what was tried and why it did not do is part of the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use trimtab_core::{Joules, Millis, Watts};
use trimtab_turn::EnergySource;

use super::{
    Battery, BoardSensor, Counters, EnergyConfig, Estimate, Meter, MeterChoice, MeterError, MeterKind, MeterPaths,
    Pmic, PowerSensor, Powercap, Sampled, Sampling,
};
use crate::config::Config;
use crate::supervisor::{FIRST_WORD, Peak, Supervisor};

/// How long a counter is watched for its power.
const GLANCE: Duration = Duration::from_millis(200);

/// What meters are made from.
#[derive(Clone, Default)]
pub struct MeterSources {
    /// What an estimate counts.
    pub counters: Counters,
    /// Where the kernel shows its sensors.
    pub paths: MeterPaths,
    /// The microcontroller that measures by itself, if there is one.
    pub supervisor: Option<Arc<Supervisor>>,
}

impl MeterSources {
    /// With the kernel's sensors where the configuration has them.
    #[must_use]
    pub fn of(config: &EnergyConfig, counters: Counters) -> Self {
        Self { counters, paths: MeterPaths { sys: config.sysfs.clone(), ..MeterPaths::default() }, supervisor: None }
    }

    /// The same with the configured microcontroller, which is given time for its first word, for commands that only look. Blocks.
    /// While a runtime runs, the port is its own.
    #[must_use]
    pub fn looking(config: &Config) -> Self {
        let supervisor = config.supervisor.as_ref().and_then(|supervisor| Supervisor::start(supervisor, 0).ok());
        if let Some(supervisor) = &supervisor {
            // One that does not speak is found to be silent.
            let _ = supervisor.speaks_within(FIRST_WORD);
        }
        Self { supervisor: supervisor.map(Arc::new), ..Self::of(&config.energy, Counters::default()) }
    }
}

/// What probing found.
pub struct Probed {
    /// The meter; none only if the configuration says so.
    pub meter: Option<Arc<dyn Meter>>,
    /// What would have been better, and why it did not do.
    pub passed_over: Vec<(MeterKind, MeterError)>,
}

/// One kind of meter as it was found.
#[derive(Debug)]
pub struct Candidate {
    /// Which.
    pub kind: MeterKind,
    /// Its label, whether it measures, and what it reads; or why it cannot be used.
    pub found: Result<Found, MeterError>,
    /// The configuration takes it.
    pub chosen: bool,
}

/// A meter that works.
#[derive(Debug)]
pub struct Found {
    /// Its label.
    pub source: EnergySource,
    /// Power now.
    pub power: Option<Watts>,
    /// Files or programs that it reads.
    pub reads: Vec<String>,
}

/// Picks a meter by the configuration; fails if the one it insists on does not work.
pub fn probe(config: &EnergyConfig, sources: &MeterSources) -> Result<Probed, MeterError> {
    let mut passed_over = Vec::new();
    match config.meter {
        MeterChoice::None => Ok(Probed { meter: None, passed_over }),
        MeterChoice::Only(kind) => Ok(Probed { meter: Some(open(kind, config, sources)?), passed_over }),
        MeterChoice::Auto => {
            let best = best(config, sources, &mut passed_over)?;
            // It stands before whatever else there is, which counts while it is silent.
            let meter = match &sources.supervisor {
                Some(supervisor) => Arc::new(supervisor.meter(peak(config), Some(best))?),
                None => best,
            };
            Ok(Probed { meter: Some(meter), passed_over })
        }
    }
}

/// The best meter of the board itself.
fn best(
    config: &EnergyConfig,
    sources: &MeterSources,
    passed_over: &mut Vec<(MeterKind, MeterError)>,
) -> Result<Arc<dyn Meter>, MeterError> {
    for kind in MeterKind::ORDER.into_iter().filter(|kind| *kind != MeterKind::Supervisor) {
        match open(kind, config, sources) {
            Ok(meter) => return Ok(meter),
            // The estimate is the last, and without it there is nothing to fall back on.
            Err(fault) if kind == MeterKind::Estimate => return Err(fault),
            Err(fault) => passed_over.push((kind, fault)),
        }
    }
    Err(MeterError::NoSupervisor)
}

fn peak(config: &EnergyConfig) -> Peak {
    Peak { known: config.peak, floor: config.busy(cores()) }
}

/// Every kind of meter, and what it reads now. Blocks for a moment.
#[must_use]
pub fn survey(config: &EnergyConfig, sources: &MeterSources) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = MeterKind::ORDER
        .into_iter()
        .map(|kind| Candidate { kind, found: glance(kind, config, sources), chosen: false })
        .collect();
    let taken = candidates.iter_mut().find(|candidate| match config.meter {
        MeterChoice::None => false,
        MeterChoice::Only(kind) => candidate.kind == kind,
        MeterChoice::Auto => candidate.found.is_ok(),
    });
    if let Some(taken) = taken {
        taken.chosen = taken.found.is_ok();
    }
    candidates
}

fn glance(kind: MeterKind, config: &EnergyConfig, sources: &MeterSources) -> Result<Found, MeterError> {
    let reads = match sensor(kind, config, sources) {
        Some(sensor) => sensor?.reads(),
        None if kind == MeterKind::Powercap => vec![sources.paths.powercap().display().to_string()],
        None => Vec::new(),
    };
    let meter = open(kind, config, sources)?;
    let power = match meter.power() {
        Some(power) => Some(power),
        None => glimpse(&*meter)?,
    };
    Ok(Found { source: meter.source(), power, reads })
}

/// Power of a counter: by how much it goes on in a moment.
fn glimpse(meter: &dyn Meter) -> Result<Option<Watts>, MeterError> {
    let (before, begun) = (meter.energy()?, Instant::now());
    std::thread::sleep(GLANCE);
    let took = meter.energy()?.minus(before);
    Ok(mean(took, begun.elapsed()))
}

/// Mean power; none of no time.
#[must_use]
pub fn mean(took: Joules, span: Duration) -> Option<Watts> {
    let micros = u64::try_from(span.as_micros()).ok().filter(|micros| *micros > 0)?;
    Some(Watts::from_micro(took.scaled_up(1_000_000, micros).micro()))
}

fn open(kind: MeterKind, config: &EnergyConfig, sources: &MeterSources) -> Result<Arc<dyn Meter>, MeterError> {
    if let Some(sensor) = sensor(kind, config, sources) {
        let Peak { known, floor } = peak(config);
        let sampling = Sampling { period: config.period.unwrap_or(kind.period()), peak: known, peak_floor: floor };
        return Ok(Arc::new(Sampled::start(sensor?, sampling)?));
    }
    match kind {
        MeterKind::Powercap => Ok(Arc::new(Powercap::open(&sources.paths.powercap(), config.peak)?)),
        MeterKind::Supervisor => {
            let supervisor = sources.supervisor.as_ref().ok_or(MeterError::NoSupervisor)?;
            Ok(Arc::new(supervisor.meter(peak(config), None)?))
        }
        _ => Ok(Arc::new(Estimate::new(config, sources.counters.clone(), &sources.paths.proc)?)),
    }
}

/// The sensor of that kind; none for meters that count by themselves.
fn sensor(
    kind: MeterKind,
    config: &EnergyConfig,
    sources: &MeterSources,
) -> Option<Result<Box<dyn PowerSensor>, MeterError>> {
    fn boxed<S: PowerSensor + 'static>(sensor: Result<S, MeterError>) -> Result<Box<dyn PowerSensor>, MeterError> {
        sensor.map(|sensor| Box::new(sensor) as Box<dyn PowerSensor>)
    }
    let paths = &sources.paths;
    match kind {
        MeterKind::Hwmon => Some(boxed(BoardSensor::hwmon(&paths.hwmon(), config.hwmon.as_ref()))),
        MeterKind::Iio => Some(boxed(BoardSensor::iio(&paths.iio(), config.iio.as_ref()))),
        MeterKind::Pmic => Some(boxed(Pmic::open(&paths.vcgencmd))),
        MeterKind::Battery => {
            let insisted = config.meter == MeterChoice::Only(MeterKind::Battery);
            Some(boxed(Battery::open(&paths.power_supply(), config.battery.as_deref(), insisted)))
        }
        MeterKind::Supervisor | MeterKind::Powercap | MeterKind::Estimate => None,
    }
}

/// Processors that this process may use.
#[must_use]
pub fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1))
}

impl MeterKind {
    /// The order in which they are tried.
    pub const ORDER: [Self; 7] =
        [Self::Supervisor, Self::Hwmon, Self::Iio, Self::Pmic, Self::Powercap, Self::Battery, Self::Estimate];

    /// Name, as in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Hwmon => "hwmon",
            Self::Iio => "iio",
            Self::Pmic => "pmic",
            Self::Powercap => "powercap",
            Self::Battery => "battery",
            Self::Estimate => "estimate",
        }
    }

    /// How often a sensor of that kind is read where the configuration does not say. Asking the power chip of a Raspberry Pi
    /// starts a program, and gauges of batteries are slow.
    #[must_use]
    pub const fn period(self) -> Millis {
        match self {
            Self::Pmic | Self::Battery => Millis::new(1_000),
            _ => Millis::new(50),
        }
    }
}
