//! What a governor and its turns were fed, so that all of it can be done again.
//!
//! Whoever keeps a ledger has the governor record. Its turns' openings and events and all changes in between are written down in
//! their order, in a compact form, and taken with every record. Now and then, and wherever something is missing before, the
//! state of the governor is written down as well: there a replay begins, and there it is compared.

use crate::event::{Event, Opening};
use crate::quoting::LocalEngine;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use trimtab_core::budget::HoldId;
use trimtab_core::observation::LinkEstimate;
use trimtab_core::{Budget, Cost, Millis, NodeProfile, Preference, Shield, TurnId, Watts};

/// Bytes that are kept until they are taken; beyond them the turns that are going on cannot be replayed.
pub const JOURNAL_BYTES_MAX: usize = 256 * 1024;
/// Form of what is recorded, and of the code that it is fed to: another one is not replayed.
pub const JOURNAL_FORM: u8 = 1;
/// Turns after which the state is written down again.
const STATE_EVERY: u32 = 32;

/// A change between the events of turns.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Change {
    Offered { name: String, profile: NodeProfile },
    Withdrawn { name: String },
    Local(Option<LocalEngine>),
    Shield(Shield),
    Budgets(Vec<Budget>),
    Preference(Preference),
    Link(LinkEstimate),
    Slowness(u64),
    Peak(Watts),
    Late { now: Millis, hold: HoldId, cost: Cost },
}

/// One thing that was recorded.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Entry<'a> {
    /// The governor's state, as bytes; `continued` where everything since the one before is recorded.
    State { now: Millis, continued: bool, state: Cow<'a, [u8]> },
    /// A turn began.
    Opened { now: Millis, opening: Cow<'a, Opening> },
    /// A turn was told.
    Heard { turn: TurnId, now: Millis, event: Cow<'a, Event> },
    /// A turn is over; `steps` is a digest of everything that it asked for.
    Over { turn: TurnId, steps: u64 },
    /// Something else changed.
    Changed(Change),
}

/// What is recorded and not taken yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    /// Nothing is recorded before somebody asks for it.
    recording: bool,
    /// It is replayed: a digest of steps is wanted all the same.
    replayed: bool,
    bytes: Vec<u8>,
    /// Nothing is missing since the last state.
    continued: bool,
    /// Turns since the last state.
    since_state: u32,
}

impl Journal {
    pub(crate) const fn start(&mut self) {
        self.recording = true;
    }

    pub(crate) const fn replay(&mut self) {
        self.replayed = true;
    }

    /// Whether a digest of steps is wanted.
    pub(crate) const fn digests(&self) -> bool {
        self.recording || self.replayed
    }

    /// Whether the state is to be written down before the turn that begins.
    pub(crate) const fn wants_state(&self) -> bool {
        self.recording && (!self.continued || self.since_state >= STATE_EVERY)
    }

    pub(crate) fn state(&mut self, now: Millis, state: Option<Vec<u8>>) {
        let Some(state) = state else { return };
        let continued = self.continued;
        if !continued {
            // What is left of before cannot be followed.
            self.bytes.clear();
        }
        (self.continued, self.since_state) = (true, 0);
        self.note(&Entry::State { now, continued, state: Cow::Owned(state) });
    }

    pub(crate) fn opened(&mut self, now: Millis, opening: &Opening) {
        self.since_state = self.since_state.saturating_add(1);
        self.note(&Entry::Opened { now, opening: Cow::Borrowed(opening) });
    }

    pub(crate) fn heard(&mut self, turn: TurnId, now: Millis, event: &Event) {
        self.note(&Entry::Heard { turn, now, event: Cow::Borrowed(event) });
    }

    pub(crate) fn over(&mut self, turn: TurnId, steps: u64) {
        self.note(&Entry::Over { turn, steps });
    }

    pub(crate) fn changed(&mut self, change: impl FnOnce() -> Change) {
        if self.recording && self.continued {
            self.note(&Entry::Changed(change()));
        }
    }

    fn note(&mut self, entry: &Entry<'_>) {
        // Before the first state nothing can be followed, and nothing is kept.
        if !self.recording || !self.continued {
            return;
        }
        let mut bytes = core::mem::take(&mut self.bytes);
        if bytes.is_empty() {
            bytes.push(JOURNAL_FORM);
        }
        match postcard::to_extend(entry, bytes) {
            Ok(bytes) if bytes.len() <= JOURNAL_BYTES_MAX => self.bytes = bytes,
            _ => self.lost(),
        }
    }

    /// What was recorded since it was last taken; nothing where something is missing.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.bytes)
    }

    /// What was taken is lost: the next turn begins with the state.
    pub(crate) fn lost(&mut self) {
        self.bytes = Vec::new();
        self.continued = false;
    }
}
