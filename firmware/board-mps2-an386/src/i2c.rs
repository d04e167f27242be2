//! The sensors' bus, bit by bit, because the board's controller (SBCon) is two wires in a register. Single master.

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation, SevenBitAddress};

use crate::map::{CLOCK_HZ, I2C};
use crate::register::Register;

/// As fast as both sensors go, in Hz.
const BUS_HZ: u32 = 400_000;
const HALF_BIT_CYCLES: u32 = CLOCK_HZ / BUS_HZ / 2;
/// How often a held clock is looked at before the bus counts as stuck: 25 ms, the SMBus time-out.
const STRETCH_LOOKS_MAX: u32 = CLOCK_HZ / 40 / HALF_BIT_CYCLES;

/// Reads the wires; a one written lets a wire go up.
const UP: Register = I2C.register(0x0);
/// A one written pulls a wire down.
const DOWN: Register = I2C.register(0x4);
const CLOCK: u32 = 1 << 0;
const DATA: u32 = 1 << 1;

/// Takes part in the address byte: the controller wants to read.
const READ: u8 = 1;

/// The bus, idle between transactions.
pub(crate) struct Bus(());

impl Bus {
    /// Takes the bus, freed of whoever still holds it from before a reset.
    pub(crate) fn start() -> Self {
        let mut bus = Self(());
        UP.write(CLOCK | DATA);
        // A target that was cut off in mid-byte lets go after nine clocks at most.
        for _ in 0..9 {
            DOWN.write(CLOCK);
            half_bit();
            UP.write(CLOCK);
            half_bit();
        }
        bus.stop();
        bus
    }

    fn begin(&mut self) -> Result<(), ErrorKind> {
        UP.write(DATA);
        half_bit();
        self.clock_up()?;
        DOWN.write(DATA);
        half_bit();
        DOWN.write(CLOCK);
        half_bit();
        Ok(())
    }

    fn stop(&mut self) {
        DOWN.write(DATA);
        half_bit();
        UP.write(CLOCK);
        half_bit();
        UP.write(DATA);
        half_bit();
    }

    fn clock_up(&mut self) -> Result<(), ErrorKind> {
        UP.write(CLOCK);
        half_bit();
        let mut looks = 0;
        while UP.read() & CLOCK == 0 {
            looks += 1;
            if looks > STRETCH_LOOKS_MAX {
                return Err(ErrorKind::Bus);
            }
            half_bit();
        }
        Ok(())
    }

    /// Puts one bit on the wire and returns what the wire was while the clock was up.
    fn bit(&mut self, up: bool) -> Result<bool, ErrorKind> {
        if up {
            UP.write(DATA);
        } else {
            DOWN.write(DATA);
        }
        half_bit();
        self.clock_up()?;
        let seen = UP.read() & DATA != 0;
        DOWN.write(CLOCK);
        half_bit();
        Ok(seen)
    }

    fn send(&mut self, byte: u8, source: NoAcknowledgeSource) -> Result<(), ErrorKind> {
        for place in (0..8).rev() {
            self.bit(byte >> place & 1 != 0)?;
        }
        // The target pulls the wire down to say that it took the byte.
        if self.bit(true)? { Err(ErrorKind::NoAcknowledge(source)) } else { Ok(()) }
    }

    fn receive(&mut self, last: bool) -> Result<u8, ErrorKind> {
        let mut byte = 0;
        for _ in 0..8 {
            byte = byte << 1 | u8::from(self.bit(true)?);
        }
        self.bit(last)?;
        Ok(byte)
    }

    fn run(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        let mut reading = None;
        let count = operations.len();
        for index in 0..count {
            let wants_read = operations.get(index).is_some_and(is_read);
            let more = operations.get(index + 1).is_some_and(is_read);
            if reading != Some(wants_read) {
                self.begin()?;
                self.send(address << 1 | if wants_read { READ } else { 0 }, NoAcknowledgeSource::Address)?;
                reading = Some(wants_read);
            }
            match operations.get_mut(index) {
                Some(Operation::Write(bytes)) => {
                    for byte in bytes.iter() {
                        self.send(*byte, NoAcknowledgeSource::Data)?;
                    }
                }
                Some(Operation::Read(into)) => {
                    let end = into.len();
                    for (place, byte) in into.iter_mut().enumerate() {
                        *byte = self.receive(place + 1 == end && !more)?;
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn is_read(operation: &Operation<'_>) -> bool {
    matches!(operation, Operation::Read(_))
}

fn half_bit() {
    cortex_m::asm::delay(HALF_BIT_CYCLES);
}

impl ErrorType for Bus {
    type Error = ErrorKind;
}

impl I2c<SevenBitAddress> for Bus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        let done = self.run(address, operations);
        self.stop();
        done
    }
}
