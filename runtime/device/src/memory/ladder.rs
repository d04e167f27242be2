//! What is given up under pressure, rung by rung.
//!
//! ```text
//!           pressed: one rung a look
//!  Calm ──▶ Trim ──▶ Evict ──▶ Refuse
//!       ◀──      ◀──       ◀──
//!           eased for REST: one rung back
//! ```
//!
//! Up goes quickly, since the kernel does not wait; down goes slowly and only well below what led up, so that nothing is
//! loaded only to be evicted again. Views are encoded one at a time, so there is no batch that could be made smaller.

use trimtab_core::Millis;

/// How often it is looked at.
pub const LOOK_EVERY: Millis = Millis::new(500);
/// How long pressure must have eased before a rung is left.
pub const REST: Millis = Millis::new(10_000);
/// What is below a rung's threshold by so much has eased, in thousandths of the ceiling.
const EASED_BELOW: u32 = 50;

/// How hard memory is pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Strain {
    /// What is taken, in thousandths of the ceiling.
    pub share: u32,
    /// Share of the last ten seconds in which some work stood still for want of memory, in thousandths.
    pub stall: u32,
}

/// What is given up; each rung with what those below it give up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Rung {
    /// Nothing.
    #[default]
    Calm,
    /// What is kept only for speed: embeddings of views that have not changed, pages of the ledger.
    Trim,
    /// The local model: turns go to the cloud or are refused.
    Evict,
    /// New turns.
    Refuse,
}

impl Rung {
    /// Its name in the status and in telemetry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Trim => "trim",
            Self::Evict => "evict",
            Self::Refuse => "refuse",
        }
    }

    /// From which strain on it is wanted; none for the ground.
    const fn threshold(self) -> Strain {
        match self {
            Self::Calm => Strain { share: 0, stall: 0 },
            Self::Trim => Strain { share: 850, stall: 100 },
            Self::Evict => Strain { share: 920, stall: 250 },
            Self::Refuse => Strain { share: 970, stall: 500 },
        }
    }

    const fn above(self) -> Option<Self> {
        match self {
            Self::Calm => Some(Self::Trim),
            Self::Trim => Some(Self::Evict),
            Self::Evict => Some(Self::Refuse),
            Self::Refuse => None,
        }
    }

    const fn below(self) -> Option<Self> {
        match self {
            Self::Calm => None,
            Self::Trim => Some(Self::Calm),
            Self::Evict => Some(Self::Trim),
            Self::Refuse => Some(Self::Evict),
        }
    }

    const fn reached(self, strain: Strain) -> bool {
        let from = self.threshold();
        strain.share >= from.share || strain.stall >= from.stall
    }

    const fn eased(self, strain: Strain) -> bool {
        let from = self.threshold();
        strain.share < from.share.saturating_sub(EASED_BELOW) && strain.stall < from.stall / 2
    }
}

/// The ladder, and where it is stood on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ladder {
    rung: Rung,
    eased_since: Option<Millis>,
}

impl Ladder {
    /// Where it is stood on.
    #[must_use]
    pub const fn rung(&self) -> Rung {
        self.rung
    }

    /// Moves by at most one rung, so that each measure has its chance to help; returns where it is stood on now.
    pub fn look(&mut self, now: Millis, strain: Strain) -> Rung {
        if let Some(above) = self.rung.above()
            && above.reached(strain)
        {
            self.eased_since = None;
            self.rung = above;
        } else if self.rung.eased(strain)
            && let Some(below) = self.rung.below()
        {
            let since = *self.eased_since.get_or_insert(now);
            if now.minus(since) >= REST {
                self.eased_since = None;
                self.rung = below;
            }
        } else {
            self.eased_since = None;
        }
        self.rung
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FULL: Strain = Strain { share: 1_000, stall: 0 };
    const EASY: Strain = Strain { share: 300, stall: 0 };

    #[test]
    fn up_goes_rung_by_rung_and_down_after_a_rest() {
        let mut ladder = Ladder::default();
        let climbed: Vec<Rung> = (0..4).map(|look| ladder.look(LOOK_EVERY.times(look), FULL)).collect();
        assert_eq!(climbed, [Rung::Trim, Rung::Evict, Rung::Refuse, Rung::Refuse]);
        let start = Millis::new(5_000);
        assert_eq!(ladder.look(start, EASY), Rung::Refuse);
        assert_eq!(ladder.look(start.plus(REST).minus(Millis::new(1)), EASY), Rung::Refuse);
        assert_eq!(ladder.look(start.plus(REST), EASY), Rung::Evict);
        assert_eq!(ladder.look(start.plus(REST).plus(LOOK_EVERY), EASY), Rung::Evict);
    }

    #[test]
    fn between_two_thresholds_it_stays() {
        let mut ladder = Ladder::default();
        ladder.look(Millis::ZERO, FULL);
        let between = Strain { share: 830, stall: 0 };
        for look in 0..100 {
            assert_eq!(ladder.look(LOOK_EVERY.times(look), between), Rung::Trim);
        }
        assert_eq!(ladder.look(Millis::new(60_000), Strain { share: 300, stall: 300 }), Rung::Evict);
    }

    proptest! {
        #[test]
        fn it_moves_by_one_and_never_down_while_pressed(
            strains in prop::collection::vec((0_u32..1_200, 0_u32..1_001), 1..200),
        ) {
            let mut ladder = Ladder::default();
            for (look, (share, stall)) in strains.into_iter().enumerate() {
                let before = ladder.rung();
                let strain = Strain { share, stall };
                let after = ladder.look(LOOK_EVERY.times(look as u64), strain);
                prop_assert!((after as i32 - before as i32).abs() <= 1);
                prop_assert!(after >= before || !before.reached(strain));
            }
        }
    }
}
