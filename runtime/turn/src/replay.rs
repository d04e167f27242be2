//! Does again what was recorded, with the same code.

use crate::event::Step;
use crate::governor::Governor;
use crate::journal::{Change, Entry, JOURNAL_FORM};
use crate::record::TurnRecord;
use crate::turn::Turn;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use trimtab_core::{Millis, TurnId};

/// Turns that are followed at once.
const TURNS_MAX: usize = 32;

/// What a replay comes to.
#[derive(Clone, PartialEq, Debug)]
pub enum Found {
    /// A turn is over: its record as it came out again, and whether everything that it asked for on the way did too.
    Record {
        /// As it came out again.
        record: Box<TurnRecord>,
        /// Every step is the same.
        steps: bool,
    },
    /// A turn that is over in what was recorded is not over again.
    Unended(TurnId),
    /// A turn whose beginning, or the state before it, is not recorded.
    Unfollowed(TurnId),
    /// The state was compared with the one that was recorded.
    State {
        /// When.
        now: Millis,
        /// It is the same.
        same: bool,
    },
}

/// Why what was recorded cannot be replayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplayError {
    /// It has another form.
    Form {
        /// Which.
        have: u8,
    },
    /// It cannot be read.
    Unreadable,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { have } => {
                write!(f, "recorded in form {have}, this program replays {JOURNAL_FORM}: use the version that wrote it")
            }
            Self::Unreadable => f.write_str("the recorded events cannot be read: the file was edited or is damaged"),
        }
    }
}

impl core::error::Error for ReplayError {}

/// A governor and its turns, fed from a record.
#[derive(Debug, Default)]
pub struct Replay {
    governor: Option<Governor>,
    turns: Vec<(TurnId, Turn)>,
}

impl Replay {
    /// Feeds what was taken from a governor at once, and tells what comes of it. Feed everything in its order; where something is
    /// missing say so.
    pub fn feed(&mut self, events: &[u8], mut tell: impl FnMut(Found)) -> Result<(), ReplayError> {
        let Some((form, mut rest)) = events.split_first() else { return Ok(()) };
        if *form != JOURNAL_FORM {
            self.missing();
            return Err(ReplayError::Form { have: *form });
        }
        while !rest.is_empty() {
            let Ok((entry, left)) = postcard::take_from_bytes::<Entry<'_>>(rest) else {
                self.missing();
                return Err(ReplayError::Unreadable);
            };
            rest = left;
            self.enter(entry, &mut tell);
        }
        Ok(())
    }

    /// Something is missing before what is fed next: nothing can be followed until a state is recorded again.
    pub fn missing(&mut self) {
        self.governor = None;
        self.turns.clear();
    }

    fn enter(&mut self, entry: Entry<'_>, tell: &mut impl FnMut(Found)) {
        match entry {
            Entry::State { now, continued, state } => self.state(now, continued, &state, tell),
            Entry::Opened { now, opening } => {
                let Some(governor) = &mut self.governor else { return };
                let opening = opening.into_owned();
                if self.turns.len() < TURNS_MAX {
                    self.turns.push((opening.id, Turn::open(now, opening, governor).0));
                }
            }
            Entry::Heard { turn, now, event } => {
                let Some(governor) = &mut self.governor else { return };
                if let Some((_, turn)) = self.turns.iter_mut().find(|(id, _)| *id == turn) {
                    turn.on(now, event.into_owned(), governor);
                }
            }
            Entry::Over { turn, steps } => {
                let Some(at) = self.turns.iter().position(|(id, _)| *id == turn) else {
                    return tell(Found::Unfollowed(turn));
                };
                let (_, ended) = self.turns.swap_remove(at);
                tell(if ended.is_over() {
                    Found::Record { record: Box::new(ended.record().clone()), steps: ended.digest() == steps }
                } else {
                    Found::Unended(turn)
                });
            }
            Entry::Changed(change) => {
                if let Some(governor) = &mut self.governor {
                    apply(governor, change);
                }
            }
        }
    }

    fn state(&mut self, now: Millis, continued: bool, state: &[u8], tell: &mut impl FnMut(Found)) {
        if let Some(governor) = self.governor.as_mut().filter(|_| continued) {
            governor.advance(now);
            tell(Found::State { now, same: governor.state().is_some_and(|own| own == state) });
        } else {
            self.turns.clear();
        }
        // A state that cannot be read is none.
        self.governor = postcard::from_bytes::<Governor>(state).ok();
        if let Some(governor) = &mut self.governor {
            governor.journal.replay();
        }
    }
}

/// Also what does not fit any more is tried, and fails as it did.
fn apply(governor: &mut Governor, change: Change) {
    match change {
        Change::Offered { name, profile } => {
            let _ = governor.offer(&name, profile);
        }
        Change::Withdrawn { name } => governor.withdraw(&name),
        Change::Local(local) => {
            governor.set_local(local);
        }
        Change::Shield(shield) => governor.set_shield(shield),
        Change::Budgets(limits) => {
            let _ = governor.set_budgets(&limits);
        }
        Change::Preference(preference) => governor.set_preference(preference),
        Change::Link(link) => governor.set_link(link),
        Change::Slowness(percent) => governor.set_slowness(percent),
        Change::Peak(peak) => governor.raise_peak(peak),
        Change::Late { now, hold, cost } => {
            governor.late(now, hold, cost);
        }
    }
}

/// The digest of no steps.
pub(crate) const DIGEST_FIRST: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a over the steps as they would be written down.
pub(crate) fn digest(before: u64, steps: &[Step]) -> u64 {
    steps.iter().fold(before, |digest, step| {
        let bytes = postcard::to_allocvec(step).unwrap_or_default();
        bytes.iter().fold(digest, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    })
}
