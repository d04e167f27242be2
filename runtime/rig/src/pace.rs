//! Declared waiting, either really waited for or skipped.
//!
//! A link's round trip and a server's thinking time come from the profile. At [`Pace::Real`] they are slept; at
//! [`Pace::Skipped`] nobody sleeps, and the clock that every part of the rig reads jumps ahead by the same span. The time
//! that the machine itself needs passes as it is in both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use trimtab_core::Millis;

/// How declared waiting passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// It is slept.
    Real,
    /// The clock jumps over it.
    Skipped,
}

/// The clock of a rig: time that really passed, plus what was skipped. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ShapedClock {
    pace: Pace,
    started: Instant,
    skipped_micros: Arc<AtomicU64>,
}

impl ShapedClock {
    /// Starts at zero.
    #[must_use]
    pub fn start(pace: Pace) -> Self {
        Self { pace, started: Instant::now(), skipped_micros: Arc::default() }
    }
    /// How declared waiting passes.
    #[must_use]
    pub const fn pace(&self) -> Pace {
        self.pace
    }
    /// Time since the start, skipped time included.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed() + self.skipped()
    }
    /// What was skipped so far.
    #[must_use]
    pub fn skipped(&self) -> Duration {
        Duration::from_micros(self.skipped_micros.load(Ordering::Acquire))
    }
    /// Lets `span` pass. At [`Pace::Skipped`] this returns at once, with the clock ahead by `span`.
    pub async fn pass(&self, span: Duration) {
        match self.pace {
            Pace::Real => tokio::time::sleep(span).await,
            Pace::Skipped => self.skip(span),
        }
    }
    fn skip(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.skipped_micros.fetch_add(micros, Ordering::AcqRel);
    }
    /// The time in whole milliseconds.
    #[must_use]
    pub fn millis(&self) -> Millis {
        Millis::new(u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
