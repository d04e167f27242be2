//! A sensor of power made a counter of energy: a thread of its own reads it again and again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use trimtab_core::{Joules, Millis, Watts};
use trimtab_turn::EnergySource;

use super::account::PowerAccount;
use super::check::{Load, Plausible, StuckWatch, above_peak, peak_from};
use super::{Meter, MeterError, MeterHealth, PowerSensor};

/// Readings further apart than this many periods, and than [`STALE_MIN`], do not tell what was between them.
const STALE_PERIODS: u32 = 4;
/// A machine under load wakes a thread late.
const STALE_MIN: Duration = Duration::from_secs(1);
/// How a sensor is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sampling {
    /// From one reading to the next.
    pub period: Millis,
    /// The most that the board draws, if it is known.
    pub peak: Option<Watts>,
    /// The least that is assumed for it otherwise.
    pub peak_floor: Watts,
}

/// Joules of a power sensor, measured.
#[derive(Debug)]
pub struct Sampled {
    name: String,
    period: Millis,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    account: PowerAccount,
    health: MeterHealth,
    samples: u64,
    stop: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sampled {
    /// Reads the sensor once, and from then on by a thread. Fails if that first reading does, or is none of a board.
    pub fn start(mut sensor: Box<dyn PowerSensor>, sampling: Sampling) -> Result<Self, MeterError> {
        let name = sensor.name();
        let plausible = Plausible::new(sampling.peak);
        let first = match sensor.power() {
            Ok(power) => Some(plausible.check(&name, power)?),
            // A gauge that was asked for by name is waited for.
            Err(MeterError::Waiting { .. }) => None,
            Err(fault) => return Err(fault),
        };
        let assumed = peak_from(first.unwrap_or_default(), sampling.peak_floor);
        let period = sampling.period.duration();
        let stale = (period * STALE_PERIODS).max(STALE_MIN);
        let mut account = PowerAccount::new(sampling.peak.unwrap_or(assumed), period, stale);
        account.sample(Duration::ZERO, first);
        let state = State { account, health: MeterHealth::default(), samples: 1, stop: false };
        let shared = Arc::new(Shared { start: Instant::now(), state: Mutex::new(state), wake: Condvar::new() });
        let sampler = Sampler { sensor, name: name.clone(), plausible, period, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new()
            .name("meter".to_owned())
            .spawn(move || sampler.run())
            .map_err(|source| MeterError::Thread { name: name.clone(), source })?;
        Ok(Self { name, period: sampling.period, shared, thread: Some(thread) })
    }

    /// Readings so far.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.shared.lock().samples
    }
}

impl Meter for Sampled {
    fn source(&self) -> EnergySource {
        EnergySource::Measured(self.name.clone())
    }

    /// Never fails: while the sensor does, the most that the board can draw counts.
    fn energy(&self) -> Result<Joules, MeterError> {
        let mut state = self.shared.lock();
        Ok(state.account.energy(self.shared.start.elapsed()))
    }

    fn peak(&self) -> Watts {
        self.shared.lock().account.peak()
    }

    fn period(&self) -> Millis {
        self.period
    }

    fn power(&self) -> Option<Watts> {
        self.shared.lock().account.power()
    }

    fn health(&self) -> MeterHealth {
        let state = self.shared.lock();
        MeterHealth { assumed: state.account.assumed(self.shared.start.elapsed()), ..state.health.clone() }
    }
}

impl Drop for Sampled {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported by the thread itself; there is nothing left to end.
            drop(thread.join());
        }
    }
}

struct Sampler {
    sensor: Box<dyn PowerSensor>,
    name: String,
    plausible: Plausible,
    period: Duration,
    shared: Arc<Shared>,
}

