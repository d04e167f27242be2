//! Reads the meter so that a reading never fails: while it does, the most that could be drawn counts. Keeps the book of what
//! the joules went to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trimtab_core::{Joules, Millis, Watts};
use trimtab_turn::EnergySource;

use super::{Inner, lock, stopped};
use crate::meter::{EnergyBook, Meter, SpanEnergy, SpanId};
use crate::operator::source_name;

/// How often the meter is looked at while nothing is asked, so that the idle power is known.
const IDLE_LOOK: Duration = Duration::from_secs(1);

/// The device's joules, from its start.
pub(super) struct EnergyReader {
    meter: Option<Arc<dyn Meter>>,
    /// Better meters, and why they did not do.
    passed_over: Vec<String>,
    start: Instant,
    last: Mutex<Reading>,
}

struct Reading {
    total: Joules,
    at: Instant,
    /// What was added while the meter failed; it is never taken back.
    assumed: Joules,
    faults: u64,
    trouble: Option<String>,
    book: EnergyBook,
}

/// Work whose energy is told apart; it ends when this is closed or dropped.
pub(super) struct Span<'a> {
    reader: &'a EnergyReader,
    id: Option<SpanId>,
}

impl EnergyReader {
    pub(super) fn new(meter: Option<Arc<dyn Meter>>, passed_over: Vec<String>) -> Self {
        let reading = Reading {
            total: Joules::ZERO,
            at: Instant::now(),
            assumed: Joules::ZERO,
            faults: 0,
            trouble: None,
            book: EnergyBook::default(),
        };
        Self { meter, passed_over, start: Instant::now(), last: Mutex::new(reading) }
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
        self.read().total
    }

    /// Begins to tell work apart.
    pub(super) fn span(&self) -> Span<'_> {
        let mut reading = self.read();
        let total = reading.total;
        let id = reading.book.open(self.start.elapsed(), total);
        Span { reader: self, id: Some(id) }
    }

    /// Everything that is known, for people and programs.
    pub(super) fn status(&self) -> Value {
        let health = self.meter.as_ref().map(|meter| meter.health()).unwrap_or_default();
        let power = self.meter.as_ref().and_then(|meter| meter.power());
        let reading = self.read();
        let warnings: Vec<String> = [health.stuck, health.above_peak].into_iter().flatten().collect();
        json!({
            "uj": reading.total.micro(),
            "source": source_name(&self.source()),
            "power_uw": power.map(Watts::micro),
            "peak_uw": self.peak().micro(),
            "idle_uj": reading.book.idle().micro(),
            "idle_uw": reading.book.baseline().map(Watts::micro),
            "assumed_uj": reading.assumed.plus(health.assumed).micro(),
            "meter_faults": reading.faults.saturating_add(health.faults),
            "trouble": reading.trouble.clone().or(health.trouble),
            "warnings": warnings,
            "passed_over": self.passed_over,
        })
    }

    /// Reads the meter and books what it says.
    fn read(&self) -> MutexGuard<'_, Reading> {
        let energy = self.meter.as_ref().map(|meter| meter.energy());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (&self.meter, energy) {
            (Some(_), Some(Ok(energy))) => {
                last.total = last.total.max(energy.plus(last.assumed));
                if last.trouble.take().is_some() {
                    tracing::info!("the energy meter is back");
                }
            }
            (Some(meter), Some(Err(fault))) => {
                let text = crate::fault_text(&fault);
                if last.trouble.as_ref() != Some(&text) {
                    tracing::warn!(fault = %text, "the energy meter failed: peak power counts until it is back");
                    last.trouble = Some(text);
                }
                let assumed = Joules::of(meter.peak(), Millis::from_duration(last.at.elapsed()));
                last.faults = last.faults.saturating_add(1);
                last.assumed = last.assumed.plus(assumed);
                last.total = last.total.plus(assumed);
            }
            (None, _) | (_, None) => {}
        }
        last.at = Instant::now();
        let total = last.total;
        last.book.look(self.start.elapsed(), total);
        last
    }
}

impl Span<'_> {
    /// Ends it, and says what it took.
    pub(super) fn close(mut self) -> SpanEnergy {
        self.end()
    }

    fn end(&mut self) -> SpanEnergy {
        let Some(id) = self.id.take() else { return SpanEnergy::default() };
        let mut reading = self.reader.read();
        let total = reading.total;
        reading.book.close(self.reader.start.elapsed(), total, id)
    }
}

impl Drop for Span<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Looks at the meter while nothing is asked, until the device stops.
pub(super) async fn follow(inner: Arc<Inner>) {
    let mut stop = inner.stop.subscribe();
    let mut look = tokio::time::interval(IDLE_LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = stopped(&mut stop) => return,
        }
        inner.energy.now();
        // Guards are made of it.
        let peak = inner.energy.peak();
        lock(&inner.governor).raise_peak(peak);
    }
}
