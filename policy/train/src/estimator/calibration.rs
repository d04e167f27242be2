//! Intervals that hold as often as they say, and a pessimistic bound for a learner.
//!
//! What an estimator misses by is measured on parts of the dialogues that it was not fitted on, in units of the spread that
//! turns of that cell show; quantiles of these give the interval. Source: Vovk 2015 (cross-conformal prediction);
//! Lei et al. 2018, section 5 (residuals in units of a local spread).

use std::collections::HashMap;
use std::sync::Arc;

use trimtab_core::Action;

use super::evaluation::parts;
use super::means::{Level, Means};
use super::{Estimator, Kind, Prompts, Sample};
use crate::dataset::{Class, Context, LoggedTurn};

/// Parts that the dialogues are put into to measure misses.
const PARTS: usize = 10;
/// Cells that the spread is told apart by.
const SPREAD: [Level; 2] = [Level::CLASS.shrunk(10.0), Level::QUESTION_CLASS.shrunk(5.0)];
/// Least spread, as a share of the spread of all turns: few like turns say little of how far the next one lies.
const SPREAD_MIN: f64 = 0.3;

/// What is expected of an action, and how far that is to be trusted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// The expected score.
    pub mean: f64,
    /// Standard deviation of a score about it.
    pub spread: f64,
    /// Turns seen with the same question in the same class.
    pub support: usize,
}

impl Estimate {
    /// The expected score, `deviations` standard errors lower: a bound that rises with the turns that the estimate rests on.
    #[must_use]
    pub fn pessimistic(&self, deviations: f64) -> f64 {
        self.mean - deviations * self.spread / (1.0 + self.support as f64).sqrt()
    }
}

/// An estimator with its misses.
pub struct Calibrated {
    estimator: Box<dyn Estimator>,
    spread: Spread,
    support: HashMap<(Arc<str>, Class), usize>,
    misses: Vec<f64>,
}

/// Spread by cell.
struct Spread {
    squares: Means,
    least: f64,
}

impl Spread {
    fn fit(turns: &[&LoggedTurn], misses: &[f64]) -> Self {
        let mut samples: Vec<Sample<'_>> = turns.iter().map(|turn| (*turn).into()).collect();
        samples.iter_mut().zip(misses).for_each(|(sample, miss)| sample.value = miss * miss);
        let mean = samples.iter().map(|sample| sample.value).sum::<f64>() / samples.len().max(1) as f64;
        Self { squares: Means::fit(&SPREAD, &samples), least: (SPREAD_MIN * mean.sqrt()).max(f64::EPSILON) }
    }
    fn of(&self, context: &Context, action: Action) -> f64 {
        self.squares.predict(context, action).max(0.0).sqrt().max(self.least)
    }
}

/// The turns in the order given, told apart into those of one part and the others.
struct Parted<'a> {
    turns: &'a [&'a LoggedTurn],
    parts: Vec<usize>,
}

impl<'a> Parted<'a> {
    fn own(&self, part: usize) -> impl Iterator<Item = usize> {
        self.parts.iter().enumerate().filter(move |(_, own)| **own == part).map(|(index, _)| index)
    }
    /// Those outside a part; all of them if there is no other.
    fn others(&self, part: usize) -> (Vec<usize>, Vec<&'a LoggedTurn>) {
        let other: Vec<usize> = (0..self.turns.len()).filter(|index| self.parts[*index] != part).collect();
        let kept = if other.is_empty() { (0..self.turns.len()).collect() } else { other };
        let turns = kept.iter().map(|index| self.turns[*index]).collect();
        (kept, turns)
    }
}

impl Calibrated {
    /// Fits an estimator of `kind`, and measures its misses on parts of `turns` left out in turn.
    #[must_use]
    pub fn fit(kind: Kind, turns: &[&LoggedTurn], prompts: &Prompts) -> Self {
        let dialogues: Vec<u64> = turns.iter().map(|turn| turn.dialogue).collect();
        let parted = Parted { turns, parts: parts(&dialogues, PARTS) };
        let mut missed = vec![0.0; turns.len()];
        for part in 0..PARTS {
            let fitted = kind.fit_turns(&parted.others(part).1, prompts);
            for index in parted.own(part) {
                missed[index] = turns[index].score - fitted.predict(&turns[index].context, turns[index].action);
            }
        }
        let mut misses = Vec::with_capacity(turns.len());
        for part in 0..PARTS {
            let (kept, others) = parted.others(part);
            let spread = Spread::fit(&others, &kept.iter().map(|index| missed[*index]).collect::<Vec<f64>>());
            misses.extend(parted.own(part).map(|i| missed[i] / spread.of(&turns[i].context, turns[i].action)));
        }
        misses.sort_by(f64::total_cmp);
        let mut support = HashMap::new();
        for turn in turns {
            *support.entry((Arc::clone(&turn.context.question), turn.class())).or_default() += 1;
        }
        Self { estimator: kind.fit_turns(turns, prompts), spread: Spread::fit(turns, &missed), support, misses }
    }

    /// What to expect of `action` in `context`.
    #[must_use]
    pub fn estimate(&self, context: &Context, action: Action) -> Estimate {
        let cell = (Arc::clone(&context.question), Class::of(action));
        Estimate {
            mean: self.estimator.predict(context, action),
            spread: self.spread.of(context, action),
            support: self.support.get(&cell).copied().unwrap_or_default(),
        }
    }

    /// The interval that holds the score of one answer in a share `level` of turns, no lower than 0.
    #[must_use]
    pub fn interval(&self, estimate: &Estimate, level: f64) -> (f64, f64) {
        let Some(last) = self.misses.len().checked_sub(1) else { return (0.0, f64::INFINITY) };
        let tail = (1.0 - level.clamp(0.0, 1.0)) / 2.0;
        let ranks = (self.misses.len() + 1) as f64;
        let miss = |rank: f64| self.misses[(rank as usize).saturating_sub(1).min(last)];
        let at = |miss: f64| (estimate.mean + miss * estimate.spread).max(0.0);
        (at(miss((ranks * tail).floor())), at(miss((ranks * (1.0 - tail)).ceil())))
    }
}

impl Estimator for Calibrated {
    fn predict(&self, context: &Context, action: Action) -> f64 {
        self.estimator.predict(context, action)
    }
}