impl Sampler {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let (mut load, mut stuck) = (Load::new(), StuckWatch::default());
        let mut next = self.period;
        loop {
            let wait = next.saturating_sub(shared.start.elapsed());
            let waited = shared.wake.wait_timeout_while(shared.lock(), wait, |state| !state.stop);
            if waited.unwrap_or_else(PoisonError::into_inner).0.stop {
                return;
            }
            // The lock is not held while the sensor is read: a bus that hangs keeps nobody else waiting.
            let reading = self.sensor.power().and_then(|power| self.plausible.check(&self.name, power));
            let at = shared.start.elapsed();
            let used = load.since(at);
            self.enter(&mut shared.lock(), at, reading, |power| stuck.see(at, power, used));
            // Readings that were missed are not made up for.
            next = (next + self.period).max(at);
        }
    }

    fn enter(
        &self,
        state: &mut State,
        at: Duration,
        reading: Result<Watts, MeterError>,
        is_stuck: impl FnOnce(Watts) -> bool,
    ) {
        let peak = state.account.peak();
        state.account.sample(at, reading.as_ref().ok().copied());
        state.samples = state.samples.saturating_add(1);
        let health = &mut state.health;
        match reading {
            Ok(power) => {
                if health.trouble.take().is_some() {
                    tracing::info!(meter = %self.name, "the meter is back");
                }
                if power > peak {
                    self.warn(&mut health.above_peak, Some(above_peak(power, peak)));
                }
                let same = is_stuck(power).then(|| {
                    format!("the sensor reads {power} whatever the processor does: check it, or choose another [energy] meter")
                });
                self.warn(&mut health.stuck, same);
            }
            Err(fault) => {
                health.faults = health.faults.saturating_add(1);
                let text = crate::fault_text(&fault);
                if health.trouble.as_ref() != Some(&text) {
                    tracing::warn!(meter = %self.name, fault = %text, "the meter failed: peak power counts until it is back");
                    health.trouble = Some(text);
                }
            }
        }
    }

    /// Says a warning when it begins to hold.
    fn warn(&self, place: &mut Option<String>, now: Option<String>) {
        if let (None, Some(text)) = (&place, &now) {
            tracing::warn!(meter = %self.name, "{text}");
        }
        *place = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::MeterKind;

    #[derive(Debug)]
    struct Constant(Watts);

    impl PowerSensor for Constant {
        fn kind(&self) -> MeterKind {
            MeterKind::Hwmon
        }
        fn name(&self) -> String {
            "hwmon ina3221/1".to_owned()
        }
        fn reads(&self) -> Vec<String> {
            Vec::new()
        }
        fn power(&mut self) -> Result<Watts, MeterError> {
            Ok(self.0)
        }
    }

    #[test]
    fn a_stuck_sensor_is_told_for_as_long_as_it_is_and_still_counts() {
        let power = Watts::from_milli(3_000);
        let sampling = Sampling { period: Millis::new(10_000), peak: None, peak_floor: Watts::from_milli(6_000) };
        let meter = Sampled::start(Box::new(Constant(power)), sampling).unwrap();
        assert_eq!((meter.peak(), meter.health()), (Watts::from_milli(7_500), MeterHealth::default()));
        let shared = Arc::clone(&meter.shared);
        let sampler = Sampler {
            sensor: Box::new(Constant(power)),
            name: "hwmon ina3221/1".to_owned(),
            plausible: Plausible::new(None),
            period: Duration::from_secs(10),
            shared: Arc::clone(&shared),
        };
        sampler.enter(&mut shared.lock(), Duration::from_secs(1), Ok(power), |_| true);
        let told = meter.health().stuck.unwrap();
        assert!(told.contains("the sensor reads 3.000 W whatever the processor does"), "{told}");
        assert!(meter.energy().unwrap() >= Joules::from_micro(3_000_000) && meter.health().assumed.is_zero());
        sampler.enter(&mut shared.lock(), Duration::from_secs(2), Ok(power), |_| false);
        assert_eq!(meter.health().stuck, None);
    }

    #[test]
    fn a_sensor_that_cannot_be_one_of_a_board_is_not_begun_with() {
        let sampling = Sampling { period: Millis::new(50), peak: None, peak_floor: Watts::ZERO };
        let fault = Sampled::start(Box::new(Constant(Watts::from_micro(4_000))), sampling).unwrap_err().to_string();
        assert!(fault.starts_with("hwmon ina3221/1: 0.004 W is not what a running board draws"), "{fault}");
    }
}
