//! The hardware watchdog. It warns by the interrupt that cannot be masked, and resets the board after as long again.

use cortex_m_rt::exception;

use crate::fault;
use crate::map::{CLOCK_HZ, WATCHDOG};

/// From the last feeding to the warning, and from there to the reset.
const HALF_MS: u32 = 250;

const LOAD: usize = 0x0;
const CONTROL: usize = 0x8;
const FEED: usize = 0xc;
const LOCK: usize = 0xc00;
const KEY: u32 = 0x1acc_e551;
/// Warns and resets.
const ARMED: u32 = 0b11;

/// Armed; the board resets unless it is fed.
pub(crate) struct Watchdog(());

impl Watchdog {
    pub(crate) fn arm() -> Self {
        WATCHDOG.register(LOCK).write(KEY);
        WATCHDOG.register(LOAD).write(CLOCK_HZ / 1_000 * HALF_MS);
        WATCHDOG.register(CONTROL).write(ARMED);
        // Locked, so that a stray write cannot disarm it.
        WATCHDOG.register(LOCK).write(0);
        Self(())
    }

    pub(crate) fn feed(&mut self) {
        WATCHDOG.register(LOCK).write(KEY);
        WATCHDOG.register(FEED).write(1);
        WATCHDOG.register(LOCK).write(0);
    }
}

#[allow(unsafe_code)]
// how cortex-m-rt wants its handlers declared
// SAFETY: it interrupts everything and returns to nothing: what it leaves half done is never seen.
#[exception]
unsafe fn NonMaskableInt() -> ! {
    fault::starved()
}
