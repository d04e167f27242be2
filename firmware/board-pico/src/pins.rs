//! The output lines and the hardware watchdog.
//!
//! Full speed and the accelerator's power are *permits*, low without a reason to be high: a board in reset lets go of its pins, and
//! resistors pull them down. The host's reset is the other way round, so that the host does not fall with the board.

use embassy_rp::Peri;
use embassy_rp::gpio::{Level, Output};
use embassy_rp::peripherals::{PIN_6, PIN_7, PIN_8};
use embassy_rp::watchdog::Watchdog;
use embassy_time::Duration;
use trimtab_app::Pins;
use trimtab_supervisor::Lines;

/// Longer than flash takes to erase a page, during which nothing else runs.
const UNFED_MAX: Duration = Duration::from_millis(1_500);

/// What the supervisor moves on this board.
pub(crate) struct Board {
    watchdog: Watchdog,
    full_speed: Output<'static>,
    accelerator: Output<'static>,
    host_reset: Output<'static>,
}

impl Board {
    /// Without permits, and with the watchdog running.
    pub(crate) fn new(
        mut watchdog: Watchdog,
        full_speed: Peri<'static, PIN_6>,
        accelerator: Peri<'static, PIN_7>,
        host_reset: Peri<'static, PIN_8>,
    ) -> Self {
        watchdog.start(UNFED_MAX);
        Self {
            watchdog,
            full_speed: Output::new(full_speed, Level::Low),
            accelerator: Output::new(accelerator, Level::Low),
            host_reset: Output::new(host_reset, Level::Low),
        }
    }
}

impl Board {
    /// Resets the board.
    pub(crate) fn reset(mut self) -> ! {
        self.watchdog.trigger_reset();
        loop {
            cortex_m::asm::nop();
        }
    }
}

impl Pins for Board {
    fn set(&mut self, lines: Lines) {
        self.full_speed.set_level((!lines.throttle).into());
        self.accelerator.set_level((!lines.cut).into());
        self.host_reset.set_level(lines.reset_host.into());
    }

    fn feed(&mut self) {
        self.watchdog.feed(UNFED_MAX);
    }
}
