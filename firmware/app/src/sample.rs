//! Reads the sensors, evenly.

use core::sync::atomic::Ordering;

use embassy_time::{Duration, Instant, Timer};
use trimtab_supervisor::Sample;
use trimtab_supervisor::wire::Config;

use crate::{Sensors, Shared};

pub(crate) const DEFAULT_PERIOD_MS: u32 = Config::DEFAULT.sample_period.get() as u32;

/// Reads the sensors once in a sampling period, for ever. What was missed while somebody held us up is not made up for.
pub async fn sample(mut sensors: impl Sensors, shared: &Shared) -> ! {
    let mut due = Instant::now();
    loop {
        let at = Instant::now();
        let reading = sensors.read().await;
        let sample = Sample {
            // The low half, which wraps round.
            at: at.as_micros() as u32,
            current: reading.current,
            voltage: reading.voltage,
            temperature: reading.temperature,
        };
        shared.samples.send(sample).await;
        let period = Duration::from_millis(u64::from(shared.period_ms.load(Ordering::Relaxed).max(1)));
        due = due.saturating_add(period).max(Instant::now());
        Timer::at(due).await;
    }
}
