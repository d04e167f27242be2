//! All parts together: what goes in, what comes out, and in which order.

use crate::memory::Memory;
use crate::record::{Record, Stored};
use crate::wire::{Config, FirmwareVersion, Key, Micros, Milliamps, Millicelsius, Millivolts, ResetCause, State};

/// What the board knows when it starts.
#[derive(Clone, Debug)]
pub struct Boot<'a> {
    /// The board's name, as hosts see it; cut off at 24 bytes.
    pub name: &'a str,
    /// The firmware's version.
    pub firmware: FirmwareVersion,
    /// What started the program. A panic that was noted in memory goes before it.
    pub reset: ResetCause,
    /// Anything that differs from start to start; a board without a source of chance gives zeros.
    pub entropy: [u8; 16],
    /// The key this board was provisioned with; without one nothing is ever released but by provisioning it.
    pub key: Option<Key>,
    /// What the store holds.
    pub stored: Stored,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Nothing but time.
    Tick,
    /// The sensors were read, or did not answer. Due every [`Config::sample_period`].
    Sample(Sample),
    /// Bytes came over the serial line, any number in one piece.
    Serial(&'a [u8]),
    /// The record that was asked for last ([`Outputs::save`]) is stored, or could not be.
    Saved {
        /// Whether it is stored.
        stored: bool,
    },
}

/// What the sensors gave; none where one did not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sample {
    /// When they were read: the low half of the board's microseconds, which wraps round every 71 minutes.
    pub at: u32,
    /// Of the board's supply.
    pub current: Option<Milliamps>,
    /// Of the board's supply.
    pub voltage: Option<Millivolts>,
    /// Of the board.
    pub temperature: Option<Millicelsius>,
}

/// The lines to the outside; true is asserted, whatever level that is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lines {
    /// The host shall slow down.
    pub throttle: bool,
    /// The accelerator has no power.
    pub cut: bool,
    /// The host is held in reset.
    pub reset_host: bool,
}

impl Lines {
    /// What a board sets before its supervisor runs, and from its panic handler.
    pub const SAFE: Self = Self { throttle: true, cut: true, reset_host: false };
}

/// What the board must now do, in this order: set the lines, feed the watchdog, send ([`Supervisor::transmit`]), store.
#[must_use = "the lines must follow at once"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outputs {
    /// The lines as they must be.
    pub lines: Lines,
    /// Feed the hardware watchdog. Where this stays false, sampling has stopped, and the board must be reset.
    pub feed: bool,
    /// Store [`Supervisor::record`] now, and report with [`Input::Saved`].
    pub save: bool,
    /// Call again at this time, if nothing happens before.
    pub wake: Micros,
}

/// The supervisor of one board.
#[derive(Debug)]
pub struct Supervisor<'m> {
    memory: &'m mut Memory,
    record: Record,
}

impl<'m> Supervisor<'m> {
    /// Starts; the time is zero. `memory` is as the reset left it.
    #[must_use]
    pub fn new(memory: &'m mut Memory, boot: &Boot<'_>) -> Self {
        let record = match boot.stored {
            Stored::Whole(record) | Stored::FellBack(record) => record,
            Stored::Empty | Stored::Damaged => Record::NEW,
        };
        Self { memory, record }
    }

    /// Takes what happened at `now`, microseconds since the start; says what must now be done.
    pub fn step(&mut self, now: Micros, input: Input<'_>) -> Outputs {
        let _ = (&mut self.memory, input);
        Outputs { lines: Lines::SAFE, feed: true, save: false, wake: now.plus(Micros::new(100_000)) }
    }

    /// Moves bytes that wait to be sent into `out`, in order; says how many.
    pub fn transmit(&mut self, out: &mut [u8]) -> usize {
        let _ = out;
        0
    }

    /// What is to be stored.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The configuration in force.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.record.config
    }

    /// How far the board has stepped in.
    #[must_use]
    pub const fn state(&self) -> State {
        State::Normal
    }
}
