//! The `[supervisor]` section: where the microcontroller is, and what energy it lets flow.

use std::ops::RangeInclusive;

use trimtab_core::Joules;

use super::port::PortAddress;

/// Speed of a serial port where none is configured, bits a second.
pub const BAUD: u32 = 115_200;
/// Speeds that can be configured; telemetry needs some 1,000 bytes a second.
pub const BAUD_RANGE: RangeInclusive<u32> = 19_200..=3_000_000;

/// The microcontroller beside the board.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SupervisorConfig {
    /// Where it is.
    pub port: PortAddress,
    /// Bits a second of a serial port; of no matter to USB and sockets.
    pub baud: u32,
    /// What the whole board may draw in an hour of the microcontroller's time; none: what is configured in it.
    pub hour: Option<Joules>,
    /// The same for a day.
    pub day: Option<Joules>,
}
