//! Gradient-boosted trees for what the shrunk means leave: association, place in the dialogue, the action before.
//! Source: Friedman 2001, with a share of the turns for each tree as in Friedman 2002.
//!
//! In fitting, the mean of a turn comes from other dialogues than its own: else the trees would read its score there.

use trimtab_core::Action;
use trimtab_scenes::Rng;

use super::features::{WIDTH, plain};
use super::means::{Means, SHRUNK_MEANS};
use super::tree::{Row, Shape, Tree};
use super::{Estimator, Sample};
use crate::dataset::Context;

/// Trees that are added up.
const TREES: usize = 40;
/// Share of a tree's values that is added.
const RATE: f64 = 0.03;
/// Share of the turns that each tree is grown on.
const SHARE: f64 = 0.6;
/// Size of each tree.
const SHAPE: Shape = Shape { depth: 2, leaf: 30 };
/// Parts that the dialogues are put into for the question means.
const PARTS: usize = 10;
/// Where the draws of a fit start.
const SEED: u64 = 0;

/// Shrunk means, and trees for what they leave.
#[derive(Clone, Debug)]
pub struct Trees {
    means: Means,
    trees: Vec<Tree>,
}

fn row(means: &Means, context: &Context, action: Action) -> Row {
    let mut row = plain(context, action).to_vec();
    row.push(means.predict(context, action));
    row
}

impl Trees {
    /// Fits to `samples`; `dialogues` names the dialogue of each.
    #[must_use]
    pub fn fit(samples: &[Sample<'_>], dialogues: &[u64]) -> Self {
        let mut fitted = Self { means: Means::fit(&SHRUNK_MEANS, samples), trees: Vec::new() };
        if samples.is_empty() {
            return fitted;
        }
        let rows = rows(samples, dialogues);
        let left = |(sample, row): (&Sample<'_>, &Row)| sample.value - row[WIDTH];
        let mut left: Vec<f64> = samples.iter().zip(&rows).map(left).collect();
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

/// The features of every sample, its mean fitted without the part that its dialogue is in.
fn rows(samples: &[Sample<'_>], dialogues: &[u64]) -> Vec<Row> {
    let parts = super::evaluation::parts(dialogues, PARTS);
    let fitted: Vec<Means> = (0..PARTS)
        .map(|part| {
            let others = samples.iter().zip(&parts).filter(|(_, own)| **own != part);
            Means::fit(&SHRUNK_MEANS, &others.map(|(sample, _)| *sample).collect::<Vec<_>>())
        })
        .collect();
    samples.iter().zip(parts).map(|(sample, part)| row(&fitted[part], sample.context, sample.action)).collect()
}

impl Estimator for Trees {
    fn predict(&self, context: &Context, action: Action) -> f64 {
        let row = row(&self.means, context, action);
        self.trees.iter().fold(row[WIDTH], |sum, tree| sum + RATE * tree.value(&row))
    }
}
