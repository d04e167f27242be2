//! Associations: how surely a view shows what is asked, and the one column of a row that reads cosines as they are.

use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::observation::{LinkEstimate, TurnContext, ViewFacts, row};
use trimtab_core::{Action, Millis, NodeIndex, NodeProfile, Preference, Quote, Usd, ViewSet};
use trimtab_engine::Calibration;

use super::material::{Encoders, Material};
use crate::features::column;

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

/// The old column from the new one, for sets that hold a view: `scale · new + offset`. For the empty set both are zero.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Column {
    pub(super) scale: f32,
    pub(super) offset: f32,
}

impl Column {
    /// By least squares over every set of the views of every moment.
    pub(super) fn fit(encoders: &Encoders, material: &Material) -> Self {
        let pairs = pairs(encoders, material);
        let count = pairs.len().max(1) as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
        let (old, new) = (mean(|p| p.0), mean(|p| p.1));
        let (mut covariance, mut variance) = (0.0, 0.0);
        for (a, b) in &pairs {
            covariance += (a - old) * (b - new);
            variance += (b - new).powi(2);
        }
        let scale = if variance > 0.0 { covariance / variance } else { 0.0 };
        Self { scale: scale as f32, offset: (old - scale * new) as f32 }
    }

    /// Correlation of old and mapped column.
    pub(super) fn correlation(&self, encoders: &Encoders, material: &Material) -> f64 {
        let mapped = |(old, new): (f64, f64)| (old, f64::from(self.scale) * new + f64::from(self.offset));
        super::measure::correlation(pairs(encoders, material).into_iter().map(mapped))
    }
}

/// The column by the old and the new encoder, for every set but the empty one.
fn pairs(encoders: &Encoders, material: &Material) -> Vec<(f64, f64)> {
    let mut found = Vec::new();
    for moment in &material.moments {
        let [old, new] = material.facts(encoders, moment);
        let sets = Action::all(2, moment.seen.len()).map(|action| action.views).filter(|set| !set.is_empty());
        found.extend(sets.map(|set| (f64::from(of(&old, set)), f64::from(of(&new, set)))));
    }
    found
}

/// The column as a row holds it; it depends on the views alone.
fn of(views: &[ViewFacts], set: ViewSet) -> f32 {
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
    row(&context, &cloud, Action { node: NodeIndex::LOCAL, views: set }, &Quote::default())[place()]
}
