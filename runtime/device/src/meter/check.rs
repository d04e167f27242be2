//! Whether what a sensor says can be the draw of a running board.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use trimtab_core::Watts;

use super::MeterError;

/// No board that runs this program draws less.
pub const POWER_MIN: Watts = Watts::from_milli(20);
/// No board draws more, unless the configuration says what it draws at most.
pub const POWER_MAX: Watts = Watts::from_milli(1_000_000);
/// As many times what the configuration calls the most is taken for a wrong unit.
const OVER_PEAK: u64 = 4;

/// Processors of this process that count as resting, and as working.
const LOAD: (f64, f64) = (0.1, 0.7);
/// A value that stays the same to the last digit for as long while resting, and for as long while working, is stuck.
const STUCK_FOR: Duration = Duration::from_secs(15);
/// And for as many readings.
const STUCK_SAMPLES: u32 = 30;

/// What a reading must lie in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plausible {
    high: Watts,
}

impl Plausible {
    pub(super) fn new(peak: Option<Watts>) -> Self {
        Self { high: peak.map_or(POWER_MAX, |peak| peak.times(OVER_PEAK).min(POWER_MAX)) }
    }

    pub(super) fn check(self, name: &str, power: Watts) -> Result<Watts, MeterError> {
        if (POWER_MIN..=self.high).contains(&power) {
            return Ok(power);
        }
        Err(MeterError::Implausible { name: name.to_owned(), power, low: POWER_MIN, high: self.high })
    }
}

/// Notices a sensor that tells the same value whatever the processor does. A board at rest may well read the same for hours,
/// so both rest and work must have been seen without a change of a single unit.
#[derive(Clone, Debug, Default)]
pub struct StuckWatch {
    value: Option<Watts>,
    samples: u32,
    at: Duration,
    resting: Duration,
    working: Duration,
}

impl StuckWatch {
    /// Takes a reading and how many processors this process used since the last one. Whether it is stuck.
    pub fn see(&mut self, at: Duration, power: Watts, load: f64) -> bool {
        let span = at.saturating_sub(self.at);
        self.at = at;
        if self.value != Some(power) {
            *self = Self { value: Some(power), at, ..Self::default() };
            return false;
        }
        self.samples = self.samples.saturating_add(1);
        if load <= LOAD.0 {
            self.resting = self.resting.saturating_add(span);
        } else if load >= LOAD.1 {
            self.working = self.working.saturating_add(span);
        }
        self.samples >= STUCK_SAMPLES && self.resting >= STUCK_FOR && self.working >= STUCK_FOR
    }
}

/// Processors that this process uses.
#[derive(Debug)]
pub(super) struct Load {
    at: Duration,
    used: Duration,
}

impl Load {
    pub(super) fn new() -> Self {
        Self { at: Duration::ZERO, used: process_time() }
    }

    /// Since the last call.
    pub(super) fn since(&mut self, at: Duration) -> f64 {
        let used = process_time();
        let (span, worked) = (at.saturating_sub(self.at), used.saturating_sub(self.used));
        (self.at, self.used) = (at, used);
        if span.is_zero() { 0.0 } else { worked.as_secs_f64() / span.as_secs_f64() }
    }
}

fn process_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Where nobody says what the board draws at most, it is taken to be so many tenths of the first reading, or what the estimate
/// has for all cores at work, whichever is more.
const PEAK_TENTHS: u64 = 25;

/// The most that a board is taken to draw whose first reading this is.
pub(crate) fn peak_from(first: Watts, floor: Watts) -> Watts {
    first.scaled_up(PEAK_TENTHS, 10).max(floor)
}

/// What is said where more was read than the board was taken to draw.
pub(crate) fn above_peak(power: Watts, peak: Watts) -> String {
    format!(
        "{power} was read, more than the {peak} that the board was taken to draw at most: set [energy] peak_watts, `trimtab meter calibrate` finds it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_unit_is_told_and_a_board_is_not() {
        let any = Plausible::new(None);
        for watts in [400, 2_700, 60_000] {
            assert!(any.check("hwmon x", Watts::from_milli(watts)).is_ok());
        }
        // Milliwatts that are taken for microwatts, and microwatts that are taken for milliwatts.
        let error = any.check("hwmon x/1", Watts::from_micro(6_000)).unwrap_err().to_string();
        assert!(error.contains("hwmon x/1: 0.006 W") && error.contains("wrong unit"), "{error}");
        assert!(any.check("hwmon x", Watts::from_milli(6_000_000)).is_err());
        assert!(any.check("hwmon x", Watts::ZERO).is_err());
        let known = Plausible::new(Some(Watts::from_milli(12_000)));
        assert!(known.check("hwmon x", Watts::from_milli(40_000)).is_ok());
        assert!(known.check("hwmon x", Watts::from_milli(60_000)).is_err());
    }

    #[test]
    fn only_a_value_that_ignores_the_load_is_stuck() {
        let second = Duration::from_secs(1);
        let run = |value: &dyn Fn(u32) -> u64, load: &dyn Fn(u32) -> f64| {
            let mut watch = StuckWatch::default();
            (0..600).any(|n| watch.see(second * n, Watts::from_milli(value(n)), load(n)))
        };
        let works = |n: u32| f64::from(n % 40 / 20);
        assert!(run(&|_| 3_000, &works));
        assert!(!run(&|_| 3_000, &|_| 0.0), "a board at rest");
        assert!(!run(&|_| 3_000, &|_| 1.5), "a board that always works");
        assert!(!run(&|n| 3_000 + u64::from(n % 10 / 9), &works), "a value that moves by a unit now and then");
    }
}
