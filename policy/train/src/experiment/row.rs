//! Results of contenders, and their differences.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bootstrap::{Interval, interval};
use crate::published::{Budget, Evaluation};

/// One contender on one split.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Run {
    /// The split.
    pub split: u64,
    /// Of the training; 0 where nothing is drawn.
    pub seed: u64,
    /// What came of it.
    #[serde(flatten)]
    pub result: Evaluation,
}

/// Mean and sample standard deviation over splits; training seeds are averaged first.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation.
    pub std: f64,
}

/// One contender under one budget.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub method: String,
    /// Of each conversation.
    pub budget: Budget,
    /// Whether the device's shield stood between.
    pub shielded: bool,
    /// Reward.
    pub reward: Spread,
    /// Reward of the training seed that does worst over the splits.
    pub worst_seed: f64,
    /// Seconds of a conversation.
    pub latency_s: f64,
    /// USD of a conversation.
    pub usage_usd: f64,
    /// Share of conversations over the latency budget, over all runs.
    pub over_latency: f64,
    /// Share of conversations over the usage budget, over all runs.
    pub over_usage: f64,
    /// Every run.
    pub runs: Vec<Run>,
}

/// By how much one contender does better than another on the same dialogues.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Paired {
    /// The first.
    pub of: String,
    /// The second.
    pub against: String,
    /// Mean difference of reward over the conversations of all splits, with its interval at 95 %.
    pub difference: Interval,
}

impl Row {
    /// From its runs, of which there is at least one.
    pub(super) fn of(method: &str, budget: Budget, shielded: bool, runs: Vec<Run>) -> Self {
        let mean =
            |of: &dyn Fn(&Evaluation) -> f64| runs.iter().map(|run| of(&run.result)).sum::<f64>() / runs.len() as f64;
        let by = |key: fn(&Run) -> u64| -> Vec<f64> {
            let mut keys: Vec<u64> = runs.iter().map(key).collect();
            keys.sort_unstable();
            keys.dedup();
            let of = |wanted: u64| {
                let own: Vec<f64> = runs.iter().filter(|run| key(run) == wanted).map(|run| run.result.reward).collect();
                own.iter().sum::<f64>() / own.len() as f64
            };
            keys.into_iter().map(of).collect()
        };
        Self {
            method: method.into(),
            budget,
            shielded,
            reward: Spread::of(&by(|run| run.split)),
            worst_seed: by(|run| run.seed).into_iter().fold(f64::INFINITY, f64::min),
            latency_s: mean(&|result| result.latency_s),
            usage_usd: mean(&|result| result.usage_usd),
            over_latency: mean(&|result| result.over_latency),
            over_usage: mean(&|result| result.over_usage),
            runs,
        }
    }

    /// Dialogue and reward of each conversation of each split, the training seeds averaged.
    fn conversations(&self) -> Vec<(u64, f64)> {
        let mut sums: BTreeMap<(u64, usize), (u64, f64, f64)> = BTreeMap::new();
        for run in &self.runs {
            for (place, (dialogue, reward)) in run.result.rewards.iter().enumerate() {
                let (_, sum, count) = sums.entry((run.split, place)).or_insert((*dialogue, 0.0, 0.0));
                (*sum, *count) = (*sum + reward, *count + 1.0);
            }
        }
        sums.into_values().map(|(dialogue, sum, count)| (dialogue, sum / count)).collect()
    }
}

impl Spread {
    pub(super) fn of(values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, std: (squares / (count - 1.0).max(1.0)).sqrt() }
    }
}

/// One contender less every other one under the first budget, without the shield.
pub(super) fn paired(rows: &[Row], of: &str) -> Vec<Paired> {
    let first = rows.first().map(|row| row.budget);
    let here = || rows.iter().filter(|row| Some(row.budget) == first && !row.shielded);
    let Some(own) = here().find(|row| row.method == of) else { return Vec::new() };
    let mine = own.conversations();
    let pair = |row: &Row| {
        let difference = difference(&mine, &row.conversations());
        Paired { of: of.into(), against: row.method.clone(), difference }
    };
    here().filter(|row| row.method != of).map(pair).collect()
}

/// Mean of the first less the second over the same conversations, each with its dialogue. A dialogue may be in the test part of
/// several splits: what is drawn is dialogues.
pub(super) fn difference(of: &[(u64, f64)], against: &[(u64, f64)]) -> Interval {
    let dialogues: Vec<u64> = of.iter().map(|(dialogue, _)| *dialogue).collect();
    let one = |index: usize| of[index].1 - against[index].1;
    interval(&dialogues, 0, |drawn| drawn.iter().map(|index| one(*index)).sum::<f64>() / drawn.len() as f64)
}
