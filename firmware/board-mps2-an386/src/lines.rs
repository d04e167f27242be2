//! The output lines, as lamps of the board.
//!
//! Full speed and the accelerator's power are *permits*: a board that is without power, in reset or panicking gives none. The
//! host's reset is the other way round, so that the host does not fall with the board.
//!
//! | Line | Address, bit | On means |
//! |---|---|---|
//! | full speed | 0x40028000, 0 | the host need not slow down |
//! | accelerator | 0x40028000, 1 | the accelerator has power |
//! | host reset | 0x4002f004, 0 | the host is held in reset |

use trimtab_app::Pins;
use trimtab_supervisor::Lines;

use crate::map::{EDGE, LAMPS};
use crate::register::Register;
use crate::watchdog::Watchdog;

const PERMITS: Register = LAMPS.register(0x0);
const RESETS: Register = EDGE.register(0x4);

const FULL_SPEED: u32 = 1 << 0;
const ACCELERATOR: u32 = 1 << 1;
const HOST: u32 = 1 << 0;

/// Sets the lines, permits first.
pub(crate) fn put(lines: Lines) {
    let bit = |on: bool, bit: u32| if on { bit } else { 0 };
    PERMITS.write(bit(!lines.throttle, FULL_SPEED) | bit(!lines.cut, ACCELERATOR));
    RESETS.write(bit(lines.reset_host, HOST));
}

/// What the supervisor moves on this board.
pub(crate) struct Board(Watchdog);

impl Board {
    pub(crate) fn new(watchdog: Watchdog) -> Self {
        Self(watchdog)
    }
}

impl Pins for Board {
    fn set(&mut self, lines: Lines) {
        put(lines);
    }

    fn feed(&mut self) {
        self.0.feed();
    }
}
