//! One thing varied or left out at a time.

mod environment;
mod learner;
mod log;
mod prompt;
mod view;

use serde::Serialize;

use super::row::{Spread, difference};
use super::{Args, ExperimentError, Progress, Split};
use crate::bootstrap::Interval;
use crate::dataset::LoggedTurn;
use crate::logged::charge::Charge;
use crate::published::{Budget, Evaluation};

/// What is varied and what follows from it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Ablation {
    /// What is varied, in a word.
    pub of: &'static str,
    /// Its unit or meaning.
    pub meaning: &'static str,
    /// What was measured.
    pub measures: &'static str,
    /// One for each value.
    pub points: Vec<Point>,
}

/// One value.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Point {
    /// The value; a number of its own where it is none.
    pub at: f64,
    /// What it stands for, where the value is none.
    pub name: Option<&'static str>,
    /// Over splits; of logged scores, over draws of dialogues.
    pub result: Spread,
    /// Share of conversations over a budget, where there is one.
    pub over: f64,
    /// What a conversation takes, or a turn of a log.
    pub taken: Option<Charge>,
    /// What it is measured against less this, on the same dialogues.
    pub loss: Option<Interval>,
}

/// The budget under which violations are counted where nothing is said of another.
const TIGHT: Budget = Budget { seconds: 15.0, usd: 0.025 };

/// All of them. The turns are those of all dialogues.
pub(super) fn all(
    args: &Args,
    splits: &[Split],
    turns: &[LoggedTurn],
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Ablation>, ExperimentError> {
    Ok(vec![
        learner::history(args, splits, watch)?,
        learner::penalty(args, splits, watch)?,
        view::choice(splits)?,
        learner::association(args, splits, watch)?,
        prompt::prompt(turns),
        environment::history(splits, watch)?,
        environment::neighbours(splits, watch)?,
        log::held_out(splits),
        log::coverage(splits),
    ])
}

impl Point {
    /// A figure that was measured on every split.
    fn figure(at: f64, values: &[f64]) -> Self {
        Self { at, name: None, result: Spread::of(values), over: 0.0, taken: None, loss: None }
    }

    /// The reward of plays, an equal number on every split, in the order of the splits.
    fn played(at: f64, splits: &[Split], plays: &[Evaluation]) -> Self {
        let mean = |of: fn(&Evaluation) -> f64| plays.iter().map(of).sum::<f64>() / plays.len().max(1) as f64;
        let each = (plays.len() / splits.len().max(1)).max(1);
        let split = |plays: &[Evaluation]| plays.iter().map(|play| play.reward).sum::<f64>() / plays.len() as f64;
        let rewards: Vec<f64> = plays.chunks(each).map(split).collect();
        Self {
            over: mean(|play| play.over_latency.max(play.over_usage)),
            taken: Some(Charge { latency_s: mean(|play| play.latency_s), usage_usd: mean(|play| play.usage_usd) }),
            ..Self::figure(at, &rewards)
        }
    }

    const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Measured against other plays of the same dialogues.
    fn against(mut self, others: &[Evaluation], plays: &[Evaluation]) -> Self {
        let conversations =
            |plays: &[Evaluation]| plays.iter().flat_map(|play| play.rewards.clone()).collect::<Vec<(u64, f64)>>();
        self.loss = Some(difference(&conversations(others), &conversations(plays)));
        self
    }
}
