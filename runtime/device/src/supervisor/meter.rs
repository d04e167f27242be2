//! The microcontroller as the runtime's best meter, with the next best behind it for while it is silent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use trimtab_core::{Joules, Millis, Watts};
use trimtab_turn::EnergySource;
use trimtab_wire::mcu::{BootNumber, Telemetry, Verdict};

use super::account::Account;
use super::status::word;
use super::{SILENT_AFTER, TELEMETRY_PERIOD};
use crate::meter::{Meter, MeterError, MeterHealth, above_peak, peak_from};

/// The microcontroller's joules. While it is silent, the next meter's.
#[derive(Clone)]
pub struct SupervisorMeter {
    start: Instant,
    next: Option<Arc<dyn Meter>>,
    /// What is said where there is no next meter.
    port: String,
    state: Arc<Mutex<State>>,
}

struct State {
    account: Account,
    /// The next meter's joules when it told them last.
    other: Joules,
    name: String,
    last: Option<Telemetry>,
    peak: Peak,
    faults: u64,
    above_peak: Option<String>,
}

/// The most that the board draws.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peak {
    /// As configured.
    pub(crate) known: Option<Watts>,
    /// Else this at the least.
    pub(crate) floor: Watts,
}

impl SupervisorMeter {
    /// Counts from now on; fails if the meter behind it does.
    pub(super) fn new(port: String, peak: Peak, next: Option<Arc<dyn Meter>>) -> Result<Self, MeterError> {
        let other = next.as_ref().map_or(Ok(Joules::ZERO), |next| next.energy())?;
        let state = State {
            account: Account::new(Duration::ZERO, other, SILENT_AFTER),
            other,
            name: "supervisor".to_owned(),
            last: None,
            peak,
            faults: 0,
            above_peak: None,
        };
        Ok(Self { start: Instant::now(), next, port, state: Arc::new(Mutex::new(state)) })
    }

    /// The board has said who it is.
    pub(super) fn name(&self, board: &str) {
        self.lock().name = format!("supervisor {board}");
    }

    /// It has spoken.
    pub(super) fn told(&self, boot: BootNumber, telemetry: Telemetry) {
        // Asked before the lock is taken. Where it fails, it counts as standing still, and says so itself.
        let other = self.next.as_ref().and_then(|next| next.energy().ok());
        let mut state = self.lock();
        let other = other.unwrap_or(state.other);
        state.other = other;
        if state.peak.known.is_none() && state.last.is_none() {
            state.peak.floor = peak_from(telemetry.power, state.peak.floor);
        }
        let peak = state.peak.known.unwrap_or(state.peak.floor);
        if telemetry.power > peak {
            let (power, text) = (telemetry.power, above_peak(telemetry.power, peak));
            if state.above_peak.is_none() {
                tracing::warn!(meter = %state.name, "{text}");
            }
            state.above_peak = Some(text);
            state.peak = Peak { known: None, floor: power };
        }
        if doubt(&telemetry).is_some() {
            state.faults = state.faults.saturating_add(1);
        }
        state.account.told(self.start.elapsed(), boot.0, telemetry.energy, other);
        state.last = Some(telemetry);
    }

