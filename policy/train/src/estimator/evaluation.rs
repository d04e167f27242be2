//! How well an estimator predicts scores that it was not fitted on.

use serde::{Deserialize, Serialize};

use super::calibration::Calibrated;
use super::{Kind, Prompts, Sample};
use crate::bootstrap::{self, Interval};
use crate::dataset::{DatasetError, LoggedTable, LoggedTurn};

/// Scores above this are counted as this in the clipped figures: few very high scores decide the raw ones.
pub const CLIP: f64 = 2.0;

/// What of a turn's company an estimator did not see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOut {
    /// The turn's dialogue.
    Dialogue,
    /// The dialogue, and the turn's question in every other dialogue.
    DialogueAndQuestion,
}

/// The part of each turn, `0..count`, such that a dialogue lies in one part; `folds` names the dialogue of each turn.
#[must_use]
pub fn parts(folds: &[u64], count: usize) -> Vec<usize> {
    let mut known: Vec<u64> = Vec::new();
    let part = |fold: &u64| {
        let place = known.iter().position(|other| other == fold).unwrap_or_else(|| {
            known.push(*fold);
            known.len() - 1
        });
        place % count
    };
    folds.iter().map(part).collect()
}

/// The dialogue of each turn.
#[must_use]
pub fn dialogues(turns: &[LoggedTurn]) -> Vec<u64> {
    turns.iter().map(|turn| turn.dialogue).collect()
}

/// Predicted scores of turns, one by one.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Predicted {
    /// Fitted on the scores as they are.
    pub raw: Vec<f64>,
    /// Fitted on the scores clipped at [`CLIP`].
    pub clipped: Vec<f64>,
}

/// Predicts the logged action's score of every turn of `test`, fitted on `train`.
#[must_use]
pub fn fit_and_predict(kind: Kind, train: &[&LoggedTurn], test: &[LoggedTurn], prompts: &Prompts) -> Predicted {
    let folds: Vec<u64> = train.iter().map(|turn| turn.dialogue).collect();
    let mut samples: Vec<Sample<'_>> = train.iter().map(|turn| (*turn).into()).collect();
    let predict = |samples: &[Sample<'_>]| {
        let fitted = kind.fit(samples, &folds, prompts);
        test.iter().map(|turn| fitted.predict(&turn.context, turn.action)).collect()
    };
    let raw = predict(&samples);
    samples.iter_mut().for_each(|sample| sample.value = sample.value.min(CLIP));
    Predicted { raw, clipped: predict(&samples) }
}

/// Predicts the logged action's score of every turn, each time fitted on what is not left out.
#[must_use]
pub fn predict_left_out(kind: Kind, turns: &[LoggedTurn], left: LeftOut, prompts: &Prompts) -> Predicted {
    let together = |a: &LoggedTurn, b: &LoggedTurn| left == LeftOut::Dialogue && a.dialogue == b.dialogue;
    let mut all = Predicted::default();
    for own in turns.chunk_by(together) {
        let kept = |turn: &&LoggedTurn| {
            turn.dialogue != own[0].dialogue
                && (left == LeftOut::Dialogue || turn.context.question != own[0].context.question)
        };
        let train: Vec<&LoggedTurn> = turns.iter().filter(kept).collect();
        let Predicted { raw, clipped } = fit_and_predict(kind, &train, own, prompts);
        all.raw.extend(raw);
        all.clipped.extend(clipped);
    }
    all
}

/// How near predictions come, as they are, and with scores clipped at [`CLIP`] both in fitting and in comparing.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Quality {
    /// Turns.
    pub n: usize,
    /// 1 less the squared error over the squared distance from the mean of the evaluated turns.
    pub r2: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Correlation; none of predictions or scores that are all alike.
    pub pearson: Option<f64>,
    /// `r2`, clipped.
    pub r2_clip2: f64,
    /// `mse`, clipped.
    pub mse_clip2: f64,
    /// `pearson`, clipped.
    pub pearson_clip2: Option<f64>,
}

/// Compares predictions with scores, one by one.
#[must_use]
pub fn quality(scores: &[f64], predicted: &Predicted) -> Quality {
    let clip = |values: &[f64]| values.iter().map(|value| value.min(CLIP)).collect::<Vec<f64>>();
    let (r2, mse, pearson) = agreement(scores, &predicted.raw);
    let (r2_clip2, mse_clip2, pearson_clip2) = agreement(&clip(scores), &clip(&predicted.clipped));
    Quality { n: scores.len(), r2, mse, pearson, r2_clip2, mse_clip2, pearson_clip2 }
}

