//! Who watches the watcher: the whole logic of the microcontroller beside a robot's computer, without I/O.
//!
//! It integrates energy on its own, steps in when a budget is gone or the board is in danger, resets a host that hangs, and
//! tells the runtime what it measures. A safe state needs nobody upstream: whatever the host does or leaves undone, the
//! board's lines follow from what the board itself sees.
//!
//! ```text
//!  sensors ──▶ Sampler ──▶ Integrator ──▶ Budgets ─┐
//!                 └────────────────────────────────┼──▶ Interlock ──▶ throttle, cut
//!  serial ───▶ Link ──▶ HostWatchdog ──────────────┘         │
//!                            └───────────────────────────────┼──▶ reset of the host
//!                                                 Memory ◀───┴───▶ Record (flash)
//! ```
//!
//! Time, entropy and every reading are handed in ([`Supervisor::step`]); lines to set, bytes to send and a record to store
//! come out. Nothing allocates, blocks or panics; every sum saturates, and every count is bounded.
//!
//! *Memory* is RAM that is not initialised and outlives a reset: energy, budgets, the last trip and the log. The *record* is
//! what outlives a power cut: configuration, number of boots, the last trip.
//!
//! Functions that are marked as not to be inlined keep what is seldom done from taking stack, and addresses in it, from what is
//! always done.
#![no_std]
#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod budgets;
mod commands;
mod danger;
mod host;
mod integrator;
mod interlock;
mod link;
mod memory;
mod pace;
mod record;
mod sampler;
mod saving;
mod sealed;
mod seals;
mod supervisor;

pub use memory::{LOG_LINES, MEMORY_BYTES, Memory, note_panic};
pub use record::{RECORD_BYTES_MAX, Record, RecordFault, Stored};
pub use supervisor::{Boot, Input, Lines, Outputs, Sample, Supervisor};
/// The contract with the host.
pub use trimtab_wire::mcu as wire;
