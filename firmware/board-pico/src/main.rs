//! The supervisor on a Raspberry Pi Pico. `firmware/README.md` has the pins and how it is flashed.
#![no_std]
#![no_main]

mod bus;
mod fault;
mod memory;
mod pins;
mod sensors;
mod storage;

use embassy_executor::Spawner;
use embassy_rp::bind_interrupts;
use embassy_rp::peripherals::UART0;
use embassy_rp::uart::{self, BufferedInterruptHandler, BufferedUart, BufferedUartRx, BufferedUartTx};
use embassy_rp::watchdog::Watchdog;
use static_cell::StaticCell;
use trimtab_app::{Pins, Shared};
use trimtab_store::Store;
use trimtab_supervisor::wire::FirmwareVersion;
use trimtab_supervisor::{Boot, Lines, Memory, Supervisor};

use bus::Bus;
use pins::Board;
use sensors::OnBoard;
use storage::Flash;

const NAME: &str = "pico";
const FIRMWARE: FirmwareVersion = FirmwareVersion { major: 0, minor: 1, patch: 0 };
/// Bits per second on the link.
const BAUD: u32 = 115_200;
/// Bytes that wait in either direction.
const SERIAL_BYTES_MAX: usize = 512;

bind_interrupts!(struct Interrupts {
    UART0_IRQ => BufferedInterruptHandler<UART0>;
});

static SHARED: Shared = Shared::new();

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let parts = embassy_rp::init(embassy_rp::config::Config::default());
    let mut watchdog = Watchdog::new(parts.WATCHDOG);
    let reset = fault::cause(&mut watchdog);
    let mut pins = Board::new(watchdog, parts.PIN_6, parts.PIN_7, parts.PIN_8);
    pins.set(Lines::SAFE);

    let mut flash = Flash::new(parts.FLASH);
    let key = flash.key();
    let (Some(memory), Ok(mut store)) = (memory::lend(), Store::new(flash, storage::RANGE)) else {
        // Without them nothing below could run; the watchdog starts the board anew.
        return;
    };
    let stored = store.load().await;
    let boot = Boot { name: NAME, firmware: FIRMWARE, reset, entropy: fault::entropy(), key, stored };

    static BUFFERS: StaticCell<[[u8; SERIAL_BYTES_MAX]; 2]> = StaticCell::new();
    let [sending, received] = BUFFERS.init([[0; SERIAL_BYTES_MAX]; 2]);
    let mut config = uart::Config::default();
    config.baudrate = BAUD;
    let port = BufferedUart::new(parts.UART0, parts.PIN_0, parts.PIN_1, Interrupts, sending, received, config);
    let (to_host, from_host) = port.split();

    let sensors = OnBoard(Bus::new(parts.I2C0, parts.PIN_5, parts.PIN_4));
    let tasks = (supervise(memory, boot, from_host, to_host, pins), sample(sensors), keep(store));
    if let (Ok(supervise), Ok(sample), Ok(keep)) = tasks {
        spawner.spawn(supervise);
        spawner.spawn(sample);
        spawner.spawn(keep);
    }
}

/// The supervisor is made within the task that holds it, not on the stack.
#[embassy_executor::task]
async fn supervise(
    memory: &'static mut Memory,
    boot: Boot<'static>,
    from_host: BufferedUartRx,
    to_host: BufferedUartTx,
    pins: Board,
) {
    let mut supervisor = Supervisor::new(memory, &boot);
    trimtab_app::supervise(&mut supervisor, from_host, to_host, pins, &SHARED).await;
}

#[embassy_executor::task]
async fn sample(sensors: OnBoard) {
    trimtab_app::sample(sensors, &SHARED).await;
}

#[embassy_executor::task]
async fn keep(store: Store<Flash>) {
    trimtab_app::keep(store, &SHARED).await;
}
