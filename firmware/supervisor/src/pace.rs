//! Telemetry at its pace, every one of it counted: sent, or dropped.

use crate::wire::Micros;

/// Ten times a second, µs.
const PERIOD: u64 = 100_000;

/// What is due.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// When the next one is; none until a host listens.
    next: Option<Micros>,
    number: u32,
    dropped: u32,
}

impl Pace {
    /// A host listens: it hears at once.
    pub(crate) const fn start(&mut self, now: Micros) {
        self.next = Some(now);
    }

    /// The number of the next one.
    pub(crate) const fn number(&self) -> u32 {
        self.number
    }

    /// How many were dropped.
    pub(crate) const fn dropped(&self) -> u32 {
        self.dropped
    }

    pub(crate) const fn next(&self) -> Option<Micros> {
        self.next
    }

    /// Whether one is to be made now. Those whose time passed without a call are dropped.
    pub(crate) fn due(&mut self, now: Micros) -> bool {
        let Some(next) = self.next.filter(|next| now >= *next) else { return false };
        let missed = now.since(next).get() / PERIOD;
        let counted = u32::try_from(missed).unwrap_or(u32::MAX);
        self.number = self.number.wrapping_add(counted);
        self.dropped = self.dropped.saturating_add(counted);
        self.next = Some(next.plus(Micros::new(missed.saturating_add(1).saturating_mul(PERIOD))));
        true
    }

    /// One was made, and sent or dropped.
    pub(crate) const fn made(&mut self, sent: bool) {
        self.number = self.number.wrapping_add(1);
        if !sent {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}
