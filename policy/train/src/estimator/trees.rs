//! Gradient-boosted trees on plain features and means of the question.
//! Source: Friedman 2001 (gradient boosting); Micci-Barreca 2001 (target means of a category).
//!
//! In fitting, the question means of a turn come from other dialogues than its own: else the trees would read its score there.

use trimtab_core::Action;
use trimtab_scenes::Rng;

use super::features::plain;
use super::means::{Level, Means, SHRUNK_MEANS};
use super::tree::{Row, Shape, Tree};
use super::{Estimator, Sample};
use crate::dataset::Context;

/// Trees that are added up.
const TREES: usize = 120;
/// Share of a tree's values that is added.
const RATE: f64 = 0.04;
/// Share of the turns that each tree is grown on.
const SHARE: f64 = 0.6;
/// Size of each tree.
const SHAPE: Shape = Shape { depth: 3, leaf: 8 };
/// Parts that the dialogues are put into for the question means.
const PARTS: usize = 10;
/// Where the draws of a fit start.
const SEED: u64 = 0;

/// A fitted sum of trees.
#[derive(Clone, Debug)]
pub struct Trees {
    mean: f64,
    questions: Questions,
    trees: Vec<Tree>,
}

/// Means of a question by itself, with device or cloud, and with everything that the shrunk means know.
#[derive(Clone, Debug)]
struct Questions {
    alone: Means,
    placed: Means,
    whole: Means,
}

impl Questions {
    fn fit(samples: &[Sample<'_>]) -> Self {
        Self {
            alone: Means::fit(&[Level::QUESTION.shrunk(5.0)], samples),
            placed: Means::fit(&[Level::QUESTION_PLACE.shrunk(2.0)], samples),
            whole: Means::fit(&SHRUNK_MEANS, samples),
        }
    }
    fn row(&self, context: &Context, action: Action) -> Row {
        let mut row = plain(context, action).to_vec();
        row.extend([&self.alone, &self.placed, &self.whole].map(|means| means.predict(context, action)));
        row
    }
}

impl Trees {
    /// Fits to `samples`; `folds` names the dialogue of each.
    #[must_use]
    pub fn fit(samples: &[Sample<'_>], folds: &[u64]) -> Self {
        let mean = samples.iter().map(|sample| sample.value).sum::<f64>() / samples.len().max(1) as f64;
        let mut fitted = Self { mean, questions: Questions::fit(samples), trees: Vec::new() };
        if samples.is_empty() {
            return fitted;
        }
        let rows = rows(samples, folds);
        let mut left: Vec<f64> = samples.iter().map(|sample| sample.value - mean).collect();
        let mut rng = Rng::for_purpose(SEED, "trees");
        let drawn = ((samples.len() as f64 * SHARE).ceil() as usize).clamp(1, samples.len());
        let mut order: Vec<usize> = (0..samples.len()).collect();
        for _ in 0..TREES {
            rng.shuffle(&mut order);
            let tree = Tree::grow(&rows, &left, order[..drawn].to_vec(), SHAPE);
            left.iter_mut().zip(&rows).for_each(|(left, row)| *left -= RATE * tree.value(row));
            fitted.trees.push(tree);
        }
        fitted
    }
}

/// The features of every sample, its question means fitted without the part that its dialogue is in.
fn rows(samples: &[Sample<'_>], folds: &[u64]) -> Vec<Row> {
    let parts = super::evaluation::parts(folds, PARTS);
    let fitted: Vec<Questions> = (0..PARTS)
        .map(|part| {
            let others = samples.iter().zip(&parts).filter(|(_, own)| **own != part);
            Questions::fit(&others.map(|(sample, _)| *sample).collect::<Vec<_>>())
        })
        .collect();
    samples.iter().zip(parts).map(|(sample, part)| fitted[part].row(sample.context, sample.action)).collect()
}

impl Estimator for Trees {
    fn predict(&self, context: &Context, action: Action) -> f64 {
        let row = self.questions.row(context, action);
        self.trees.iter().fold(self.mean, |sum, tree| sum + RATE * tree.value(&row))
    }
}
