//! Processor time that another process of this board spends for this one. Nobody tells how much of it that was, so every
//! processor that may have worked counts for as long as the work was waited for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Clones share one count.
#[derive(Clone, Debug, Default)]
pub(super) struct Elsewhere(Arc<Mutex<Count>>);

#[derive(Debug, Default)]
struct Count {
    /// Processors that count now, and since when.
    cores: u64,
    since: Option<Instant>,
    /// What had counted until then, nanoseconds.
    before: u64,
}

/// While this lives, so many processors count as busy.
#[derive(Debug)]
#[must_use = "dropping it ends the count"]
pub struct WorkElsewhere {
    count: Elsewhere,
    cores: u64,
}

impl Count {
    fn total(&self) -> u64 {
        let open = self.since.map_or(0, |since| u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX));
        self.before.saturating_add(open.saturating_mul(self.cores))
    }

    fn change(&mut self, cores: u64) {
        self.before = self.total();
        self.since = Some(Instant::now());
        self.cores = cores;
    }
}

impl Elsewhere {
    pub(super) fn enter(&self, cores: u32) -> WorkElsewhere {
        let cores = u64::from(cores);
        self.with(|count| count.change(count.cores.saturating_add(cores)));
        WorkElsewhere { count: self.clone(), cores }
    }

    /// Nanoseconds so far.
    pub(super) fn total(&self) -> u64 {
        self.with(|count| count.total())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Count) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for WorkElsewhere {
    fn drop(&mut self) {
        let cores = self.cores;
        self.count.with(|count| count.change(count.cores.saturating_sub(cores)));
    }
}
