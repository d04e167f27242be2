//! Interrupts by number: which are let through, and who serves them.

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;

use crate::map::interrupt;
use crate::{fault, outside, serial, time};

/// Interrupts of the board.
const INTERRUPTS: usize = 32;

#[allow(unsafe_code)] // the start-up code's own handler
// SAFETY: it is a function of this signature, below.
unsafe extern "C" {
    fn DefaultHandler();
}

#[allow(unsafe_code)] // the place where the processor looks for handlers
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [unsafe extern "C" fn(); INTERRUPTS] = [DefaultHandler; INTERRUPTS];

#[derive(Clone, Copy)]
struct Number(u16);

#[allow(unsafe_code)] // the trait asks for it
// SAFETY: `unmask` is called with the numbers of `map::interrupt` alone, which the board has and which never change.
unsafe impl InterruptNumber for Number {
    fn number(self) -> u16 {
        self.0
    }
}

pub(crate) fn unmask(number: u16) {
    #[allow(unsafe_code)] // the crate's interface
    // SAFETY: no critical section relies on a masked interrupt: they all close every interrupt.
    unsafe {
        NVIC::unmask(Number(number));
    }
}

#[allow(unsafe_code)]
// how cortex-m-rt wants its handlers declared
// SAFETY: what it calls is safe code, and shares its state under critical sections.
#[exception]
unsafe fn DefaultHandler(number: i16) {
    outside::interrupted();
    match u16::try_from(number) {
        Ok(interrupt::UART1_RX) => serial::on_received(),
        Ok(interrupt::UART1_TX) => serial::on_sent(),
        Ok(interrupt::TIMER0) => time::on_wrap(),
        Ok(interrupt::TIMER1) => time::on_alarm(),
        _ => fault::unexpected_interrupt(),
    }
}
