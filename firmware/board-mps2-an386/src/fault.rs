//! What happens when the program cannot go on: the outputs go to Safe, the reason is kept, the board resets.

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};

use trimtab_supervisor::Lines;

use crate::{kept, lines};

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

/// An interrupt that nobody asked for.
pub(crate) fn unexpected_interrupt() -> ! {
    fail()
}

fn fail() -> ! {
    cortex_m::interrupt::disable();
    lines::put(Lines::SAFE);
    kept::failed();
    SCB::sys_reset()
}

/// The watchdog warns: it was not fed, and resets the board soon.
pub(crate) fn starved() -> ! {
    cortex_m::interrupt::disable();
    lines::put(Lines::SAFE);
    kept::starved();
    loop {
        cortex_m::asm::nop();
    }
}
