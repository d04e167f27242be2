//! The microcontroller as the runtime's best meter, with the next best behind it for while it is silent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use trimtab_core::{Joules, Millis, Watts};
use trimtab_turn::EnergySource;
use trimtab_wire::mcu::{BootNumber, Telemetry, Verdict};

use super::account::Account;
use super::status::word;
use super::{SILENT_AFTER, TELEMETRY_PERIOD};
use crate::meter::{Meter, MeterError, MeterHealth};

/// Where nobody says what the board draws at most, it is taken to be so many tenths of the first reading, or what the estimate
/// has for all cores at work, whichever is more.
const PEAK_TENTHS: u64 = 25;

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
        let other = self.other();
        let mut state = self.lock();
        if state.peak.known.is_none() && state.last.is_none() {
            state.peak.floor = state.peak.floor.max(telemetry.power.scaled_up(PEAK_TENTHS, 10));
        }
        let peak = state.peak.known.unwrap_or(state.peak.floor);
        if telemetry.power > peak {
            let power = telemetry.power;
            if state.above_peak.is_none() {
                tracing::warn!(meter = %state.name, "{power} was read, more than the {peak} that the board was taken to draw at most: set [energy] peak_watts");
            }
            state.above_peak = Some(format!(
                "{power} was read, more than the {peak} that the board was taken to draw at most: set [energy] peak_watts, `trimtab meter calibrate` finds it"
            ));
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

    /// The next meter's joules; as they were where it fails, and it says so itself.
    fn other(&self) -> Joules {
        self.next.as_ref().and_then(|next| next.energy().ok()).unwrap_or_default()
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