    /// It has not spoken for two periods, or never.
    pub(super) fn is_away(&self) -> bool {
        self.lock().account.is_away(self.start.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter for SupervisorMeter {
    fn source(&self) -> EnergySource {
        let state = self.lock();
        match &self.next {
            Some(next) if state.account.is_away(self.start.elapsed()) => next.source(),
            _ => EnergySource::Measured(state.name.clone()),
        }
    }

    fn energy(&self) -> Result<Joules, MeterError> {
        let Some(next) = &self.next else {
            return match self.lock() {
                state if state.account.is_away(self.start.elapsed()) => {
                    Err(MeterError::Silent { port: self.port.clone() })
                }
                state => Ok(state.account.energy(self.start.elapsed(), Joules::ZERO)),
            };
        };
        let other = next.energy()?;
        Ok(self.lock().account.energy(self.start.elapsed(), other))
    }

    fn peak(&self) -> Watts {
        let peak = self.lock().peak;
        let own = peak.known.unwrap_or(peak.floor);
        self.next.as_ref().map_or(own, |next| own.max(next.peak()))
    }

    /// Until it is known to be silent, two of its periods pass.
    fn period(&self) -> Millis {
        let own = TELEMETRY_PERIOD.times(2);
        self.next.as_ref().map_or(own, |next| own.max(next.period()))
    }

    fn power(&self) -> Option<Watts> {
        let state = self.lock();
        if state.account.is_away(self.start.elapsed()) {
            return self.next.as_ref().and_then(|next| next.power());
        }
        state.last.as_ref().map(|telemetry| telemetry.power)
    }

    fn health(&self) -> MeterHealth {
        let behind = self.next.as_ref().map(|next| next.health()).unwrap_or_default();
        let state = self.lock();
        if state.account.is_away(self.start.elapsed()) {
            return behind;
        }
        MeterHealth {
            trouble: state.last.as_ref().and_then(doubt),
            faults: state.faults,
            assumed: state.last.as_ref().map(|telemetry| telemetry.widened).unwrap_or_default(),
            stuck: None,
            above_peak: state.above_peak.clone(),
        }
    }
}

/// A sensor of the microcontroller that it does not believe, of those that energy is made of.
fn doubt(telemetry: &Telemetry) -> Option<String> {
    let sensors = [("current", telemetry.plausibility.current), ("voltage", telemetry.plausibility.voltage)];
    let (name, verdict) = sensors.into_iter().find(|(_, verdict)| *verdict != Verdict::Good)?;
    let verdict = word(&verdict);
    Some(format!(
        "the supervisor does not believe its sensor of {name} ({verdict}) and counts the worst case: check its wiring"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};
    use trimtab_wire::mcu::{HostStage, Micros, Milliamps, Millicelsius, Millivolts, Plausibility, State as Stepped};

    /// Has counted a kilojoule, and fails when told to.
    #[derive(Default)]
    struct Flaky(AtomicBool);

    impl Meter for Flaky {
        fn source(&self) -> EnergySource {
            EnergySource::Estimated("flaky".to_owned())
        }
        fn energy(&self) -> Result<Joules, MeterError> {
            let path = PathBuf::from("/flaky");
            let fault = MeterError::Absent { path, what: "meter" };
            if self.0.load(Ordering::Relaxed) { Err(fault) } else { Ok(Joules::from_micro(1_000_000_000)) }
        }
        fn peak(&self) -> Watts {
            Watts::ZERO
        }
        fn period(&self) -> Millis {
            Millis::ZERO
        }
    }

    #[test]
    fn a_next_meter_that_failed_once_is_not_charged_from_its_beginning() {
        let next = Arc::new(Flaky::default());
        let peak = Peak { known: None, floor: Watts::ZERO };
        let meter = SupervisorMeter::new("/dev/null".to_owned(), peak, Some(Arc::clone(&next) as _)).unwrap();
        next.0.store(true, Ordering::Relaxed);
        let telemetry = Telemetry {
            number: 0,
            dropped: 0,
            at: Micros::ZERO,
            energy: Joules::ZERO,
            widened: Joules::ZERO,
            power: Watts::ZERO,
            current: Milliamps::new(0),
            voltage: Millivolts::new(0),
            temperature: Millicelsius::new(0),
            plausibility: Plausibility::default(),
            state: Stepped::Normal,
            cause: None,
            host: HostStage::Alive,
            remaining: None,
        };
        meter.told(BootNumber(1), telemetry);
        next.0.store(false, Ordering::Relaxed);
        std::thread::sleep(SILENT_AFTER * 2);
        assert!(meter.is_away());
        assert_eq!(meter.energy().unwrap(), Joules::ZERO);
    }
}
