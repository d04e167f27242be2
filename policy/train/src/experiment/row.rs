//! Results of contenders, and their differences.

use serde::Serialize;

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
    /// Mean difference of reward.
    pub difference: f64,
    /// Lower end of its interval at 95 %, drawing dialogues within splits.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Draws of an interval.
const DRAWS: usize = 2_000;

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

    /// Reward of each dialogue of each split, the training seeds averaged.
    fn by_dialogue(&self) -> Vec<Vec<f64>> {
        let mut splits: Vec<(u64, Vec<f64>, f64)> = Vec::new();
        for run in &self.runs {
            match splits.iter_mut().find(|(split, ..)| *split == run.split) {
                Some((_, sums, count)) => {
                    sums.iter_mut().zip(&run.result.rewards).for_each(|(sum, reward)| *sum += reward);
                    *count += 1.0;
                }
                None => splits.push((run.split, run.result.rewards.clone(), 1.0)),
            }
        }
        splits.sort_by_key(|(split, ..)| *split);
        splits.into_iter().map(|(_, sums, count)| sums.iter().map(|sum| sum / count).collect()).collect()
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
    let mine = own.by_dialogue();
    here()
        .filter(|row| row.method != of)
        .map(|row| {
            let other = row.by_dialogue();
            let differences: Vec<Vec<f64>> =
                mine.iter().zip(&other).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - b).collect()).collect();
            let (difference, low, high) = interval(&differences);
            Paired { of: of.into(), against: row.method.clone(), difference, low, high }
        })
        .collect()
}

/// Mean over splits of the mean over dialogues, with its bootstrap interval.
fn interval(splits: &[Vec<f64>]) -> (f64, f64, f64) {
    let mut rng = trimtab_scenes::Rng::for_purpose(0, "paired");
    let mut draw = |drawn: bool| {
        let of = |dialogues: &Vec<f64>| {
            let count = dialogues.len().max(1);
            let one = |index: usize| dialogues[if drawn { rng.below(count) } else { index }];
            (0..dialogues.len()).map(one).sum::<f64>() / count as f64
        };
        splits.iter().map(of).sum::<f64>() / splits.len().max(1) as f64
    };
    let mean = draw(false);
    let mut drawn: Vec<f64> = (0..DRAWS).map(|_| draw(true)).collect();
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| drawn[((DRAWS - 1) as f64 * share).round() as usize];
    (mean, at(0.025), at(0.975))
}
