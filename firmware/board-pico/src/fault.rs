//! What happens when the program cannot go on, and what is left of that at the next start.

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};
use embassy_rp::Peripherals;
use embassy_rp::clocks::RoscRng;
use embassy_rp::watchdog::{ResetReason, Watchdog};
use trimtab_app::Pins;
use trimtab_supervisor::Lines;
use trimtab_supervisor::wire::ResetCause;

use crate::pins::Board;

/// A word that the watchdog keeps across its resets.
const MARK: usize = 0;
const FAILED: u32 = 0x5274_6d03;

/// What started the program.
pub(crate) fn cause(watchdog: &mut Watchdog) -> ResetCause {
    let failed = watchdog.get_scratch(MARK) == FAILED;
    watchdog.set_scratch(MARK, 0);
    match watchdog.reset_reason() {
        Some(ResetReason::Forced) if failed => ResetCause::Panic,
        Some(ResetReason::Forced) => ResetCause::Software,
        Some(ResetReason::TimedOut) => ResetCause::Watchdog,
        None => ResetCause::Power,
    }
}

/// From the oscillator that drifts.
pub(crate) fn entropy() -> [u8; 16] {
    let mut bytes = [0; 16];
    RoscRng.fill_bytes(&mut bytes);
    bytes
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    fail()
}

#[allow(unsafe_code)]
// how cortex-m-rt wants its handlers declared
// SAFETY: it interrupts everything and returns to nothing: what it leaves half done is never seen.
#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    fail()
}

/// The outputs go to Safe, the reason is kept, the board resets.
fn fail() -> ! {
    cortex_m::interrupt::disable();
    #[allow(unsafe_code)] // devices that belong to tasks which will never run again
    // SAFETY: interrupts are off and this never returns, so nobody else uses them any more.
    let parts = unsafe { Peripherals::steal() };
    let mut watchdog = Watchdog::new(parts.WATCHDOG);
    watchdog.set_scratch(MARK, FAILED);
    let mut board = Board::new(watchdog, parts.PIN_6, parts.PIN_7, parts.PIN_8);
    board.set(Lines::SAFE);
    board.reset()
}
