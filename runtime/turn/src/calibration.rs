//! What actions really take, against what is expected of them: upper quantiles, learnt on line in bounded memory.
//!
//! Model cards, offers and link probes say what an action should take: its **base**. What is learnt is the ratio of actual to
//! base: a **level** that follows the drift of a node, whatever is asked of it; what each number of views takes **relative** to
//! that; the **spread** around both; and how many spreads above them the quantile lies, the **reach**. Whatever exceeds the
//! quantile widens the reach by a step, whatever does not narrows it by a small part of one, so that in the long run a share of
//! [`COVERED`] stays below, however the ratio is distributed and however it drifts (the idea of adaptive conformal inference,
//! Gibbs and Candès 2021). As long as nothing was observed, the base holds as it is.

use serde::{Deserialize, Serialize};
use trimtab_core::limits::VIEWS_MAX;
use trimtab_core::{Cost, Joules, Millis};

/// Share of actual costs that is to stay below, for latency and energy each.
const COVERED: f32 = 0.98;
/// Spreads by which the reach grows after a cost above.
const STEP: f32 = 0.6;
/// Where the reach begins, and its bounds.
const REACH_FIRST: f32 = 4.0;
const REACH_MIN: f32 = 1.0;
const REACH_MAX: f32 = 60.0;
/// Weight of the newest observation in level and spread, and for its number of views, once there are as many as this says.
const WEIGHT: f32 = 0.12;
const WEIGHT_SPREAD: f32 = 0.05;
const WEIGHT_VIEWS: f32 = 0.03;
/// The spread that a single observation stands for, and the least that is believed.
const SPREAD_FIRST: f32 = 0.25;
const SPREAD_MIN: f32 = 0.02;
/// Bounds of a ratio that is believed.
const RATIO_MIN: f32 = 0.001;
const RATIO_MAX: f32 = 1000.0;
/// Numbers of views.
const CLASSES: usize = VIEWS_MAX + 1;

/// What so many views take, relative to the level.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Relative {
    ratio: f32,
    seen: u16,
}

/// An upper quantile of a ratio, by number of views.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Quantile {
    level: f32,
    spread: f32,
    reach: f32,
    seen: u16,
    relative: [Relative; CLASSES],
}

/// The weight of the `seen`th observation: all count alike until one of `least` would count less.
fn weight(seen: u16, least: f32) -> f32 {
    least.max(1.0 / f32::from(seen.max(1)))
}

impl Quantile {
    pub(crate) const NEW: Self = Self {
        level: 1.0,
        spread: 0.0,
        reach: REACH_FIRST,
        seen: 0,
        relative: [Relative { ratio: 1.0, seen: 0 }; CLASSES],
    };

    fn relative(&self, views: usize) -> Relative {
        self.relative.get(views.min(VIEWS_MAX)).copied().unwrap_or(Relative { ratio: 1.0, seen: 0 })
    }

    /// The quantile; one before anything was observed.
    pub(crate) fn upper(&self, views: usize) -> f32 {
        let middle = self.level * self.relative(views).ratio;
        (middle * (1.0 + self.reach * self.spread)).clamp(RATIO_MIN, RATIO_MAX)
    }

    fn of_base(self, before: u64, now: u64) -> Self {
        if self.seen == 0 || before == 0 || now == 0 {
            return self;
        }
        Self { level: (self.level * before as f32 / now as f32).clamp(RATIO_MIN, RATIO_MAX), ..self }
    }

    /// Learns what was taken of `base`. What was `cut` would have been more, nobody knows how much: if it is known to be above,
    /// that widens the reach, no further than to what was waited for, so that what is tried for as long is tried again.
    pub(crate) fn learn(&mut self, views: usize, base: u64, taken: u64, cut: bool) {
        if base == 0 || taken == 0 {
            return;
        }
        let ratio = (taken as f32 / base as f32).clamp(RATIO_MIN, RATIO_MAX);
        let above = ratio > self.upper(views);
        let Relative { ratio: relative, seen } = self.relative(views);
        if cut {
            if above && self.seen > 0 && self.spread > 0.0 {
                let needed = (ratio / (self.level * relative) - 1.0) / self.spread;
                self.reach = (self.reach + STEP * COVERED).min(needed).clamp(REACH_MIN, REACH_MAX);
            }
            return;
        }
        self.seen = self.seen.saturating_add(1);
        if self.seen == 1 {
            (self.level, self.spread) = (ratio, SPREAD_FIRST);
        } else {
            let step = if above { STEP * COVERED } else { -STEP * (1.0 - COVERED) };
            self.reach = (self.reach + step).clamp(REACH_MIN, REACH_MAX);
            let off = (ratio / (self.level * relative)).min(RATIO_MAX) - 1.0;
            self.spread += weight(self.seen, WEIGHT_SPREAD) * (off.abs() - self.spread);
            self.spread = self.spread.max(SPREAD_MIN);
        }
        if let Some(views) = self.relative.get_mut(views.min(VIEWS_MAX)) {
            views.seen = seen.saturating_add(1);
            views.ratio += weight(views.seen, WEIGHT_VIEWS) * (ratio / self.level - views.ratio);
            views.ratio = views.ratio.clamp(RATIO_MIN, RATIO_MAX);
        }
        self.level += weight(self.seen, WEIGHT) * (ratio / relative - self.level);
        self.level = self.level.clamp(RATIO_MIN, RATIO_MAX);
    }
}

