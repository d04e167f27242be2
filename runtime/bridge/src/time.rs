//! Which clock the latencies of upstreams are measured by.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tells the time; it never runs backwards. A program that lets time leap hands in its own.
pub type Now = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Time since something began.
pub(crate) struct Stopwatch<'a> {
    now: &'a Now,
    begun: Instant,
}

impl<'a> Stopwatch<'a> {
    pub(crate) fn start(now: &'a Now) -> Self {
        Self { now, begun: now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        (self.now)().saturating_duration_since(self.begun)
    }
}
