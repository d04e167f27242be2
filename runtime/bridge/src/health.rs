//! How a node fares: its circuit breaker and its measured latencies. Time is handed in.
//!
//! ```text
//! closed ──FAILURES_MAX failures in a row──▶ open ──rest──▶ half open ──success──▶ closed
//!                                             ▲────────failure────────┘  (rest doubles, up to REST_MAX)
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Failures in a row that open the circuit.
pub const FAILURES_MAX: u32 = 3;
/// First rest of an open circuit.
pub const REST_MIN: Duration = Duration::from_secs(5);
/// Longest rest.
pub const REST_MAX: Duration = Duration::from_secs(120);
/// Calls that the quantiles rest on.
pub(crate) const SAMPLES_MAX: usize = 64;

/// The state of one node.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failures: u32,
    open: Option<Open>,
    samples: VecDeque<Sample>,
    calls: u64,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    until: Instant,
    rest: Duration,
    /// Whether the one trial of a half-open circuit is under way.
    trial: bool,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    first_token: Duration,
    token: Option<Duration>,
}

/// Quantiles of what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
    /// Median time of a token; none until an answer of several tokens came.
    pub(crate) token: Option<Duration>,
    pub(crate) calls: u64,
}

impl Health {
    /// Whether a call may begin now; a half-open circuit grants one.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        match &mut self.open {
            None => true,
            Some(open) if now < open.until || open.trial => false,
            Some(open) => {
                open.trial = true;
                true
            }
        }
    }

    /// Whether a call could begin now, without taking the trial.
    pub(crate) fn available(&self, now: Instant) -> bool {
        self.open.is_none_or(|open| now >= open.until && !open.trial)
    }

    /// A call gave an answer. `token`: mean time of a token after the first.
    pub(crate) fn succeeded(&mut self, first_token: Duration, token: Option<Duration>) {
        self.failures = 0;
        self.open = None;
        self.calls += 1;
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { first_token, token });
    }

    /// A call failed by the node's fault.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.failures += 1;
        let rest = match self.open {
            Some(open) if open.trial => (open.rest * 2).min(REST_MAX),
            Some(_) => return,
            None if self.failures >= FAILURES_MAX => REST_MIN,
            None => return,
        };
        self.open = Some(Open { until: now + rest, rest, trial: false });
    }

    /// A call ended without telling anything about the node.
    pub(crate) fn untold(&mut self) {
        if let Some(open) = &mut self.open {
            open.trial = false;
        }
    }

    /// What was measured so far.
    pub(crate) fn measured(&self) -> Option<Measured> {
        let mut firsts: Vec<_> = self.samples.iter().map(|sample| sample.first_token).collect();
        let mut tokens: Vec<_> = self.samples.iter().filter_map(|sample| sample.token).collect();
        Some(Measured {
            p50: quantile(&mut firsts, 50)?,
            p95: quantile(&mut firsts, 95)?,
            token: quantile(&mut tokens, 50),
            calls: self.calls,
        })
    }
}

/// The value below which `percent` of all lie, by nearest rank.
fn quantile(values: &mut [Duration], percent: usize) -> Option<Duration> {
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circuit_opens_rests_longer_and_closes() {
        let start = Instant::now();
        let mut health = Health::default();
        for _ in 0..FAILURES_MAX {
            assert!(health.admit(start));
            health.failed(start);
        }
        assert!(!health.admit(start + REST_MIN / 2));
        let trial = start + REST_MIN;
        assert!(health.available(trial) && health.admit(trial));
        assert!(!health.admit(trial), "one trial at a time");
        health.failed(trial);
        assert!(!health.available(trial + REST_MIN), "the rest has doubled");
        let again = trial + REST_MIN * 2;
        assert!(health.admit(again));
        health.untold();
        assert!(health.admit(again), "a call that tells nothing gives the trial back");
        health.succeeded(Duration::from_millis(10), None);
        assert!(health.admit(again) && health.admit(again));
    }

    #[test]
    fn quantiles_are_of_the_latest_calls() {
        let mut health = Health::default();
        assert_eq!(health.measured(), None);
        for ms in (1..=100).rev() {
            health.succeeded(Duration::from_millis(ms), (ms % 2 == 0).then(|| Duration::from_millis(ms)));
        }
        let measured = health.measured().unwrap();
        assert_eq!((measured.p50, measured.p95), (Duration::from_millis(32), Duration::from_millis(61)));
        assert_eq!((measured.token, measured.calls), (Some(Duration::from_millis(32)), 100));
    }
}
