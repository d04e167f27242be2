//! The supervisor on Arm's MPS2 board with a Cortex-M4F (AN386), as QEMU emulates it (`mps2-an386`).
#![no_std]
#![no_main]

mod adm1272;
mod executor;
mod fault;
mod flash;
mod i2c;
mod kept;
mod key;
mod lines;
mod map;
mod nvic;
#[cfg_attr(feature = "course", path = "course.rs")]
mod outside;
mod register;
mod sensors;
mod serial;
mod time;
mod watchdog;

use embassy_executor::Spawner;
use trimtab_app::Shared;
use trimtab_store::Store;
use trimtab_supervisor::wire::{FirmwareVersion, ResetCause};
use trimtab_supervisor::{Boot, Lines, Memory, Stored, Supervisor};

use flash::Flash;
use lines::Board;
use outside::Sensed;
use serial::ToHost;
use watchdog::Watchdog;

const NAME: &str = "mps2-an386";
const FIRMWARE: FirmwareVersion = FirmwareVersion { major: 0, minor: 1, patch: 0 };

static SHARED: Shared = Shared::new();

#[cortex_m_rt::entry]
fn main() -> ! {
    lines::put(Lines::SAFE);
    time::start(outside::clock());
    serial::start();
    executor::run(|spawner| {
        // The only task of its kind, so there is room for it.
        if let Ok(task) = start(spawner) {
            spawner.spawn(task);
        }
    })
}

/// Starts the others: what is stored has to be read before the supervisor knows its configuration.
#[embassy_executor::task]
async fn start(spawner: Spawner) {
    let pins = Board::new(Watchdog::arm());
    let reset = kept::begin();
    let (Some(memory), Ok(mut store)) = (kept::memory(), Store::new(Flash::take(reset), flash::RANGE)) else {
        // Without them nothing below could run; the watchdog starts the board anew.
        return;
    };
    let stored = outside::stored(&mut store).await;
    let tasks = (supervise(memory, reset, stored, pins), sample(outside::sensors()), keep(store));
    if let (Ok(supervise), Ok(sample), Ok(keep)) = tasks {
        spawner.spawn(supervise);
        spawner.spawn(sample);
        spawner.spawn(keep);
        outside::accompany(spawner);
    }
}

/// The supervisor is made within the task that holds it, not on the stack.
#[embassy_executor::task]
async fn supervise(memory: &'static mut Memory, reset: ResetCause, stored: Stored, pins: Board) {
    let mut supervisor = {
        let boot = Boot { name: NAME, firmware: FIRMWARE, reset, entropy: [0; 16], key: key::read(), stored };
        Supervisor::new(memory, &boot)
    };
    trimtab_app::supervise(&mut supervisor, outside::host(), ToHost, pins, &SHARED).await;
}

#[embassy_executor::task]
async fn sample(sensors: Sensed) {
    trimtab_app::sample(sensors, &SHARED).await;
}

#[embassy_executor::task]
async fn keep(store: Store<Flash>) {
    trimtab_app::keep(store, &SHARED).await;
}
