//! Interrupts by number: which are let through, and who serves them.

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;

use crate::map::interrupt;
use crate::{fault, serial, time};

#[derive(Clone, Copy)]
struct Number(u16);

// SAFETY: `unmask` is called with the numbers of `map::interrupt` alone, which the board has and which never change.
#[allow(unsafe_code)] // the trait asks for it
unsafe impl InterruptNumber for Number {
    fn number(self) -> u16 {
        self.0
    }
}

pub(crate) fn unmask(number: u16) {
    // SAFETY: no critical section relies on a masked interrupt: they all close every interrupt.
    #[allow(unsafe_code)] // the crate's interface
    unsafe {
        NVIC::unmask(Number(number));
    }
}

// SAFETY: what it calls is safe code, and shares its state under critical sections.
#[allow(unsafe_code)] // how cortex-m-rt wants its handlers declared
#[exception]
unsafe fn DefaultHandler(number: i16) {
    match u16::try_from(number) {
        Ok(interrupt::UART1_RX) => serial::on_received(),
        Ok(interrupt::UART1_TX) => serial::on_sent(),
        Ok(interrupt::TIMER0) => time::on_wrap(),
        Ok(interrupt::TIMER1) => time::on_alarm(),
        _ => fault::unexpected_interrupt(),
    }
}
