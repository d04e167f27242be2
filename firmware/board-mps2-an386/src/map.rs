//! Where the devices of the AN386 image are (Arm DAI 0386, DDI 0479), and their interrupts.

use crate::register::Block;

/// Frequency of processor, timers and watchdog, in Hz.
pub(crate) const CLOCK_HZ: u32 = 25_000_000;

mod blocks {
    use super::Block;

    const fn block(address: usize) -> Block {
        #[allow(unsafe_code)] // the addresses below, once
        // SAFETY: the manuals put a device at each of them, nothing else lives in its page, and none is a bus master. Each block is
        // used by one file of this crate.
        unsafe {
            Block::at(address)
        }
    }

    /// Counts up time.
    pub(crate) const TIMER0: Block = block(0x4000_0000);
    /// Wakes the next task.
    pub(crate) const TIMER1: Block = block(0x4000_1000);
    /// The link to the host.
    pub(crate) const UART1: Block = block(0x4000_5000);
    pub(crate) const WATCHDOG: Block = block(0x4000_8000);
    /// Two lamps beside the processor.
    pub(crate) const LAMPS: Block = block(0x4002_8000);
    /// The bus of the sensors.
    pub(crate) const I2C: Block = block(0x4002_a000);
    /// Eight more lamps, at the board's edge.
    pub(crate) const EDGE: Block = block(0x4002_f000);
}
pub(crate) use blocks::{EDGE, I2C, LAMPS, TIMER0, TIMER1, UART1, WATCHDOG};

/// Interrupts by number.
pub(crate) mod interrupt {
    pub(crate) const UART1_RX: u16 = 2;
    pub(crate) const UART1_TX: u16 = 3;
    pub(crate) const TIMER0: u16 = 8;
    pub(crate) const TIMER1: u16 = 9;
}
