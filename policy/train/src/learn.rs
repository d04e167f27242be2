//! Fits the estimate of quality to "the answer was right" on every action that was run, or to another figure of it in 0..=1, by
//! a small network.
//!
//! Over the actions `a` of one turn, with estimates `q`, targets `y`, errors `e = q - y` and weights `w` that sum to one,
//! the loss is
//!
//! ```text
//! Σ w · -(y ln q + (1 - y) ln(1 - q))  +  CONTRAST · Σ w · (e - Σ w e)²
//! ```
//!
//! The first term calibrates. The second looks at differences between actions of the same turn, which are all that decides:
//! how hard the turn is cancels out of it, and with it most of the noise.

use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::{Action, Preference, ViewSet};
use trimtab_scenes::Rng;

use crate::dataset::{Table, Tried, Turn};
use crate::features::{Normaliser, Row, rows};
use crate::network::{Adam, Mlp, Trace, logistic_loss, normal, sigmoid};
use crate::policy::{Origin, Policy, QUALITY_REGRESSION, widths};
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
/// Turns of one step.
const BATCH: usize = 8;
/// Weight of the differences within a turn.
const CONTRAST: f32 = 32.0;
/// A turn has one local action among many cloud ones; it counts as much as this many.
const LOCAL_WEIGHT: f32 = 4.0;
/// Chance that a turn is shown with one camera missing: a set without it has the same outcome.
const MISSING_VIEW: f32 = 0.15;
/// Spread of the noise on each prompt number, in standard deviations of that number.
const PROMPT_NOISE: f32 = 0.3;
/// Every so-many-th dialogue is kept out of the fit, to choose the pass and to score.
pub const HELD_OUT_ONE_IN: usize = 6;

