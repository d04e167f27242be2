//! Fits the estimate of quality: logistic regression of "the answer was right" on every action that was run, by a small
//! network. One action is a sample of its own, so nothing has to be inferred about actions not taken.

use trimtab_core::{Action, Preference, ViewSet};
use trimtab_scenes::Rng;

use crate::dataset::{Table, Tried, Turn};
use crate::features::{Normaliser, Row, rows};
use crate::network::{Adam, Mlp, logistic_loss};
use crate::policy::{Origin, Policy, widths};
use crate::projection::Projection;

/// How to fit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Recipe {
    /// Of first weights, order and missing views.
    pub seed: u64,
    /// Passes over the training turns.
    pub epochs: usize,
    /// First learning rate; it falls to zero along half a cosine.
    pub rate: f32,
    /// Decoupled weight decay.
    pub decay: f32,
}

/// Most passes.
pub const EPOCHS_MAX: usize = 10_000;
/// Samples of one step.
const BATCH: usize = 128;
/// A turn has one local action among many cloud ones; it counts as much as this many.
const LOCAL_WEIGHT: f32 = 4.0;
/// Chance that a turn is shown with one camera missing: a set without it has the same outcome.
const MISSING_VIEW: f32 = 0.15;
/// Every so-many-th dialogue is kept out of the fit, to choose the pass and to score.
pub const HELD_OUT_ONE_IN: usize = 6;

impl Default for Recipe {
    fn default() -> Self {
        Self { seed: 1, epochs: 40, rate: 3e-3, decay: 1e-2 }
    }
}

/// What a pass achieved.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Progress {
    /// Passes done.
    pub epoch: usize,
    /// Mean loss over the training samples of the pass.
    pub training: f32,
    /// Mean loss over the turns kept out.
    pub held_out: f32,
}

struct Sample {
    x: Vec<f32>,
    right: bool,
    local: bool,
}

/// A policy before its first pass: prompt projection and normaliser of the table's training turns, random weights.
#[must_use]
pub fn untrained(table: &Table, seed: u64) -> Policy {
    let (training, _) = table.split(HELD_OUT_ONE_IN);
    let projection = Projection::fit(training.iter().map(|turn| turn.embedding.as_slice()));
    let neutral = Preference::default();
    let plain: Vec<Row> =
        training.iter().flat_map(|turn| rows(turn, projection.apply(&turn.embedding), &neutral)).collect();
    let origin = Origin {
        seed,
        dataset_sha256: table.sha256().into(),
        turns: table.turns().len(),
        encoder_sha256: table.encoder_sha256().into(),
        views: table.views().to_vec(),
        prompt_range: prompt_range(table, &projection),
        scores: serde_json::Value::Null,
    };
    Policy {
        normaliser: Normaliser::fit(plain.iter()),
        projection,
        network: Mlp::random(&widths(), &mut Rng::for_purpose(seed, "weights")),
        view_threshold: 0.0,
        origin,
    }
}

/// Fits a policy to a table. Dialogues kept out of the fit choose the pass whose weights are kept; `watch` sees every pass.
/// The view threshold is left at zero: see [`crate::calibrate`].
#[must_use]
pub fn fit(table: &Table, recipe: &Recipe, watch: &mut dyn FnMut(Progress)) -> Policy {
    let mut policy = untrained(table, recipe.seed);
    let (training, held_out) = table.split(HELD_OUT_ONE_IN);
    let (projection, normaliser) = (&policy.projection, &policy.normaliser);
    let neutral = Preference::default();
    let samples = |turn: &Turn| -> Vec<Sample> {
        let sample = |(row, tried): (&Row, &Tried)| Sample {
            x: normaliser.apply(row),
            right: tried.right,
            local: tried.action == Action::LOCAL,
        };
        let rows = rows(turn, projection.apply(&turn.embedding), &neutral);
        rows.iter().zip(&turn.tried).map(sample).collect()
    };
    let judge: Vec<Sample> = held_out.iter().flat_map(|turn| samples(turn)).collect();

    let mut rng = Rng::for_purpose(recipe.seed, "order");
    let mut network = policy.network.clone();
    let mut adam = Adam::new(&network);
    let mut best = (f32::INFINITY, network.clone());
    let epochs = recipe.epochs.clamp(1, EPOCHS_MAX);
    for epoch in 0..epochs {
        let mut pass: Vec<Sample> = training
            .iter()
            .flat_map(|turn| {
                let blind = rng.chance(MISSING_VIEW) && !turn.views.is_empty();
                let lost = rng.below(turn.views.len());
                if blind { samples(&without_view(turn, lost)) } else { samples(turn) }
            })
            .collect();
        rng.shuffle(&mut pass);
        let done = epoch as f32 / epochs as f32;
        let rate = recipe.rate * 0.5 * (1.0 + (core::f32::consts::PI * done).cos());
        let training = one_pass(&mut network, &mut adam, &pass, rate, recipe.decay);
        let held_out = mean_loss(&network, if judge.is_empty() { &pass } else { &judge });
        if held_out < best.0 {
            best = (held_out, network.clone());
        }
        watch(Progress { epoch: epoch + 1, training, held_out });
    }
    policy.network = best.1;
    policy
}

/// The turn as it would have been with one camera missing.
fn without_view(turn: &Turn, lost: usize) -> Turn {
    let mut turn = turn.clone();
    turn.views[lost].available = false;
    turn.tried.retain(|tried| !tried.action.views.includes(ViewSet::EMPTY.with(lost)));
    turn
}

fn weight(sample: &Sample) -> f32 {
    if sample.local { LOCAL_WEIGHT } else { 1.0 }
}

fn one_pass(network: &mut Mlp, adam: &mut Adam, pass: &[Sample], rate: f32, decay: f32) -> f32 {
    let (mut loss, mut total) = (0.0, 0.0);
    for batch in pass.chunks(BATCH) {
        let mass: f32 = batch.iter().map(weight).sum();
        let mut gradient = network.zeros_like();
        for sample in batch {
            let share = weight(sample) / mass;
            loss += mass * network.learn(&sample.x, f32::from(u8::from(sample.right)), share, &mut gradient);
        }
        total += mass;
        adam.step(network, &gradient, rate, decay);
    }
    loss / total.max(1.0)
}

fn mean_loss(network: &Mlp, samples: &[Sample]) -> f32 {
    let total: f32 = samples.iter().map(weight).sum();
    let one = |s: &Sample| weight(s) * logistic_loss(network.logit(&s.x), f32::from(u8::from(s.right)));
    samples.iter().map(one).sum::<f32>() / total.max(1.0)
}

fn prompt_range(table: &Table, projection: &Projection) -> Vec<[f32; 2]> {
    let mut range = vec![[f32::INFINITY, f32::NEG_INFINITY]; trimtab_core::limits::PROMPT_FEATURES];
    for turn in table.turns() {
        for (seen, x) in range.iter_mut().zip(projection.apply(&turn.embedding)) {
            *seen = [seen[0].min(x), seen[1].max(x)];
        }
    }
    range
}
