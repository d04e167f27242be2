//! Energy from power: trapezoids over measured intervals, exact.
//!
//! Power is whole µW and time whole µs, so (p₀ + p₁) · t is energy in halves of a picojoule. Whole microjoules are handed out;
//! the rest, less than one, is kept for the next interval. So the sum of all that was handed out is the exact integral,
//! rounded down once. Where one end of an interval is not measured, the whole interval counts at the higher end.

use trimtab_core::{Joules, Watts};

use crate::wire::Micros;

/// Halves of a picojoule in a microjoule.
const HALVES: u64 = 2_000_000;
/// Longest interval, µs, eleven days: a longer one counts as this long, so that no product overflows.
const SPAN_MAX: u64 = 1_000_000_000_000;
const _: () = assert!(SPAN_MAX.checked_mul(HALVES).is_some());

/// Power at one instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Point {
    pub(crate) at: Micros,
    pub(crate) power: Watts,
    /// It is the worst case, not a measurement.
    pub(crate) widened: bool,
}

/// The running integral.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Integrator {
    /// All of it.
    pub(crate) total: Joules,
    /// What of it was charged at the worst case.
    pub(crate) widened: Joules,
    /// Less than a microjoule, in halves of a picojoule.
    pub(crate) rest: u64,
    last: Option<Point>,
}

impl Integrator {
    /// Goes on from what was integrated before a reset.
    pub(crate) const fn resumed(total: Joules, widened: Joules, rest: u64) -> Self {
        // Damaged memory is not believed, so this holds; a rest that is too large would only be handed out at once.
        Self { total, widened, rest: if rest < HALVES { rest } else { HALVES - 1 }, last: None }
    }

    /// When power was last known or assumed; the start at first.
    pub(crate) fn reached(&self) -> Micros {
        self.last.map_or(Micros::ZERO, |last| last.at)
    }

    /// Goes on to a point; says how much energy that adds, in whole microjoules. A point in the past adds nothing. What came
    /// before the first point counts at its power.
    pub(crate) fn advance(&mut self, to: Point) -> Joules {
        let from = self.last.unwrap_or(Point { at: Micros::ZERO, ..to });
        self.last = Some(Point { at: to.at.max(from.at), ..to });
        let widened = from.widened || to.widened;
        let sum = if widened { to.power.max(from.power).times(2) } else { to.power.plus(from.power) };
        let added = self.area(sum.micro(), to.at.since(from.at).get().min(SPAN_MAX));
        self.total = self.total.plus(added);
        if widened {
            self.widened = self.widened.plus(added);
        }
        added
    }

    /// Whole microjoules of `sum · span` halves of a picojoule and of the rest, of which it keeps what is left.
    fn area(&mut self, sum: u64, span: u64) -> Joules {
        let (whole, part) = (sum / HALVES, sum % HALVES);
        // Below 2·10⁶ · 10¹² + 2·10⁶: no overflow.
        let halves = part.saturating_mul(span).saturating_add(self.rest);
        self.rest = halves % HALVES;
        Joules::from_micro(whole.saturating_mul(span).saturating_add(halves / HALVES))
    }
}