impl Default for Recipe {
    fn default() -> Self {
        Self { seed: 1, epochs: 40, rate: 3e-3, decay: 0.5 }
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

/// A turn with what each of its tried actions is to be estimated at.
#[derive(Clone, PartialEq, Debug)]
pub struct Lesson<'a> {
    /// The turn.
    pub turn: &'a Turn,
    /// One for each tried action, 0..=1.
    pub targets: Vec<f32>,
}

impl<'a> Lesson<'a> {
    /// To estimate how good the answers of some turns are.
    fn of_outcomes(turns: &[&'a Turn]) -> Vec<Self> {
        let score = |tried: &Tried| tried.score;
        turns.iter().map(|turn| Self { turn, targets: turn.tried.iter().map(score).collect() }).collect()
    }
}

/// One action of a turn.
struct Sample {
    x: Vec<f32>,
    target: f32,
    weight: f32,
}

/// A policy before its first pass: prompt projection and normaliser of the table's training turns, random weights.
#[must_use]
pub fn untrained(table: &Table, seed: u64) -> Policy {
    prepared(table, &table.split(HELD_OUT_ONE_IN).0, seed)
}

/// The same with the projection and normaliser of some of the table's turns.
#[must_use]
pub fn prepared(table: &Table, training: &[&Turn], seed: u64) -> Policy {
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
        algorithm: QUALITY_REGRESSION.into(),
        further: Default::default(),
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
    let (training, held_out) = table.split(HELD_OUT_ONE_IN);
    let policy = prepared(table, &training, recipe.seed);
    fit_to(policy, &Lesson::of_outcomes(&training), &Lesson::of_outcomes(&held_out), recipe, watch)
}

/// Fits a prepared policy to lessons. The weights of the pass that judges, or without any the lessons themselves, like best are
/// kept.
#[must_use]
pub fn fit_to(
    mut policy: Policy,
    lessons: &[Lesson<'_>],
    judges: &[Lesson<'_>],
    recipe: &Recipe,
    watch: &mut dyn FnMut(Progress),
) -> Policy {
    let (projection, normaliser) = (&policy.projection, &policy.normaliser);
    let neutral = Preference::default();
    let samples = |turn: &Turn, targets: &[f32]| -> Vec<Sample> {
        let rows = rows(turn, projection.apply(&turn.embedding), &neutral);
        let mass: f32 = turn.tried.iter().map(weight).sum();
        let sample = |((row, tried), target): ((&Row, &Tried), &f32)| Sample {
            x: normaliser.apply(row),
            target: *target,
            weight: weight(tried) / mass,
        };
        rows.iter().zip(&turn.tried).zip(targets).map(sample).collect()
    };
    let judges: Vec<Vec<Sample>> = judges.iter().map(|judge| samples(judge.turn, &judge.targets)).collect();

    let mut rng = Rng::for_purpose(recipe.seed, "order");
    let mut network = policy.network.clone();
    let mut adam = Adam::new(&network);
    let mut best = (f32::INFINITY, network.clone());
    let epochs = recipe.epochs.clamp(1, EPOCHS_MAX);
    for epoch in 0..epochs {
        let mut pass: Vec<Vec<Sample>> = lessons
            .iter()
            .map(|Lesson { turn, targets }| {
                let blind = rng.chance(MISSING_VIEW) && !turn.views.is_empty();
                let lost = rng.below(turn.views.len());
                let mut seen = if blind {
                    let (turn, targets) = without_view(turn, targets, lost);
                    samples(&turn, &targets)
                } else {
                    samples(turn, targets)
                };
                rephrase(&mut seen, &mut rng);
                seen
            })
            .collect();
        rng.shuffle(&mut pass);
        let done = epoch as f32 / epochs as f32;
        let rate = recipe.rate * 0.5 * (1.0 + (core::f32::consts::PI * done).cos());
        let training = one_pass(&mut network, &mut adam, &pass, rate, recipe.decay);
        let held_out = mean_loss(&network, if judges.is_empty() { &pass } else { &judges });
        if held_out < best.0 {
            best = (held_out, network.clone());
        }
        watch(Progress { epoch: epoch + 1, training, held_out });
    }
    policy.network = best.1;
    policy
}

/// The turn as it would have been with one camera missing, and the targets of the actions that are left.
fn without_view(turn: &Turn, targets: &[f32], lost: usize) -> (Turn, Vec<f32>) {
    let lost_set = ViewSet::EMPTY.with(lost);
    let left = |(tried, _): &(&Tried, &f32)| !tried.action.views.includes(lost_set);
    let targets = turn.tried.iter().zip(targets).filter(left).map(|(_, target)| *target).collect();
    let mut turn = turn.clone();
    turn.views[lost].available = false;
    turn.tried.retain(|tried| !tried.action.views.includes(lost_set));
    (turn, targets)
}

/// Moves the prompt's numbers a little, the same way for every action: other words for the same wish lie nearby.
fn rephrase(turn: &mut [Sample], rng: &mut Rng) {
    let noise: [f32; PROMPT_FEATURES] = std::array::from_fn(|_| PROMPT_NOISE * normal(rng));
    for sample in turn {
        sample.x.iter_mut().zip(&noise).for_each(|(x, noise)| *x += noise);
    }
}

fn weight(tried: &Tried) -> f32 {
    if tried.action == Action::LOCAL { LOCAL_WEIGHT } else { 1.0 }
}

fn one_pass(network: &mut Mlp, adam: &mut Adam, pass: &[Vec<Sample>], rate: f32, decay: f32) -> f32 {
    let mut loss = 0.0;
    for batch in pass.chunks(BATCH) {
        let mut gradient = network.zeros_like();
        for turn in batch {
            loss += learn(network, turn, 1.0 / batch.len() as f32, &mut gradient);
        }
        adam.step(network, &gradient, rate, decay);
    }
    loss / pass.len().max(1) as f32
}

fn mean_loss(network: &Mlp, turns: &[Vec<Sample>]) -> f32 {
    let logits = |turn: &[Sample]| -> Vec<f32> { turn.iter().map(|sample| network.logit(&sample.x)).collect() };
    turns.iter().map(|turn| loss_and_slopes(turn, &logits(turn)).0).sum::<f32>() / turns.len().max(1) as f32
}

/// The loss of one turn; its gradient, times `share`, is added to `gradient`.
fn learn(network: &Mlp, turn: &[Sample], share: f32, gradient: &mut Mlp) -> f32 {
    let traces: Vec<Trace> = turn.iter().map(|sample| network.trace(&sample.x)).collect();
    let (loss, slopes) = loss_and_slopes(turn, &traces.iter().map(Trace::logit).collect::<Vec<_>>());
    for (trace, slope) in traces.iter().zip(slopes) {
        network.backward(trace, &[share * slope], gradient);
    }
    loss
}

/// The loss of one turn and its slope along each logit.
fn loss_and_slopes(turn: &[Sample], logits: &[f32]) -> (f32, Vec<f32>) {
    let error = |(sample, logit): (&Sample, &f32)| sigmoid(*logit) - sample.target;
    let errors: Vec<f32> = turn.iter().zip(logits).map(error).collect();
    let mean: f32 = turn.iter().zip(&errors).map(|(sample, e)| sample.weight * e).sum();
    let mut loss = 0.0;
    let mut slopes = Vec::with_capacity(turn.len());
    for ((sample, logit), e) in turn.iter().zip(logits).zip(&errors) {
        let quality = e + sample.target;
        let apart = e - mean;
        loss += sample.weight * (logistic_loss(*logit, sample.target) + CONTRAST * apart * apart);
        // The mean's own slope drops out, because weighted departures from it sum to zero.
        slopes.push(sample.weight * (e + 2.0 * CONTRAST * apart * quality * (1.0 - quality)));
    }
    (loss, slopes)
}

fn prompt_range(table: &Table, projection: &Projection) -> Vec<[f32; 2]> {
    let mut range = vec![[f32::INFINITY, f32::NEG_INFINITY]; PROMPT_FEATURES];
    for turn in table.turns() {
        for (seen, x) in range.iter_mut().zip(projection.apply(&turn.embedding)) {
            *seen = [seen[0].min(x), seen[1].max(x)];
        }
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gradient agrees with finite differences of the loss, parameter by parameter.
    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let mut rng = Rng::for_purpose(7, "gradient");
        let mut network = Mlp::random(&[5, 6, 4, 1], &mut rng);
        // A larger last layer and biases off zero: every path carries a slope.
        network.parameters_mut().for_each(|p| *p += rng.range(-0.4, 0.4));
        let turn: Vec<Sample> = (0..8)
            .map(|i| Sample {
                x: (0..5).map(|_| rng.range(-1.5, 1.5)).collect(),
                target: (i % 2) as f32,
                weight: (1 + i) as f32 / 36.0,
            })
            .collect();
        let mut gradient = network.zeros_like();
        learn(&network, &turn, 1.0, &mut gradient);
        let step = 2e-3;
        for (index, slope) in gradient.parameters().enumerate() {
            let moved = |by: f32| {
                let mut network = network.clone();
                *network.parameters_mut().nth(index).unwrap() += by;
                f64::from(learn(&network, &turn, 1.0, &mut network.zeros_like()))
            };
            let measured = ((moved(step) - moved(-step)) / f64::from(2.0 * step)) as f32;
            assert!(
                (slope - measured).abs() < 5e-3 * (1.0 + slope.abs()),
                "parameter {index}: {slope} against {measured}"
            );
        }
    }
}
