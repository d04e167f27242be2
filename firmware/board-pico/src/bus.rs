//! The sensors' bus, where no wait is for ever: a part that holds the bus is a sensor that does not answer, and the board goes on.
//!
//! The library sets the controller up; its own transfers would wait until whoever holds the bus lets go.

use embassy_rp::Peri;
use embassy_rp::i2c::{Config, I2c};
use embassy_rp::pac::I2C0 as CONTROLLER;
use embassy_rp::peripherals::{I2C0, PIN_4, PIN_5};
use embassy_time::{Duration, Instant};
use embedded_hal::i2c::{Error, ErrorKind, ErrorType, NoAcknowledgeSource, Operation};

const BUS_HZ: u32 = 400_000;
/// For a whole transfer, which takes an eighth of a millisecond where nobody holds the bus.
const TRANSFER_MAX: Duration = Duration::from_millis(1);

/// The bus.
pub(crate) struct Bus {
    controller: Peri<'static, I2C0>,
    clock: Peri<'static, PIN_5>,
    data: Peri<'static, PIN_4>,
}

/// Why nothing was transferred.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nobody has the address, or whoever has it refused, or the bus is not this board's.
    Refused,
    /// The bus was held for too long.
    Held,
}

impl Bus {
    pub(crate) fn new(
        controller: Peri<'static, I2C0>,
        clock: Peri<'static, PIN_5>,
        data: Peri<'static, PIN_4>,
    ) -> Self {
        let mut bus = Self { controller, clock, data };
        bus.reset();
        bus
    }

    /// Sets the controller up anew, whatever it waits for.
    fn reset(&mut self) {
        let mut config = Config::default();
        config.frequency = BUS_HZ;
        let _ready = I2c::new_blocking(self.controller.reborrow(), self.clock.reborrow(), self.data.reborrow(), config);
    }
}

/// Waits until it is so, or the transfer ended early, or has taken too long.
fn until(due: Instant, so: impl Fn() -> bool) -> Result<(), Fault> {
    loop {
        if CONTROLLER.ic_raw_intr_stat().read().tx_abrt() {
            return Err(Fault::Refused);
        }
        if so() {
            return Ok(());
        }
        if Instant::now() > due {
            return Err(Fault::Held);
        }
    }
}

/// Moves the bytes of all operations, as one transfer.
fn transfer(address: u8, operations: &mut [Operation<'_>]) -> Result<(), Fault> {
    let due = Instant::now().saturating_add(TRANSFER_MAX);
    CONTROLLER.ic_enable().write(|it| it.set_enable(false));
    CONTROLLER.ic_tar().write(|it| it.set_ic_tar(u16::from(address)));
    CONTROLLER.ic_enable().write(|it| it.set_enable(true));
    let mut left: usize = operations.iter().map(bytes).sum();
    let mut before = None;
    for operation in operations {
        let mut command = |read: bool, byte: u8| {
            left = left.saturating_sub(1);
            CONTROLLER.ic_data_cmd().write(|it| {
                it.set_cmd(read);
                it.set_dat(byte);
                // Where the direction changes.
                it.set_restart(before == Some(!read));
                it.set_stop(left == 0);
            });
            before = Some(read);
        };
        match operation {
            Operation::Write(bytes) => {
                for byte in *bytes {
                    command(false, *byte);
                    until(due, || CONTROLLER.ic_raw_intr_stat().read().tx_empty())?;
                }
            }
            Operation::Read(bytes) => {
                for byte in bytes.iter_mut() {
                    command(true, 0);
                    until(due, || CONTROLLER.ic_rxflr().read().rxflr() != 0)?;
                    *byte = CONTROLLER.ic_data_cmd().read().dat();
                }
            }
        }
    }
    until(due, || !CONTROLLER.ic_status().read().mst_activity())
}

fn bytes(operation: &Operation<'_>) -> usize {
    match operation {
        Operation::Read(bytes) => bytes.len(),
        Operation::Write(bytes) => bytes.len(),
    }
}

impl Error for Fault {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown),
            Self::Held => ErrorKind::Bus,
        }
    }
}

impl ErrorType for Bus {
    type Error = Fault;
}

impl embedded_hal::i2c::I2c for Bus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Fault> {
        let moved = transfer(address, operations);
        if moved.is_err() {
            self.reset();
        }
        moved
    }
}
