//! RAM that outlives a reset: what flowed, the last trip, and the log.
//!
//! ```text
//!  0        snapshot A │ snapshot B      written in turn, so that a reset in mid-write leaves the other
//!  2 × 192  log line 0 │ 1 │ … │ 44      a ring; each line with its own checksum
//!  2040     mark of a panic
//! ```
//!
//! Whatever the bytes are at the start, nothing is believed whose checksum is wrong. Where no snapshot is whole, power was
//! gone: the log is cleared.

use core::ops::Range;

use trimtab_core::Joules;

use crate::budgets::{HostLimits, Spent};
use crate::sealed;
use crate::wire::{BootNumber, Event, LogEntry, Micros, Stamp, Trip, TripId};
use serde::{Deserialize, Serialize};

/// How much memory the supervisor wants, bytes.
pub const MEMORY_BYTES: usize = 2048;

/// Memory that the board leaves as it was at a reset. Whatever it holds at the start is checked before it is believed, so any
/// bytes will do.
pub type Memory = [u8; MEMORY_BYTES];

/// One snapshot with its checksum, bytes.
const SNAPSHOT_BYTES: usize = 192;
/// One line of the log with its checksum, bytes.
const LINE_BYTES: usize = 36;
/// Where the log begins.
const LOG_START: usize = 2 * SNAPSHOT_BYTES;
/// The mark of a panic, at the end.
const MARK: [u8; 8] = *b"panicked";
/// Lines that are kept: the newest.
pub const LOG_LINES: usize = (MEMORY_BYTES - LOG_START - MARK.len()) / LINE_BYTES;

/// For the panic handler: the next start will know. Sound on any contents, and short.
pub fn note_panic(memory: &mut Memory) {
    if let Some(mark) = memory.last_chunk_mut() {
        *mark = MARK;
    }
}

/// Whether a panic was noted; it is noted no more.
pub(crate) fn take_panic(memory: &mut Memory) -> bool {
    memory.last_chunk_mut().is_some_and(|mark| core::mem::take(mark) == MARK)
}

/// What must outlive a reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// Counts snapshots: the higher of two is the newer.
    pub(crate) generation: u64,
    pub(crate) boot: BootNumber,
    /// Time that the board was running, since it was last without power.
    pub(crate) active: Micros,
    pub(crate) energy: Joules,
    pub(crate) widened: Joules,
    pub(crate) rest: u64,
    pub(crate) hour: (u64, Joules),
    pub(crate) day: (u64, Joules),
    pub(crate) host_limits: HostLimits,
    pub(crate) trip: Option<Trip>,
    pub(crate) next_trip: TripId,
    pub(crate) resets: u8,
}

impl Snapshot {
    pub(crate) const fn hour(&self) -> Spent {
        Spent { number: self.hour.0, energy: self.hour.1 }
    }
    pub(crate) const fn day(&self) -> Spent {
        Spent { number: self.day.0, energy: self.day.1 }
    }
}

fn snapshot_at(memory: &Memory, slot: usize) -> Option<Snapshot> {
    let start = slot.saturating_mul(SNAPSHOT_BYTES);
    sealed::open(memory.get(start..start.saturating_add(SNAPSHOT_BYTES))?)
}

/// The newest whole snapshot, if there is any.
#[inline(never)]
pub(crate) fn newest(memory: &Memory) -> Option<Snapshot> {
    let mut newest: Option<Snapshot> = None;
    for slot in [0, 1] {
        if let Some(snapshot) = snapshot_at(memory, slot)
            && newest.is_none_or(|newest| newest.generation <= snapshot.generation)
        {
            newest = Some(snapshot);
        }
    }
    newest
}

/// Keeps a snapshot in the place of the older one.
pub(crate) fn keep(memory: &mut Memory, snapshot: &Snapshot) {
    let start = if snapshot.generation.is_multiple_of(2) { 0 } else { SNAPSHOT_BYTES };
    if let Some(slot) = memory.get_mut(start..start.saturating_add(SNAPSHOT_BYTES)) {
        // A snapshot fits: a test keeps the longest.
        let _kept = sealed::seal(snapshot, slot);
    }
}

/// The log's place in a memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    next: u32,
    damaged: u32,
}

/// A line's place in the ring.
const fn index(number: u32) -> usize {
    number as usize % LOG_LINES
}

