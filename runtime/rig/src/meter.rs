//! The device's meter in a process that it shares with its cloud, and in time that partly is skipped.

use crate::pace::ShapedClock;
use std::path::Path;
use std::sync::Arc;
use trimtab_core::{Joules, Millis, Watts};
use trimtab_device::meter::{Counters, CpuTime, EnergyConfig, Estimate, Meter, MeterError};
use trimtab_turn::EnergySource;

/// An estimate of the device's own threads, bytes and time: skipped time draws the idle power as if it had been waited.
pub(crate) struct ShapedMeter {
    estimate: Estimate,
    idle: Watts,
    clock: ShapedClock,
}

impl ShapedMeter {
    /// A meter, and the counters that the device adds to.
    pub(crate) fn new(config: &EnergyConfig, clock: ShapedClock) -> Result<(Arc<Self>, Counters), MeterError> {
        let counters = Counters { cpu: CpuTime::threads(), ..Counters::default() };
        let estimate = Estimate::new(config, counters.clone(), Path::new("/proc"))?;
        Ok((Arc::new(Self { estimate, idle: config.idle(), clock }), counters))
    }
}

impl Meter for ShapedMeter {
    fn source(&self) -> EnergySource {
        self.estimate.source()
    }
    fn energy(&self) -> Result<Joules, MeterError> {
        let skipped = Joules::of(self.idle, Millis::from_duration(self.clock.skipped()));
        Ok(self.estimate.energy()?.plus(skipped))
    }
    fn peak(&self) -> Watts {
        self.estimate.peak()
    }
    fn period(&self) -> Millis {
        self.estimate.period()
    }
}
