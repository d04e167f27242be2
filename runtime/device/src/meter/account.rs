//! Energy out of readings of power, in whole numbers.
//!
//! Between two good readings that are near enough in time, power is taken to go in a straight line. While readings fail, or are
//! too far apart, the most that the board can draw counts, and what was assumed so is kept count of: a gap is never free.
//! Between the last reading and now, its power counts for one period, and from then on the most. A figure that was shown is
//! never taken back; where the line turns out lower, it stands until the sum has caught up.

use std::time::Duration;

use trimtab_core::{Joules, Watts};

/// Half picojoules of a microjoule: twice a microwatt for a microsecond, so that halves are whole.
const HALVES: u128 = 2_000_000;

/// A sum that loses nothing: what is less than a microjoule is carried on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sum {
    micro: u64,
    rest: u128,
}

impl Sum {
    fn add(&mut self, halves: u128) {
        let all = self.rest.saturating_add(halves);
        self.micro = self.micro.saturating_add(u64::try_from(all / HALVES).unwrap_or(u64::MAX));
        self.rest = all % HALVES;
    }

    fn plus(mut self, halves: u128) -> Joules {
        self.add(halves);
        // A cost is never under-counted.
        Joules::from_micro(self.micro.saturating_add(u64::from(self.rest > 0)))
    }
}

/// Microseconds since the start, and what was read then.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: u64,
    power: Option<Watts>,
}

/// The account of one sensor. Times are since any fixed instant and never go back; one that does counts as the last.
#[derive(Clone, Debug)]
pub struct PowerAccount {
    peak: Watts,
    period: u64,
    stale: u64,
    last: Option<Sample>,
    sum: Sum,
    assumed: Sum,
    shown: Joules,
}

impl PowerAccount {
    /// For a board that draws at most `peak`, read every `period`; readings further apart than `stale` do not tell what was
    /// between them.
    #[must_use]
    pub fn new(peak: Watts, period: Duration, stale: Duration) -> Self {
        Self {
            peak,
            period: micros(period),
            stale: micros(stale),
            last: None,
            sum: Sum::default(),
            assumed: Sum::default(),
            shown: Joules::ZERO,
        }
    }

    /// Enters a reading, or that there was none. The first one begins the account.
    pub fn sample(&mut self, at: Duration, power: Option<Watts>) {
        let at = micros(at);
        if let Some(power) = power {
            self.peak = self.peak.max(power);
        }
        if let Some(last) = self.last {
            let span = at.saturating_sub(last.at);
            match (last.power, power) {
                (Some(before), Some(now)) if span <= self.stale => {
                    self.sum.add(u128::from(before.micro().saturating_add(now.micro())) * u128::from(span));
                }
                _ => {
                    let halves = held(self.peak, span);
                    self.sum.add(halves);
                    self.assumed.add(halves);
                }
            }
        }
        let at = self.last.map_or(at, |last| at.max(last.at));
        self.last = Some(Sample { at, power });
    }

    /// Joules until then; never less than was told before.
    pub fn energy(&mut self, at: Duration) -> Joules {
        let Some(last) = self.last else { return Joules::ZERO };
        let span = micros(at).saturating_sub(last.at);
        let known = last.power.map_or(0, |_| span.min(self.period));
        let open = held(last.power.unwrap_or_default(), known) + held(self.peak, span - known);
        self.shown = self.shown.max(self.sum.plus(open));
        self.shown
    }

    /// The last reading; none while readings fail.
    #[must_use]
    pub fn power(&self) -> Option<Watts> {
        self.last.and_then(|last| last.power)
    }

    /// The most that the board is known to draw.
    #[must_use]
    pub const fn peak(&self) -> Watts {
        self.peak
    }

    /// Joules until then that were assumed, not measured. After a reading that failed, whatever comes next is too; after a good
    /// one, the next decides.
    #[must_use]
    pub fn assumed(&self, at: Duration) -> Joules {
        let open = self.last.filter(|last| last.power.is_none()).map_or(0, |last| micros(at).saturating_sub(last.at));
        self.assumed.plus(held(self.peak, open))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn held(power: Watts, micros: u64) -> u128 {
    2 * u128::from(power.micro()) * u128::from(micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    fn account() -> PowerAccount {
        PowerAccount::new(Watts::from_milli(20_000), Duration::from_millis(50), Duration::from_secs(1))
    }

    #[test]
    fn a_gap_counts_at_the_most_and_is_told() {
        let mut account = account();
        account.sample(at(0), Some(Watts::from_milli(4_000)));
        account.sample(at(50_000), Some(Watts::from_milli(6_000)));
        assert_eq!(account.energy(at(50_000)), Joules::from_micro(250_000));
        // One period is trusted, what is beyond is not.
        assert_eq!(account.energy(at(150_000)), Joules::from_micro(250_000 + 300_000 + 1_000_000));
        assert_eq!(account.assumed(at(150_000)), Joules::ZERO);
        account.sample(at(150_000), None);
        account.sample(at(250_000), None);
        assert_eq!(account.assumed(at(300_000)), Joules::from_micro(5_000_000));
        account.sample(at(350_000), Some(Watts::from_milli(4_000)));
        assert_eq!(account.energy(at(350_000)), Joules::from_micro(250_000 + 6_000_000));
        assert_eq!(account.assumed(at(350_000)), Joules::from_micro(6_000_000));
        account.sample(at(2_350_000), Some(Watts::from_milli(4_000)));
        assert_eq!(account.assumed(at(2_350_000)), Joules::from_micro(46_000_000));
        // More than the most raises it.
        account.sample(at(2_400_000), Some(Watts::from_milli(30_000)));
        assert_eq!(account.peak(), Watts::from_milli(30_000));
    }

    proptest! {
        #[test]
        fn any_split_has_the_sum_of_the_whole(
            power in 0_u64..100_000_000,
            cuts in proptest::collection::vec(0_u64..1_000_000, 0..40),
        ) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let (mut whole, mut split) = (account(), account());
            let power = Some(Watts::from_micro(power));
            whole.sample(at(0), power);
            split.sample(at(0), power);
            for cut in cuts {
                split.sample(at(cut), power);
            }
            whole.sample(at(1_000_000), power);
            split.sample(at(1_000_000), power);
            prop_assert_eq!(whole.energy(at(1_000_000)), split.energy(at(1_000_000)));
            prop_assert_eq!(split.assumed(at(1_000_000)), Joules::ZERO);
        }

        #[test]
        fn what_is_told_never_goes_back_and_never_exceeds_the_most(
            steps in proptest::collection::vec((0_u64..200_000, proptest::option::of(0_u64..20_000_000), 0_u64..300_000), 1..60),
        ) {
            let (mut account, mut now, mut told) = (account(), 0, Joules::ZERO);
            account.sample(at(0), Some(Watts::ZERO));
            for (wait, power, read) in steps {
                now += wait;
                account.sample(at(now), power.map(Watts::from_micro));
                now += read;
                let energy = account.energy(at(now));
                prop_assert!(energy >= told);
                told = energy;
            }
            let most = Joules::from_micro(20 * now + 1);
            prop_assert!(told <= most, "{:?} of at most {:?}", told, most);
        }
    }
}
