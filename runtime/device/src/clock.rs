//! Active time: milliseconds since the ledger was created, standing still while the device is off.
//!
//! Budget windows are cut by this clock, so a power cut or a changed wall clock never ends one early.

use std::time::Instant;
use trimtab_core::Millis;

/// Tells active time; it never runs backwards.
pub trait Clock: Send + Sync {
    /// Active time now.
    fn now(&self) -> Millis;
}

/// The device's own clock: the ledger's last stamp plus the monotonic time since the start. On Linux that time stands
/// still during suspend.
#[derive(Debug)]
pub struct ActiveClock {
    base: Millis,
    start: Instant,
}

impl ActiveClock {
    /// Goes on from `base`, the newest stamp that the ledger knows.
    #[must_use]
    pub fn new(base: Millis) -> Self {
        Self { base, start: Instant::now() }
    }
}

impl Clock for ActiveClock {
    fn now(&self) -> Millis {
        // Rounded up, so that an instant that was written before is never later than one that is read now.
        self.base.plus(Millis::from_duration(self.start.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_from_its_base_and_never_back() {
        let clock = ActiveClock::new(Millis::new(5_000));
        let first = clock.now();
        assert!(first >= Millis::new(5_000) && first < Millis::new(15_000));
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(clock.now() > first);
    }
}
