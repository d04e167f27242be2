//! Associations: how surely a view shows what is asked, and the one column of a row that reads cosines as they are.

use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::observation::{LinkEstimate, TurnContext, ViewFacts, row};
use trimtab_core::{Action, Millis, NodeIndex, NodeProfile, Preference, Quote, Usd, ViewSet};
use trimtab_engine::Calibration;

use super::material::{Encoders, Material};
use crate::estimator::cholesky::Cholesky;
use crate::features::{Row, column};

/// The likeliest calibration of the new encoder.
pub(super) fn calibration(encoders: &Encoders, material: &Material) -> Calibration {
    let pairs: Vec<(f32, f32)> =
        material.shown(encoders).iter().map(|[_, new]| (new.association, new.surely)).collect();
    Calibration::fit(&pairs)
}

/// Place of the column that holds the mean cosine of a set of views and its weakest view, the last before the quote.
pub(super) fn place() -> usize {
    column("quote") - 1
}

/// Columns that the old one is computed from, counted from the first of the views: number, best, sum, any and share of what
/// the views show, and the column itself. All of them are zero for the empty set, as the old one is.
const READ: [usize; 6] = [0, 2, 3, 4, 6, 7];
/// Penalty on the weights, as a share of the mean square of what is read: columns of small sets say nearly the same.
const PENALTY: f64 = 1e-5;

/// The old column from what a new row says of its set of views, and an offset for sets that hold any.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Column {
    /// Place in the row, and weight.
    pub(super) weights: Vec<(usize, f32)>,
    pub(super) offset: f32,
}

/// One set of views: what a new row says of it, and the old column.
struct Set {
    read: [f64; READ.len()],
    old: f64,
}

impl Column {
    /// By least squares over every set of the views of every moment.
    pub(super) fn fit(encoders: &Encoders, material: &Material) -> Self {
        const SIZE: usize = READ.len();
        let sets = sets(encoders, material);
        let count = sets.len().max(1) as f64;
        let (mut mean, mut aim) = ([0.0; SIZE], 0.0);
        for set in &sets {
            mean.iter_mut().zip(set.read).for_each(|(m, x)| *m += x / count);
            aim += set.old / count;
        }
        let (mut matrix, mut right) = (vec![0.0; SIZE * SIZE], vec![0.0; SIZE]);
        for set in &sets {
            let x: [f64; SIZE] = std::array::from_fn(|place| set.read[place] - mean[place]);
            for i in 0..SIZE {
                right[i] += x[i] * (set.old - aim);
                (0..=i).for_each(|j| matrix[i * SIZE + j] += x[i] * x[j]);
            }
        }
        let spread = (0..SIZE).map(|i| matrix[i * SIZE + i]).sum::<f64>() / SIZE as f64;
        (0..SIZE).for_each(|i| matrix[i * SIZE + i] += (PENALTY * spread).max(f64::MIN_POSITIVE.sqrt()));
        let weights = Cholesky::of(matrix, SIZE).solve(&right);
        let first = column("views");
        let offset = aim - weights.iter().zip(mean).map(|(w, m)| w * m).sum::<f64>();
        Self {
            weights: READ.iter().zip(weights).map(|(place, weight)| (first + place, weight as f32)).collect(),
            offset: offset as f32,
        }
    }

    /// Correlation of old and computed column.
    pub(super) fn correlation(&self, encoders: &Encoders, material: &Material) -> f64 {
        let computed = |set: &Set| -> f64 {
            self.weights.iter().zip(set.read).map(|((_, weight), x)| f64::from(*weight) * x).sum()
        };
        let sets = sets(encoders, material);
        super::measure::correlation(sets.iter().map(|set| (set.old, computed(set) + f64::from(self.offset))))
    }
}

/// Every set but the empty one, of the views of every moment.
fn sets(encoders: &Encoders, material: &Material) -> Vec<Set> {
    let first = column("views");
    let mut found = Vec::new();
    for moment in &material.moments {
        let [old, new] = material.facts(encoders, moment);
        let sets = Action::all(2, moment.seen.len()).map(|action| action.views).filter(|set| !set.is_empty());
        found.extend(sets.map(|set| {
            let seen = seen(&new, set);
            Set {
                read: READ.map(|place| f64::from(seen[first + place])),
                old: f64::from(self::seen(&old, set)[place()]),
            }
        }));
    }
    found
}

/// A row of which only what it says of the views is meant.
fn seen(views: &[ViewFacts], set: ViewSet) -> Row {
    let context = TurnContext {
        prompt: [0.0; PROMPT_FEATURES],
        tasks: [0.0; 4],
        unknown: false,
        turns_before: 0,
        remaining: [1.0; 4],
        link: LinkEstimate { up: true, round_trip: Millis::ZERO, uplink_bits_per_s: 0 },
        memory_headroom: 1.0,
        preference: Preference::default(),
        views,
    };
    let cloud = NodeProfile {
        local: false,
        price_prompt: Usd::ZERO,
        price_completion: Usd::ZERO,
        price_image: Usd::ZERO,
        images_max: u8::MAX,
        latency_p50: Millis::ZERO,
        latency_p95: Millis::ZERO,
        token_time: Millis::ZERO,
        quality: 0.0,
    };
    row(&context, &cloud, Action { node: NodeIndex::LOCAL, views: set }, &Quote::default())
}
