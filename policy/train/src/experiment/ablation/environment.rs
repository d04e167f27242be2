//! The environment of the published greedy, one parameter varied.

use super::{Ablation, Point, TIGHT};
use crate::experiment::{ExperimentError, Progress, Split, jobs};
use crate::published::{Costs, Evaluation, Greedy, HISTORY, NEIGHBOURS, Response, evaluate};

/// History lengths and neighbours that the paper varies.
pub(super) const HISTORIES: [usize; 4] = [1, 3, 5, 7];
pub(super) const NEIGHBOURHOODS: [usize; 4] = [1, 3, 5, 10];

/// Runs the greedy in an environment of its own for each value, on every split.
fn greedy(
    splits: &[Split],
    values: &[usize],
    watch: &(dyn Fn(Progress) + Sync),
    fit: impl Fn(&Split, usize) -> Response + Sync,
) -> Result<Vec<Point>, ExperimentError> {
    let costs = Costs::default();
    let one = |value: &usize| -> Result<Point, ExperimentError> {
        let play = |split: &Split| {
            let mut greedy = Greedy::fit(&split.train, &costs);
            evaluate(&split.test, &fit(split, *value), &costs, TIGHT, false, &mut greedy)
        };
        let plays = splits.iter().map(play).collect::<Result<Vec<Evaluation>, _>>()?;
        Ok(Point::played(*value as f64, splits, &plays))
    };
    jobs::run(values, watch, one).into_iter().collect()
}

/// By the turns that the estimate looks back on.
pub(super) fn history(splits: &[Split], watch: &(dyn Fn(Progress) + Sync)) -> Result<Ablation, ExperimentError> {
    let fit = |split: &Split, span: usize| Response::over(&split.train, NEIGHBOURS, span.min(HISTORY));
    Ok(Ablation {
        of: "history-of-estimate",
        meaning: "turns that the estimate looks back on (τ); no dialogue has more than five, so seven are as five",
        measures: "reward of the greedy in its own environment, and share over 15 s or 0.025 USD",
        points: greedy(splits, &HISTORIES, watch, fit)?,
    })
}

/// By the neighbours that the estimate asks.
pub(super) fn neighbours(splits: &[Split], watch: &(dyn Fn(Progress) + Sync)) -> Result<Ablation, ExperimentError> {
    Ok(Ablation {
        of: "neighbours",
        meaning: "neighbours of the estimate (k)",
        measures: "reward of the greedy in its own environment, and share over 15 s or 0.025 USD",
        points: greedy(splits, &NEIGHBOURHOODS, watch, |split, k| Response::with_neighbours(&split.train, k))?,
    })
}
