//! What the joules of a meter went to: spans of work, and the time between them.
//!
//! Every microjoule between two looks is booked once: to the spans that are open, in equal parts, or to idling. So all spans and
//! the idle time add up to what the meter counted. Beside its total each span is told how much of it was above what the board
//! draws idle; that baseline is learnt while no span is open, as a low quantile of the power seen then.

use std::time::Duration;

use trimtab_core::{Joules, Watts};

/// Most spans that are open at a time; what is beyond is not told apart.
pub const SPANS_MAX: usize = 64;
/// Shorter idle times say little of the power that is drawn in them.
const IDLE_MIN: Duration = Duration::from_millis(900);
/// The share of idle times whose power lies below the baseline is one in so many.
const QUANTILE: u64 = 4;
/// The baseline moves by at most this part of itself at a time.
const STEP_PART: u64 = 16;
/// And by at least this.
const STEP_MIN: Watts = Watts::from_milli(2);

/// An open span.
#[derive(PartialEq, Eq, Debug)]
#[must_use = "close it"]
pub struct SpanId(u64);

/// What a span took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpanEnergy {
    /// In all.
    pub total: Joules,
    /// Of it, what the board would not have drawn idle; all of it while the idle power is not known yet.
    pub above_idle: Joules,
}

#[derive(Debug)]
struct Span {
    id: u64,
    total: Joules,
    /// Picojoules, so that many short looks lose nothing.
    idle: u128,
}

/// Picojoules of a microjoule.
const PICO: u128 = 1_000_000;

/// The book of one meter. Times and totals never go back.
#[derive(Debug, Default)]
pub struct EnergyBook {
    last: Option<(Duration, Joules)>,
    open: Vec<Span>,
    next: u64,
    idle: Joules,
    baseline: Option<Watts>,
    /// Since when no span was open, as far as that was not learnt from yet.
    quiet: Option<(Duration, Joules)>,
}

impl EnergyBook {
    /// Looks at the meter: `total` is what it has counted by then.
    pub fn look(&mut self, at: Duration, total: Joules) {
        let (since, before) = self.last.unwrap_or((at, total));
        self.last = Some((at.max(since), total.max(before)));
        let (span, took) = (at.saturating_sub(since), total.minus(before));
        let Some(count) = u64::try_from(self.open.len()).ok().filter(|count| *count > 0) else {
            self.idle = self.idle.plus(took);
            let (begun, then) = *self.quiet.get_or_insert((since, before));
            if at.saturating_sub(begun) >= IDLE_MIN {
                self.learn(total.minus(then), at.saturating_sub(begun));
                self.quiet = Some((at, total));
            }
            return;
        };
        let idle = u128::from(self.baseline.unwrap_or_default().micro()).saturating_mul(span.as_micros());
        let part = Joules::from_micro(took.micro() / count);
        for span in &mut self.open {
            span.total = span.total.plus(part);
            span.idle = span.idle.saturating_add(idle / u128::from(count));
        }
        // What does not divide goes to the first.
        if let Some(first) = self.open.first_mut() {
            first.total = first.total.plus(took.minus(part.times(count)));
        }
    }

    /// Opens a span.
    pub fn open(&mut self, at: Duration, total: Joules) -> SpanId {
        self.look(at, total);
        self.quiet = None;
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        if self.open.len() < SPANS_MAX {
            self.open.push(Span { id, total: Joules::ZERO, idle: 0 });
        }
        SpanId(id)
    }

    /// Closes a span and says what it took.
    pub fn close(&mut self, at: Duration, total: Joules, SpanId(id): SpanId) -> SpanEnergy {
        self.look(at, total);
        let Some(place) = self.open.iter().position(|span| span.id == id) else { return SpanEnergy::default() };
        let span = self.open.remove(place);
        let idle = Joules::from_micro(u64::try_from(span.idle / PICO).unwrap_or(u64::MAX));
        SpanEnergy { total: span.total, above_idle: span.total.minus(idle) }
    }

    /// Joules while no span was open.
    #[must_use]
    pub const fn idle(&self) -> Joules {
        self.idle
    }

    /// What the board draws while nothing is asked of it; none until that was seen.
    #[must_use]
    pub const fn baseline(&self) -> Option<Watts> {
        self.baseline
    }

    fn learn(&mut self, took: Joules, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let seen = Watts::from_micro(took.scaled_up(1_000_000, micros).micro());
        let Some(known) = self.baseline else {
            self.baseline = Some(seen);
            return;
        };
        let step = known.scaled_up(1, STEP_PART).max(STEP_MIN);
        // Down by as many steps as a value above is more frequent than one below.
        self.baseline = Some(if seen < known {
            known.minus(step.times(QUANTILE - 1).min(known.minus(seen)))
        } else {
            known.plus(step.min(seen.minus(known)))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn joules(joules: u64) -> Joules {
        Joules::from_micro(joules * 1_000_000)
    }

    #[test]
    fn spans_and_idle_time_add_up_and_the_baseline_is_taken_off() {
        let mut book = EnergyBook::default();
        book.look(at(0), joules(0));
        for second in 1..=10 {
            book.look(at(second * 1000), joules(second * 3));
        }
        assert_eq!((book.baseline(), book.idle()), (Some(Watts::from_milli(3_000)), joules(30)));
        let turn = book.open(at(10_000), joules(30));
        let radio = book.open(at(12_000), joules(50));
        let first = book.close(at(14_000), joules(71), turn);
        let second = book.close(at(15_000), joules(77), radio);
        assert_eq!(first.total.plus(second.total).plus(book.idle()), joules(77));
        // 20 J alone and half of 21 J together, of which 3 W were idle.
        assert_eq!(first.total, Joules::from_micro(30_500_000));
        assert_eq!(first.above_idle, Joules::from_micro(30_500_000 - 9_000_000));
        assert_eq!(second.above_idle, Joules::from_micro(10_500_000 + 6_000_000 - 6_000_000));
        // A span that nobody knows took nothing.
        assert_eq!(book.close(at(16_000), joules(80), SpanId(99)), SpanEnergy::default());
    }

    #[test]
    fn the_baseline_stays_low_when_other_programs_work_at_times() {
        let mut book = EnergyBook::default();
        let mut total = 0;
        book.look(at(0), joules(0));
        for second in 1..=2_000_u64 {
            // Two seconds in five somebody else works.
            total += if second % 5 < 2 { 6_000_000 } else { 2_700_000 + second * 7_919 % 60_000 };
            book.look(at(second * 1000), Joules::from_micro(total));
        }
        let known = book.baseline().unwrap();
        assert!((Watts::from_milli(2_600)..Watts::from_milli(3_100)).contains(&known), "{known}");
    }

    #[test]
    fn more_spans_than_fit_cost_no_joule() {
        let mut book = EnergyBook::default();
        let spans: Vec<SpanId> = (0..SPANS_MAX + 5).map(|_| book.open(at(0), joules(0))).collect();
        let sum: Joules = spans.into_iter().map(|span| book.close(at(1), joules(7), span).total).sum();
        assert_eq!(sum, joules(7));
    }
}