/// The bytes of a place.
fn place(number: u32) -> Range<usize> {
    let start = LOG_START.saturating_add(index(number).saturating_mul(LINE_BYTES));
    start..start.saturating_add(LINE_BYTES)
}

fn line(memory: &Memory, number: u32) -> Option<&[u8]> {
    memory.get(place(number))
}

fn line_mut(memory: &mut Memory, number: u32) -> Option<&mut [u8]> {
    memory.get_mut(place(number))
}

impl Log {
    /// Finds the log that a reset left. `warm`: a snapshot is whole, so a line that is not was damaged; else lines are what
    /// power left in the cells, and they are cleared.
    pub(crate) fn find(memory: &mut Memory, warm: bool) -> Self {
        let mut found = Self { next: 0, damaged: 0 };
        for number in 0..LOG_LINES as u32 {
            let Some(bytes) = line_mut(memory, number) else { continue };
            let entry: Option<LogEntry> = sealed::open(bytes);
            match entry.filter(|entry| warm && index(entry.number) == index(number)) {
                Some(entry) => found.next = found.next.max(entry.number.saturating_add(1)),
                None => {
                    if warm && bytes.iter().any(|byte| *byte != 0) {
                        found.damaged = found.damaged.saturating_add(1);
                    }
                    bytes.fill(0);
                }
            }
        }
        found
    }

    /// Notes a line in the place of the oldest.
    pub(crate) fn note(&mut self, memory: &mut Memory, stamp: Stamp, event: Event) -> LogEntry {
        let entry = LogEntry { number: self.next, stamp, event };
        if let Some(bytes) = line_mut(memory, entry.number) {
            // A line fits: a test notes the longest.
            let _noted = sealed::seal(&entry, bytes);
        }
        self.next = self.next.saturating_add(1);
        entry
    }

    /// The first line from this number on that is kept.
    pub(crate) fn from(&self, memory: &Memory, number: u32) -> Option<LogEntry> {
        let first = number.max(self.next.saturating_sub(LOG_LINES as u32));
        (first..self.next)
            .find_map(|number| sealed::open(line(memory, number)?).filter(|e: &LogEntry| e.number == number))
    }

    /// The number that the next line will have.
    pub(crate) const fn next(&self) -> u32 {
        self.next
    }

    /// Lines that were damaged when the board started.
    pub(crate) const fn damaged(&self) -> u32 {
        self.damaged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Cause, Channel, ConfigFault, HostStage, ResetCause, State, StoreFault, Verdict};

    const TRIP: Trip = Trip { id: TripId(u32::MAX), state: State::Safe, cause: Cause::OwnFault };

    #[test]
    fn the_longest_snapshot_fits() {
        let most = Joules::MAX;
        let longest = Snapshot {
            generation: u64::MAX,
            boot: BootNumber(u32::MAX),
            active: Micros::new(u64::MAX),
            energy: most,
            widened: most,
            rest: u64::MAX,
            hour: (u64::MAX, most),
            day: (u64::MAX, most),
            host_limits: [Some(most); 3],
            trip: Some(TRIP),
            next_trip: TripId(u32::MAX),
            resets: u8::MAX,
        };
        let mut memory = [0; MEMORY_BYTES];
        keep(&mut memory, &longest);
        assert_eq!(newest(&memory), Some(longest));
    }

    #[test]
    fn the_longest_line_fits() {
        let stamp = Stamp { boot: BootNumber(u32::MAX), at: Micros::new(u64::MAX) };
        let events = [
            Event::Started(ResetCause::Brownout),
            Event::Tripped(TRIP),
            Event::Released { trip: TripId(u32::MAX), to: State::Safe },
            Event::SealRefused,
            Event::Host(HostStage::Gone),
            Event::Sensor { channel: Channel::Temperature, verdict: Verdict::Stuck },
            Event::ConfigChanged,
            Event::Store(StoreFault::Rules(ConfigFault::HostHealthy)),
        ];
        for event in events {
            let mut memory = [0; MEMORY_BYTES];
            let mut log = Log { next: u32::MAX - 1, damaged: 0 };
            let noted = log.note(&mut memory, stamp, event);
            assert_eq!(log.from(&memory, 0), Some(noted));
        }
    }
}
