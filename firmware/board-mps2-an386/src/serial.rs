//! The link's serial port: interrupts move bytes between the port and two pipes, tasks read and write the pipes.

use core::convert::Infallible;
use core::sync::atomic::{AtomicU32, Ordering};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
#[cfg(not(feature = "course"))]
use embedded_io_async::Read;
use embedded_io_async::{ErrorType, Write};

use crate::map::{CLOCK_HZ, UART1, interrupt};
use crate::nvic;
use crate::register::Register;

/// Bits per second.
const BAUD: u32 = 115_200;
/// Bytes from the host that wait to be read: 44 ms of a full line.
const RECEIVED_BYTES_MAX: usize = 512;
/// Bytes that wait for the line.
const SENDING_BYTES_MAX: usize = 256;

const DATA: Register = UART1.register(0x0);
const STATE: Register = UART1.register(0x4);
const CONTROL: Register = UART1.register(0x8);
/// Reads which interrupts are asked for; a one written clears it.
const ASKED: Register = UART1.register(0xc);
const DIVIDER: Register = UART1.register(0x10);

const SEND_FULL: u32 = 1 << 0;
const RECEIVE_FULL: u32 = 1 << 1;
const RECEIVED: u32 = 1 << 1;
const SENT: u32 = 1 << 0;
/// Both directions, an interrupt for each.
const ENABLED: u32 = 0b1111;

static FROM_HOST: Pipe<CriticalSectionRawMutex, RECEIVED_BYTES_MAX> = Pipe::new();
static TO_HOST: Pipe<CriticalSectionRawMutex, SENDING_BYTES_MAX> = Pipe::new();
static OVERRUN: AtomicU32 = AtomicU32::new(0);

/// Opens the port.
pub(crate) fn start() {
    DIVIDER.write(CLOCK_HZ / BAUD);
    CONTROL.write(ENABLED);
    nvic::unmask(interrupt::UART1_RX);
    nvic::unmask(interrupt::UART1_TX);
}

/// To be called at the port's interrupt for what it received.
pub(crate) fn on_received() {
    ASKED.write(RECEIVED);
    while STATE.read() & RECEIVE_FULL != 0 {
        let [byte, ..] = DATA.read().to_le_bytes();
        if FROM_HOST.try_write(&[byte]).is_err() {
            critical_section::with(|_| {
                OVERRUN.store(OVERRUN.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
            });
        }
    }
}

/// To be called at the port's interrupt for what it sent.
pub(crate) fn on_sent() {
    ASKED.write(SENT);
    send_waiting();
}

fn send_waiting() {
    critical_section::with(|_| {
        let mut byte = [0];
        while STATE.read() & SEND_FULL == 0 && TO_HOST.try_read(&mut byte).is_ok() {
            DATA.write(u32::from(byte[0]));
        }
    });
}

/// The host's bytes.
#[cfg(not(feature = "course"))]
pub(crate) struct FromHost;

/// The way to the host.
pub(crate) struct ToHost;

#[cfg(not(feature = "course"))]
impl ErrorType for FromHost {
    type Error = Infallible;
}

#[cfg(not(feature = "course"))]
impl Read for FromHost {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        Ok(FROM_HOST.read(into).await)
    }
}

impl ErrorType for ToHost {
    type Error = Infallible;
}

impl Write for ToHost {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let taken = TO_HOST.write(bytes).await;
        send_waiting();
        Ok(taken)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
