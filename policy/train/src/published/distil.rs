//! The plan in a small network: what a device can run, for any budget.
//!
//! The network learns, over states that the plan reaches under many budgets, the plan's own worth of each action, as the chances
//! that a soft choice by worth would give. Actions that the budget does not allow have no chance, so the network keeps budgets
//! by itself as far as it can; the shield keeps them for certain.

use serde::Serialize;
use trimtab_scenes::Rng;

use super::encoding::{Ramp, observe, ramps};
use super::plan::{Plan, Planned, TURNS_PLANNED};
use super::state::TASKS;
use super::{ACTIONS, Budget, Costs, Response, State};
use crate::network::{Adam, Mlp, Tape};

/// Budgets that the published results are given for, and one tighter.
pub const NAMED_BUDGETS: [Budget; 5] = [
    Budget::PUBLISHED,
    Budget { seconds: 15.0, usd: 0.025 },
    Budget { seconds: 10.0, usd: 0.01 },
    Budget { seconds: 7.0, usd: 0.006 },
    Budget { seconds: 5.0, usd: 0.006 },
];

/// How to distil.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct DistilRecipe {
    /// Of budgets, detours, first weights and order.
    pub seed: u64,
    /// Budgets drawn beside the named ones.
    pub drawn: usize,
    /// Passes over the labelled states.
    pub epochs: usize,
    /// First learning rate; it falls to zero along half a cosine.
    pub rate: f32,
    /// Widths of the hidden layers.
    pub hidden: [usize; 2],
}

impl Default for DistilRecipe {
    fn default() -> Self {
        Self { seed: 1, drawn: 12, epochs: 100, rate: 3e-3, hidden: [96, 64] }
    }
}

/// Chance that the walk through a plan's states also looks at another action than the plan's.
const DETOUR: f32 = 0.2;
/// Difference in a turn's reward that makes an action e times less likely to be the soft choice.
const SOFTNESS: f64 = 0.02;
/// States of one step.
const BATCH: usize = 128;

/// A state with what the plan says of it.
struct Sample {
    features: Vec<f32>,
    chances: [f32; ACTIONS],
    weight: f32,
}

/// Distils a plan into a network over the ramps of layout `tmo-1-rc`, one score for each action; `watch` sees the mean loss of
/// every pass.
#[must_use]
pub fn distil(
    plan: &Plan,
    response: &Response,
    costs: &Costs,
    recipe: &DistilRecipe,
    watch: &mut dyn FnMut(f32),
) -> (Vec<Ramp>, Mlp) {
    let ramps = ramps();
    let mut rng = Rng::for_purpose(recipe.seed, "distil");
    let mut samples = Vec::new();
    let drawn: Vec<Budget> = (0..recipe.drawn).map(|_| draw(costs, &mut rng)).collect();
    for budget in NAMED_BUDGETS.into_iter().chain(drawn) {
        let planned = plan.within(budget);
        let mut walk =
            Walk { planned: &planned, response, costs, budget, ramps: &ramps, rng: &mut rng, samples: &mut samples };
        for task in 0..TASKS {
            walk.from(0, State::first(task as u8), Budget::NOTHING);
        }
    }
    let widths = [ramps.len(), recipe.hidden[0], recipe.hidden[1], ACTIONS];
    let mut network = Mlp::random(&widths, &mut rng);
    let (mut adam, mut gradient, mut tape) = (Adam::new(&network), network.zeros_like(), Tape::new(&network, BATCH));
    let mut order: Vec<usize> = (0..samples.len()).collect();
    for epoch in 0..recipe.epochs {
        rng.shuffle(&mut order);
        let steps = order.len().div_ceil(BATCH);
        let mut loss = 0.0;
        for (step, batch) in order.chunks(BATCH).enumerate() {
            let done = (epoch as f32 + step as f32 / steps as f32) / recipe.epochs as f32;
            let rate = recipe.rate * 0.5 * (1.0 + (std::f32::consts::PI * done).cos());
            gradient.clear();
            loss += learn(&network, &samples, batch, &mut tape, &mut gradient);
            adam.step(&mut network, &gradient, rate, 0.0);
        }
        watch(loss / samples.len() as f32);
    }
    (ramps, network)
}

/// A budget between all local and all views in every turn, even on a logarithmic scale.
fn draw(costs: &Costs, rng: &mut Rng) -> Budget {
    let turns = TURNS_PLANNED as f32;
    let mut between = |low: f64, high: f64| {
        let (low, high) = (turns * low as f32, turns * high as f32);
        f64::from(low * (high / low).powf(rng.unit()))
    };
    let dearest = costs.seconds.iter().copied().fold(0.0, f64::max);
    Budget { seconds: between(costs.seconds[0], dearest), usd: between(costs.usd[1] / 10.0, costs.usd[4]) }
}

struct Walk<'a> {
    planned: &'a Planned<'a>,
    response: &'a Response,
    costs: &'a Costs,
    budget: Budget,
    ramps: &'a [Ramp],
    rng: &'a mut Rng,
    samples: &'a mut Vec<Sample>,
}

impl Walk<'_> {
    /// Labels a state and, after the plan's action and now and then another one, every state that may follow.
    fn from(&mut self, turn: usize, state: State, spent: Budget) {
        let worth = self.planned.worth(self.response, state);
        let weight = self.planned.weight(turn);
        let observation = observe(state, self.budget.less(spent));
        self.samples.push(Sample {
            features: self.ramps.iter().map(|ramp| ramp.of(&observation)).collect(),
            chances: soft(&worth, SOFTNESS * weight),
            weight: weight as f32,
        });
        if turn + 1 == self.planned.turns() {
            return;
        }
        let chosen = super::evaluation::best(&worth);
        let other = self.rng.below(ACTIONS);
        let detour = other != chosen && worth[other].is_finite() && self.rng.chance(DETOUR);
        for action in std::iter::once(chosen).chain(detour.then_some(other)) {
            for task in 0..TASKS {
                self.from(turn + 1, state.then(action, task as u8), spent.plus(self.costs, action));
            }
        }
    }
}

fn soft(worth: &[f64; ACTIONS], scale: f64) -> [f32; ACTIONS] {
    let best = worth.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let odds = worth.map(|worth| ((worth - best) / scale).exp());
    let total: f64 = odds.iter().sum();
    odds.map(|odds| (odds / total) as f32)
}

/// Cross-entropy between the plan's chances and the network's; adds its gradient.
fn learn(network: &Mlp, samples: &[Sample], batch: &[usize], tape: &mut Tape, gradient: &mut Mlp) -> f32 {
    for (row, sample) in batch.iter().enumerate() {
        tape.input_mut(row).copy_from_slice(&samples[*sample].features);
    }
    tape.forward(network, 0, batch.len());
    let total: f32 = batch.iter().map(|sample| samples[*sample].weight).sum();
    let mut loss = 0.0;
    for (row, sample) in batch.iter().enumerate() {
        let sample = &samples[*sample];
        let outputs: [f32; ACTIONS] = std::array::from_fn(|action| tape.outputs(row)[action]);
        let most = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = outputs.iter().map(|output| (output - most).exp()).sum();
        for (action, slope) in tape.slopes_mut(row).iter_mut().enumerate() {
            let log = outputs[action] - most - sum.ln();
            *slope = sample.weight / total * (log.exp() - sample.chances[action]);
            loss -= sample.chances[action] * log;
        }
    }
    tape.backward(network, batch.len(), gradient);
    loss
}