fn agreement(scores: &[f64], predicted: &[f64]) -> (f64, f64, Option<f64>) {
    let n = scores.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (centre, middle) = (mean(scores), mean(predicted));
    let total: f64 = scores.iter().map(|score| (score - centre).powi(2)).sum();
    let spread: f64 = predicted.iter().map(|guess| (guess - middle).powi(2)).sum();
    let error: f64 = scores.iter().zip(predicted).map(|(score, guess)| (score - guess).powi(2)).sum();
    let both: f64 = scores.iter().zip(predicted).map(|(score, guess)| (score - centre) * (guess - middle)).sum();
    let pearson = both / (total * spread).sqrt();
    (1.0 - error / total, error / n, pearson.is_finite().then_some(pearson))
}

/// Fits on `train` and compares with the scores of `test`. Refuses a task that `train` does not have.
pub fn held_out(
    kind: Kind,
    train: &LoggedTable,
    test: &LoggedTable,
    prompts: &Prompts,
) -> Result<Quality, DatasetError> {
    test.tasks_known_to(train)?;
    let predicted = fit_and_predict(kind, &train.turns().iter().collect::<Vec<_>>(), test.turns(), prompts);
    let scores: Vec<f64> = test.turns().iter().map(|turn| turn.score).collect();
    Ok(quality(&scores, &predicted))
}

/// Levels that coverage is shown at.
pub const LEVELS: [f64; 4] = [0.5, 0.8, 0.9, 0.95];

/// How often intervals of one level hold the score.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Coverage {
    /// The share that should be held.
    pub nominal: f64,
    /// The share that is.
    pub held: f64,
    /// Mean width of the intervals.
    pub width: f64,
}

/// Coverage of the calibrated intervals over all turns, fitted and calibrated without the dialogue of each.
#[must_use]
pub fn coverage(kind: Kind, turns: &[LoggedTurn], levels: &[f64], prompts: &Prompts) -> Vec<Coverage> {
    let mut sums = vec![(0.0, 0.0); levels.len()];
    for own in turns.chunk_by(|a, b| a.dialogue == b.dialogue) {
        let train: Vec<&LoggedTurn> = turns.iter().filter(|turn| turn.dialogue != own[0].dialogue).collect();
        let calibrated = Calibrated::fit(kind, &train, prompts);
        for turn in own {
            let estimate = calibrated.estimate(&turn.context, turn.action);
            for (level, (held, width)) in levels.iter().zip(&mut sums) {
                let (low, high) = calibrated.interval(&estimate, *level);
                *held += f64::from(u8::from((low..=high).contains(&turn.score)));
                *width += high - low;
            }
        }
    }
    let n = turns.len() as f64;
    let share =
        |(level, (held, width)): (&f64, (f64, f64))| Coverage { nominal: *level, held: held / n, width: width / n };
    levels.iter().zip(sums).map(share).collect()
}

/// An estimator's whole report.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Which.
    pub kind: Kind,
    /// What it did not see.
    pub left_out: LeftOut,
    /// How near it comes.
    pub quality: Quality,
    /// `r2`, drawn by dialogue.
    pub r2: Interval,
    /// `r2_clip2`, drawn by dialogue.
    pub r2_clip2: Interval,
}

/// Evaluates a kind over a whole table.
#[must_use]
pub fn report(kind: Kind, turns: &[LoggedTurn], left_out: LeftOut, prompts: &Prompts, seed: u64) -> Report {
    let predicted = predict_left_out(kind, turns, left_out, prompts);
    let scores: Vec<f64> = turns.iter().map(|turn| turn.score).collect();
    let over = |of: fn(&Quality) -> f64| {
        bootstrap::interval(&dialogues(turns), seed, |drawn| of(&drawn_quality(&scores, &predicted, drawn)))
    };
    let (r2, r2_clip2) = (over(|quality| quality.r2), over(|quality| quality.r2_clip2));
    Report { kind, left_out, quality: quality(&scores, &predicted), r2, r2_clip2 }
}

fn drawn_quality(scores: &[f64], predicted: &Predicted, drawn: &[usize]) -> Quality {
    let of = |values: &[f64]| drawn.iter().map(|index| values[*index]).collect::<Vec<f64>>();
    quality(&of(scores), &Predicted { raw: of(&predicted.raw), clipped: of(&predicted.clipped) })
}

/// How much more of the clipped scores one estimator explains than another: the difference of `r2_clip2`, drawn by question,
/// because what is asked about are questions.
#[must_use]
pub fn gain(turns: &[LoggedTurn], predicted: &Predicted, other: &Predicted, seed: u64) -> Interval {
    let scores: Vec<f64> = turns.iter().map(|turn| turn.score).collect();
    let questions: Vec<&str> = turns.iter().map(|turn| &*turn.context.question).collect();
    bootstrap::interval(&questions, seed, |drawn| {
        drawn_quality(&scores, predicted, drawn).r2_clip2 - drawn_quality(&scores, other, drawn).r2_clip2
    })
}