/// What is learnt of one node's, or of deciding's, latency and energy.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Calibration {
    latency: Quantile,
    energy: Quantile,
}

impl Calibration {
    pub(crate) const NEW: Self = Self { latency: Quantile::NEW, energy: Quantile::NEW };

    /// An upper bound of what will be taken instead of `base`; money and bytes are bounds already.
    pub(crate) fn upper(&self, views: usize, base: Cost) -> Cost {
        Cost {
            latency: Millis::new(scaled(base.latency.get(), self.latency.upper(views))),
            energy: Joules::from_micro(scaled(base.energy.micro(), self.energy.upper(views))),
            ..base
        }
    }

    pub(crate) fn learn(&mut self, views: usize, base: &Cost, taken: &Cost, cut: bool) {
        self.latency.learn(views, base.latency.get(), taken.latency.get(), cut);
        self.energy.learn(views, base.energy.micro(), taken.energy.micro(), cut);
    }

    /// The same, relative to another base.
    pub(crate) fn of_base(self, before: &Cost, now: &Cost) -> Self {
        Self {
            latency: self.latency.of_base(before.latency.get(), now.latency.get()),
            energy: self.energy.of_base(before.energy.micro(), now.energy.micro()),
        }
    }

    /// Observations with as many views; none: what is quoted is a prior.
    pub(crate) fn seen(&self, views: usize) -> u16 {
        self.latency.relative(views).seen
    }
}

/// The product, rounded up. A float cast saturates, so a wild ratio becomes the largest number and is ruled out by any budget.
fn scaled(amount: u64, ratio: f32) -> u64 {
    let exact = amount as f32 * ratio;
    let floor = exact as u64;
    if (floor as f32) < exact { floor.saturating_add(1) } else { floor }
}

/// How often what was taken exceeded its quote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Actions that were carried out.
    pub actions: u64,
    /// Those of them that took more than quoted, of any resource.
    pub above: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_covers_what_it_should_however_the_ratio_drifts() {
        let mut quantile = Quantile::NEW;
        // A linear congruential sequence over 100..200, without a period that the estimate could follow, scaled by a drift.
        let (mut state, mut above, mut reserve) = (7_u32, 0, 0.0);
        for round in 0..4000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let level = if round < 2000 { 10 + u64::from(round) / 200 } else { 30 };
            let taken = (100 + u64::from(state >> 16) % 100) * level;
            let upper = quantile.upper(2);
            if round >= 200 {
                above += u32::from(taken as f32 / 1000.0 > upper);
                reserve += f64::from(upper) / (taken as f64 / 1000.0);
            }
            quantile.learn(2, 1000, taken, false);
        }
        let (share, reserve) = (f64::from(above) / 3800.0, reserve / 3800.0);
        assert!((0.01..0.03).contains(&share), "above {share}");
        assert!(reserve < 1.6, "reserve {reserve}");
        assert!(quantile.upper(0) > 1.0, "what is known of any number of views holds for others");
    }

    #[test]
    fn what_was_cut_is_tried_again_for_as_long() {
        let mut quantile = Quantile::NEW;
        quantile.learn(1, 1000, 2400, true);
        assert_eq!(quantile.upper(1), 1.0, "of a first answer that never came nothing is known");
        quantile.learn(1, 1000, 1000, false);
        for _ in 0..100 {
            quantile.learn(1, 1000, 2400, true);
        }
        assert!((2.0..=2.401).contains(&quantile.upper(1)), "{}", quantile.upper(1));
    }
}
