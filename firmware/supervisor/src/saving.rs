//! When the record is to be stored, and again if that failed.

use crate::wire::Micros;

/// After so many failures in a row nothing is tried until the record changes again: flash wears out.
const TRIES_MAX: u8 = 5;
/// Between two tries.
const RETRY_AFTER: Micros = Micros::new(1_000_000);
/// A board that does not report by then counts as having failed.
const ANSWER_WITHIN: Micros = Micros::new(10_000_000);

/// Where storing stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saving {
    wanted: bool,
    asked_at: Option<Micros>,
    tries: u8,
    not_before: Micros,
}

impl Saving {
    /// At the start, which is to be stored.
    pub(crate) const fn wanted() -> Self {
        Self { wanted: true, asked_at: None, tries: 0, not_before: Micros::ZERO }
    }

    /// The record changed.
    pub(crate) const fn want(&mut self) {
        self.wanted = true;
        self.tries = 0;
    }

    /// Whether the board shall store now; it is then asked once.
    pub(crate) fn ask(&mut self, now: Micros) -> bool {
        let ask = self.wanted && self.asked_at.is_none() && now >= self.not_before;
        if ask {
            (self.wanted, self.asked_at) = (false, Some(now));
        }
        ask
    }

    /// The board reports. Says whether that is a failure.
    pub(crate) fn answered(&mut self, now: Micros, stored: bool) -> bool {
        if self.asked_at.take().is_none() || stored {
            self.tries = 0;
            return false;
        }
        self.tries = self.tries.saturating_add(1);
        self.wanted |= self.tries < TRIES_MAX;
        self.not_before = now.plus(RETRY_AFTER);
        true
    }

    /// Whether the board has not reported for too long.
    pub(crate) fn overdue(&self, now: Micros) -> bool {
        self.asked_at.is_some_and(|asked| now.since(asked) >= ANSWER_WITHIN)
    }
}
