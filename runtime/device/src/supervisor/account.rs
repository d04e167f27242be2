//! Two counters made one: the microcontroller's joules while it speaks, another meter's while it does not.
//!
//! Both counters go on all the time. What counts between two messages is what the microcontroller's counter moved by; a
//! message that comes late is not waited for: until then the other meter's joules count, and once it has come whichever of the two
//! is more, so that the total never goes back and a gap is never free.

use std::time::Duration;

use trimtab_core::Joules;

/// Joules since the start.
#[derive(Debug)]
pub(super) struct Account {
    total: Joules,
    mark: Mark,
    patience: Duration,
}

/// The state of both counters when the microcontroller spoke last.
#[derive(Debug)]
struct Mark {
    at: Duration,
    /// The microcontroller's start and its counter, which a start that did not cost it its power leaves as it was; none before it
    /// has spoken.
    counter: Option<(u32, Joules)>,
    other: Joules,
}

impl Account {
    /// Begins; without a message for so long, the other meter counts.
    pub(super) const fn new(at: Duration, other: Joules, patience: Duration) -> Self {
        Self { total: Joules::ZERO, mark: Mark { at, counter: None, other }, patience }
    }

    /// The microcontroller has spoken: in its start `boot` its counter is at `counter`.
    pub(super) fn told(&mut self, at: Duration, boot: u32, counter: Joules, other: Joules) {
        let (moved, went_on) = match self.mark.counter {
            // It was without power, and what it had not told is lost.
            Some((_, was)) if counter < was => (counter, false),
            Some((before, was)) => (counter.minus(was), before == boot),
            None => (Joules::ZERO, false),
        };
        let gap = if went_on && !self.is_away(at) { Joules::ZERO } else { other.minus(self.mark.other) };
        self.total = self.total.plus(moved.max(gap));
        self.mark = Mark { at, counter: Some((boot, counter)), other };
    }

    /// Joules by now.
    pub(super) fn energy(&self, at: Duration, other: Joules) -> Joules {
        if self.is_away(at) { self.total.plus(other.minus(self.mark.other)) } else { self.total }
    }

    /// The microcontroller has not spoken for too long, or never.
    pub(super) fn is_away(&self, at: Duration) -> bool {
        self.mark.counter.is_none() || at.saturating_sub(self.mark.at) > self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATIENCE: Duration = Duration::from_millis(200);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn uj(micro: u64) -> Joules {
        Joules::from_micro(micro)
    }

    #[test]
    fn a_gap_counts_by_the_other_meter_and_then_by_whichever_is_more() {
        let mut account = Account::new(ms(0), uj(50), PATIENCE);
        // It has not spoken yet.
        assert_eq!((account.is_away(ms(10)), account.energy(ms(10), uj(60))), (true, uj(10)));
        account.told(ms(20), 1, uj(5_000), uj(70));
        account.told(ms(120), 1, uj(5_500), uj(80));
        assert_eq!((account.is_away(ms(300)), account.energy(ms(300), uj(1_000))), (false, uj(520)));
        // Unplugged: the other meter counts from the last word on.
        assert_eq!((account.is_away(ms(330)), account.energy(ms(330), uj(180))), (true, uj(620)));
        // Back, with more than was charged meanwhile; then with less.
        account.told(ms(1_000), 1, uj(7_500), uj(500));
        assert_eq!(account.energy(ms(1_000), uj(500)), uj(2_520));
        account.told(ms(2_000), 1, uj(7_600), uj(800));
        assert_eq!(account.energy(ms(2_000), uj(800)), uj(2_820));
        // Reset in between two messages: its counter is another.
        account.told(ms(2_100), 2, uj(30), uj(840));
        assert_eq!(account.energy(ms(2_100), uj(840)), uj(2_860));
        account.told(ms(2_200), 2, uj(90), uj(850));
        assert_eq!(account.energy(ms(2_200), uj(850)), uj(2_920));
    }

    proptest! {
        #[test]
        fn the_total_never_goes_back_and_never_passes_both_meters_together(
            steps in prop::collection::vec((0_u64..600, 0_u64..10_000, 0_u64..10_000, any::<bool>(), 0_u8..20), 1..60),
        ) {
            let mut account = Account::new(Duration::ZERO, Joules::ZERO, PATIENCE);
            let (mut at, mut boot, mut counter, mut other, mut last, mut both) = (0, 0, 0, 0, Joules::ZERO, 0);
            for (wait, moved, others, speaks, chance) in steps {
                at += wait;
                other += others;
                both += moved + others;
                counter += moved;
                if chance == 0 {
                    (boot, counter) = (boot + 1, moved);
                }
                if speaks {
                    account.told(ms(at), boot, uj(counter), uj(other));
                }
                let now = account.energy(ms(at), uj(other));
                prop_assert!(now >= last && now <= uj(both), "{now} after {last}, both {both}");
                last = now;
            }
        }
    }
}
