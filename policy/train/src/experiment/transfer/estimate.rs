//! How well the score of a task in a class, learnt at one place, foretells that of the other.

use serde::Serialize;

use super::own::OwnTurn;
use super::{LOG, OWN};
use crate::dataset::LoggedTurn;
use crate::estimator::evaluation::{Predicted, quality};
use crate::estimator::means::{Level, Means};
use crate::estimator::{Estimator, Sample};
use crate::logged::values::leave_one_dialogue_out;

/// One direction; scores in standard deviations from the mean of their own place.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Estimated {
    /// Where the means were taken.
    pub fitted_on: &'static str,
    /// Where they were compared with scores that they were not taken from.
    pub judged_on: &'static str,
    /// Scores compared.
    pub n: usize,
    /// 1 less the squared error over the squared distance from the mean of what is judged.
    pub r2: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Correlation; none of predictions that are all alike.
    pub pearson: Option<f64>,
}

/// Mean and standard deviation of scores.
#[derive(Clone, Copy)]
struct Scale {
    mean: f64,
    deviation: f64,
}

impl Scale {
    fn of(turns: &[LoggedTurn]) -> Self {
        let n = turns.len().max(1) as f64;
        let mean = turns.iter().map(|turn| turn.score).sum::<f64>() / n;
        let variance = turns.iter().map(|turn| (turn.score - mean).powi(2)).sum::<f64>() / n;
        // Scores that are all alike stay as they are.
        Self { mean, deviation: if variance > 0.0 { variance.sqrt() } else { 1.0 } }
    }

    fn scaled(self, score: f64) -> f64 {
        (score - self.mean) / self.deviation
    }
}

fn fit(turns: &[&LoggedTurn], scale: Scale) -> Means {
    let sample = |turn: &&LoggedTurn| -> (f64, LoggedTurn) { (scale.scaled(turn.score), (*turn).clone()) };
    let scaled: Vec<(f64, LoggedTurn)> = turns.iter().map(sample).collect();
    let samples: Vec<Sample<'_>> =
        scaled.iter().map(|(value, turn)| Sample { value: *value, ..Sample::from(turn) }).collect();
    Means::fit(&[Level::TASK_CLASS], &samples)
}

fn predict(means: &Means, turns: &[LoggedTurn]) -> Vec<f64> {
    turns.iter().map(|turn| means.predict(&turn.context, turn.action)).collect()
}

/// Both directions, and both at home.
pub(super) fn all(log: &[LoggedTurn], fitted: &[OwnTurn], judged: &[OwnTurn]) -> Vec<Estimated> {
    let flat = |turns: &[OwnTurn]| turns.iter().flat_map(OwnTurn::logged).collect::<Vec<LoggedTurn>>();
    let (fitted, judged) = (flat(fitted), flat(judged));
    let (log_scale, own_scale) = (Scale::of(log), Scale::of(&fitted));
    let own_means = fit(&fitted.iter().collect::<Vec<_>>(), own_scale);
    let log_means = fit(&log.iter().collect::<Vec<_>>(), log_scale);
    let log_at_home = leave_one_dialogue_out(log, |others, own| predict(&fit(others, log_scale), own));
    let compare = |fitted_on, judged_on, turns: &[LoggedTurn], scale: Scale, predicted: Vec<f64>| {
        let scores: Vec<f64> = turns.iter().map(|turn| scale.scaled(turn.score)).collect();
        let found = quality(&scores, &Predicted { clipped: predicted.clone(), raw: predicted });
        Estimated { fitted_on, judged_on, n: found.n, r2: found.r2, mse: found.mse, pearson: found.pearson }
    };
    vec![
        compare(LOG, LOG, log, log_scale, log_at_home),
        compare(OWN, LOG, log, log_scale, predict(&own_means, log)),
        compare(OWN, OWN, &judged, own_scale, predict(&own_means, &judged)),
        compare(LOG, OWN, &judged, own_scale, predict(&log_means, &judged)),
    ]
}
