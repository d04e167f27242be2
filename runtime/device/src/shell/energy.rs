//! Reads the meter so that a reading never fails: while it does, the most that could be drawn counts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use trimtab_core::{Joules, Millis, Watts};
use trimtab_turn::EnergySource;

use crate::meter::Meter;

/// The device's joules, from its start.
pub(super) struct EnergyReader {
    meter: Option<Arc<dyn Meter>>,
    last: Mutex<Reading>,
}

struct Reading {
    total: Joules,
    at: Instant,
    /// What was added while the meter failed; it is never taken back.
    assumed: Joules,
}

impl EnergyReader {
    pub(super) fn new(meter: Option<Arc<dyn Meter>>) -> Self {
        let last = Mutex::new(Reading { total: Joules::ZERO, at: Instant::now(), assumed: Joules::ZERO });
        Self { meter, last }
    }

    pub(super) fn source(&self) -> EnergySource {
        self.meter.as_ref().map_or(EnergySource::Unknown, |meter| meter.source())
    }

    pub(super) const fn is_known(&self) -> bool {
        self.meter.is_some()
    }

    pub(super) fn peak(&self) -> Watts {
        self.meter.as_ref().map_or(Watts::ZERO, |meter| meter.peak())
    }

    pub(super) fn period(&self) -> Millis {
        self.meter.as_ref().map_or(Millis::ZERO, |meter| meter.period())
    }

    /// Joules so far; zero without a meter.
    pub(super) fn now(&self) -> Joules {
        let Some(meter) = &self.meter else { return Joules::ZERO };
        let reading = meter.energy();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match reading {
            Ok(energy) => last.total = last.total.max(energy.plus(last.assumed)),
            Err(fault) => {
                tracing::warn!(fault = %crate::fault_text(&fault), "the energy meter failed: peak power counts until it is back");
                let assumed = Joules::of(meter.peak(), Millis::from_duration(last.at.elapsed()));
                last.assumed = last.assumed.plus(assumed);
                last.total = last.total.plus(assumed);
            }
        }
        last.at = Instant::now();
        last.total
    }
}
