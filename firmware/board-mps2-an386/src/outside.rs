//! What is outside of the board's processor: its sensors, its host and its store, as they are.

use embassy_executor::Spawner;
use trimtab_store::Store;
use trimtab_supervisor::Stored;

use crate::flash::Flash;
use crate::i2c::Bus;
use crate::sensors::OnBoard;
use crate::serial::FromHost;

/// The sensors.
pub(crate) type Sensed = OnBoard;
/// What the host says.
pub(crate) type Heard = FromHost;

/// What the clock shows at the start, µs.
pub(crate) fn clock() -> u64 {
    0
}

/// Waits for an interrupt; they are held off, and one that is pending ends the wait.
pub(crate) fn sleep() {
    cortex_m::asm::wfi();
}

/// An interrupt begins to be served.
pub(crate) fn interrupted() {}

pub(crate) fn sensors() -> Sensed {
    OnBoard::new(Bus::start())
}

pub(crate) fn host() -> Heard {
    FromHost
}

pub(crate) async fn stored(store: &mut Store<Flash>) -> Stored {
    store.load().await
}

/// Whatever else is to run: nothing.
pub(crate) fn accompany(_: Spawner) {}
