//! The published estimator: the five nearest logged states and actions, weighted by nearness. It does not see the prompt.

use trimtab_core::Action;
use trimtab_core::observation::TMO1_WIDTH;

use super::{Estimator, Sample};
use crate::dataset::Context;

/// Neighbours that have a say. Source: the published environment, as [`SOFTENING`].
pub const NEIGHBOURS: usize = 5;
/// Added to a distance, so that an equal state has a finite weight.
pub const SOFTENING: f64 = 1e-6;
/// State, cloud or not, and three views.
const WIDTH: usize = TMO1_WIDTH + 4;

type Point = [f32; WIDTH];

/// Nearest neighbours by Euclidean distance; the one that was logged first is nearer among equals.
#[derive(Clone, Debug)]
pub struct Neighbours {
    points: Vec<(Point, f64)>,
}

impl Neighbours {
    /// Keeps every sample.
    #[must_use]
    pub fn fit(samples: &[Sample<'_>]) -> Self {
        Self { points: samples.iter().map(|sample| (point(sample.context, sample.action), sample.value)).collect() }
    }
}

fn point(context: &Context, action: Action) -> Point {
    let mut point = [0.0; WIDTH];
    point[..TMO1_WIDTH].copy_from_slice(&context.history.observe());
    let used = |view| f32::from(u8::from(action.views.contains(view)));
    point[TMO1_WIDTH..].copy_from_slice(&[f32::from(u8::from(!action.node.is_local())), used(0), used(1), used(2)]);
    point
}

impl Estimator for Neighbours {
    fn predict(&self, context: &Context, action: Action) -> f64 {
        let here = point(context, action);
        // States and actions are small whole numbers, so that these sums are exact.
        let apart = |there: &Point| here.iter().zip(there).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let mut near: Vec<(f32, f64)> = Vec::with_capacity(NEIGHBOURS + 1);
        for (there, value) in &self.points {
            let square = apart(there);
            let rank = near.partition_point(|(other, _)| *other <= square);
            if rank < NEIGHBOURS {
                near.insert(rank, (square, *value));
                near.truncate(NEIGHBOURS);
            }
        }
        let weigh = |(sum, total): (f64, f64), (square, value): &(f32, f64)| {
            let weight = 1.0 / (f64::from(*square).sqrt() + SOFTENING);
            (sum + weight * value, total + weight)
        };
        let (sum, total) = near.iter().fold((0.0, 0.0), weigh);
        if total > 0.0 { sum / total } else { 0.0 }
    }
}
