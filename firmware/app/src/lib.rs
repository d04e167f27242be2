//! What every board runs: three tasks between its parts and the supervisor, and what they share.
//!
//! ```text
//!  sensors ─▶ sample ─▶ SAMPLES_MAX ─▶ ┌───────────┐ ─▶ lines, hardware watchdog
//!                                      │ supervise │
//!  serial port ──────────────────────▶ └───────────┘ ─▶ serial port
//!                                        │       ▲
//!                              one record ▼       │ whether it is stored
//!                                          keep ─▶ flash
//! ```
//!
//! A board implements [`Sensors`] and [`Pins`], brings a serial port and flash, and runs each of the three as a task of its own.
//! Nothing that arrives is dropped here: a full channel makes its sender wait, and a sender that waits too long is seen by the
//! supervisor, which then no longer feeds the hardware watchdog.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod keep;
mod sample;
mod supervise;

use core::sync::atomic::AtomicU32;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::signal::Signal;

use trimtab_supervisor::wire::{Micros, Milliamps, Millicelsius, Millivolts};
use trimtab_supervisor::{Lines, Record, Sample};

pub use keep::keep;
pub use sample::sample;
pub use supervise::supervise;

/// Samples that wait for the supervisor.
pub const SAMPLES_MAX: usize = 2;

/// What sensors gave; none where one did not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reading {
    /// Of the board's supply.
    pub current: Option<Milliamps>,
    /// Of the board's supply.
    pub voltage: Option<Millivolts>,
    /// Of the board.
    pub temperature: Option<Millicelsius>,
}

/// The sensors of a board.
pub trait Sensors {
    /// Asks all of them once. A sensor that does not answer must not hold up the others.
    fn read(&mut self) -> impl Future<Output = Reading>;
}

/// What the supervisor moves directly.
pub trait Pins {
    /// Sets the lines.
    fn set(&mut self, lines: Lines);
    /// Feeds the hardware watchdog.
    fn feed(&mut self);
}

/// What the tasks share: everything that passes between them, each with its capacity.
pub struct Shared {
    samples: Channel<CriticalSectionRawMutex, Sample, SAMPLES_MAX>,
    /// The newest record to be stored: an older one that is still waiting is not worth storing.
    record: Signal<CriticalSectionRawMutex, Record>,
    stored: Signal<CriticalSectionRawMutex, bool>,
    /// Between two samples, in ms.
    period_ms: AtomicU32,
}

impl Shared {
    /// Empty, with the sampling period of the default configuration.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            samples: Channel::new(),
            record: Signal::new(),
            stored: Signal::new(),
            period_ms: AtomicU32::new(sample::DEFAULT_PERIOD_MS),
        }
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}

/// Time since the board's start.
#[must_use]
pub fn now() -> Micros {
    Micros::new(embassy_time::Instant::now().as_micros())
}
