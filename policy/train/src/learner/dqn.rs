//! Deep Q-network: the value of every action, learnt from steps kept and drawn again. Source: Mnih et al. 2015.

use serde::{Deserialize, Serialize};
use trimtab_scenes::Rng;

use super::constraint::{excess, fine, price};
use super::curve::{CurvePoint, Walk};
use super::replay::{Outcome, Replay};
use super::softmax::largest;
use super::{Environment, RESOURCES, Recipe, Trained, Use, widths};
use crate::network::{Activation, Adam, Mlp, Tape, clip_norm};

/// Parameters; the defaults are those of Stable-Baselines3 2.7.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Dqn {
    /// Learning rate.
    pub rate: f32,
    /// Steps kept.
    pub kept: usize,
    /// Steps taken at random before the first update.
    pub warmup: usize,
    /// Steps of a batch.
    pub batch: usize,
    /// Steps between updates.
    pub update_every: usize,
    /// Steps between two renewals of the network that targets come from.
    pub renew_every: usize,
    /// Share of training over which the chance of a random action falls from 1 to `random_last`.
    pub random_share: f32,
    /// Chance of a random action afterwards.
    pub random_last: f32,
    /// Largest length of a gradient.
    pub gradient_limit: f32,
}

impl Default for Dqn {
    fn default() -> Self {
        Self {
            rate: 1e-4,
            kept: 1_000_000,
            warmup: 100,
            batch: 32,
            update_every: 4,
            renew_every: 10_000,
            random_share: 0.1,
            random_last: 0.05,
            gradient_limit: 10.0,
        }
    }
}

/// The buffers of an update.
struct Update {
    online: Tape,
    target: Tape,
    gradient: Mlp,
    outcomes: Vec<Outcome>,
    /// `[batch, actions]`.
    uses: Vec<Use>,
    shares: Vec<f32>,
    /// What the value of each step's action should be.
    goals: Vec<f32>,
}

impl Dqn {
    pub(super) fn train(
        &self,
        environment: &mut dyn Environment,
        recipe: &Recipe,
        watch: &mut dyn FnMut(&CurvePoint),
    ) -> Trained {
        let mut weights = Rng::for_purpose(recipe.seed, "weights");
        let widths = widths(environment, recipe, environment.actions());
        let mut online = Mlp::uniform(&widths, Activation::Relu, &mut weights);
        let mut target = online.clone();
        let mut adam = Adam::new(&online);
        let mut update = Update::new(&online, self.batch.max(1));
        let mut replay = Replay::new(environment, self.kept);
        let (mut rng, mut batches) =
            (Rng::for_purpose(recipe.seed, "actions"), Rng::for_purpose(recipe.seed, "batches"));
        let mut acting = Tape::new(&online, 1);
        let mut walk = Walk::new(environment, recipe, watch);
        while walk.steps() < recipe.steps {
            let random = self.random_chance(walk.steps() as f32 / recipe.steps as f32);
            let action = if walk.steps() < self.warmup || rng.chance(random) {
                rng.below(walk.environment().actions())
            } else {
                acting.input_mut(0).copy_from_slice(walk.environment().observation());
                acting.forward(&online, 0, 1);
                largest(acting.outputs(0))
            };
            keep(&mut walk, action, &mut replay);
            if walk.steps().is_multiple_of(self.renew_every.max(1)) {
                target.clone_from(&online);
            }
            if walk.steps() > self.warmup && walk.steps().is_multiple_of(self.update_every.max(1)) {
                update.draw(&replay, &mut batches);
                update.forward(&online, &target);
                update.aim(walk.multipliers(), recipe.constraint.lambda(), recipe.discount);
                update.backward(&online);
                clip_norm(&mut [&mut update.gradient], self.gradient_limit);
                adam.step(&mut online, &update.gradient, self.rate, 0.0);
            }
        }
        Trained { network: online, curve: walk.into_curve() }
    }

    /// Chance of a random action after this share of training.
    fn random_chance(&self, done: f32) -> f32 {
        let fallen = (done / self.random_share.max(f32::MIN_POSITIVE)).min(1.0);
        1.0 + fallen * (self.random_last - 1.0)
    }
}

/// Takes an action and keeps the step. An episode that is done is followed by the next.
fn keep(walk: &mut Walk<'_>, action: usize, replay: &mut Replay) {
    let (before, uses) = (walk.environment().observation().to_vec(), walk.environment().uses().to_vec());
    let share = walk.environment().share();
    let step = walk.step(action);
    let outcome = Outcome { action, reward: step.reward, used: step.used, done: step.done, share };
    replay.push(&before, &uses, outcome, walk.environment().observation());
    if step.done {
        walk.reset();
    }
}

impl Update {
    fn new(network: &Mlp, batch: usize) -> Self {
        Self {
            online: Tape::new(network, batch),
            target: Tape::new(network, batch),
            gradient: network.zeros_like(),
            outcomes: Vec::with_capacity(batch),
            uses: Vec::with_capacity(batch * network.outputs()),
            shares: Vec::with_capacity(batch),
            goals: vec![0.0; batch],
        }
    }

    /// Draws steps, each as likely, with repetition.
    fn draw(&mut self, replay: &Replay, rng: &mut Rng) {
        self.outcomes.clear();
        self.uses.clear();
        self.shares.clear();
        for row in 0..self.online.rows() {
            let index = rng.below(replay.len());
            self.online.input_mut(row).copy_from_slice(replay.before(index));
            self.target.input_mut(row).copy_from_slice(replay.after(index));
            self.uses.extend_from_slice(replay.uses(index));
            self.outcomes.push(*replay.outcome(index));
            self.shares.push(replay.outcome(index).share);
        }
    }

    /// Runs the network over what was seen before each step, and the one that targets come from over what was seen after it.
    fn forward(&mut self, online: &Mlp, target: &Mlp) {
        self.online.forward(online, 0, self.online.rows());
        self.target.forward(target, 0, self.target.rows());
    }

    /// Sets the goals: the reward, less the price of what was used, and the best value afterwards. The prices are the
    /// multipliers and the slope of the penalty of the greedy policy.
    fn aim(&mut self, multipliers: Use, lambda: Option<f32>, discount: f32) {
        let fines = lambda.map_or([0.0; RESOURCES], |lambda| fine(lambda, self.greedy_excess()));
        for (row, (goal, outcome)) in self.goals.iter_mut().zip(&self.outcomes).enumerate() {
            let values = self.target.outputs(row);
            let later = if outcome.done { 0.0 } else { discount * values[largest(values)] };
            *goal = outcome.reward - price(multipliers, outcome.used) - price(fines, outcome.used) + later;
        }
    }

    /// What the greedy policy uses above the shares.
    fn greedy_excess(&self) -> Use {
        let actions = self.uses.len() / self.shares.len();
        let used = self.uses.chunks_exact(actions).enumerate();
        excess(used.map(|(row, of_actions)| of_actions[largest(self.online.outputs(row))]), &self.shares)
    }

    /// The mean loss of the batch; the gradient is replaced by its own, not yet shortened.
    fn backward(&mut self, online: &Mlp) -> f32 {
        let rows = self.online.rows();
        let mut loss = 0.0;
        for (row, (goal, outcome)) in self.goals.iter().zip(&self.outcomes).enumerate() {
            let error = self.online.outputs(row)[outcome.action] - goal;
            loss += huber(error) / rows as f32;
            let slopes = self.online.slopes_mut(row);
            slopes.fill(0.0);
            slopes[outcome.action] = error.clamp(-1.0, 1.0) / rows as f32;
        }
        self.gradient.clear();
        self.online.backward(online, rows, &mut self.gradient);
        loss
    }
}

/// Half the square of a small error; a large one counts in proportion. Source: Huber 1964.
fn huber(error: f32) -> f32 {
    if error.abs() < 1.0 { 0.5 * error * error } else { error.abs() - 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: usize = 6;
    const ACTIONS: usize = 4;
    const IDLE: Outcome = Outcome { action: 0, reward: 0.0, used: [0.0; RESOURCES], done: true, share: 0.2 };

    /// The gradient agrees with finite differences, parameter by parameter, on small and large errors.
    #[test]
    fn the_gradient_of_the_loss_is_its_slope() {
        let mut rng = Rng::for_purpose(13, "value gradient");
        let uniform = Mlp::uniform(&[5, 8, 6, ACTIONS], Activation::Relu, &mut rng);
        // Without the kinks of ReLU, which finite differences would straddle.
        let network = Mlp { activation: Activation::Tanh, ..uniform };
        let mut update = Update::new(&network, ROWS);
        for row in 0..ROWS {
            update.online.input_mut(row).iter_mut().for_each(|x| *x = rng.range(-1.0, 1.0));
            update.outcomes.push(Outcome { action: row % ACTIONS, ..IDLE });
            update.goals[row] = if row % 2 == 0 { rng.range(-0.5, 0.5) } else { 3.0 };
        }
        update.forward(&network, &network);
        update.backward(&network);
        let gradient = update.gradient.clone();
        let step = 4e-3;
        for (index, slope) in gradient.parameters().enumerate() {
            let mut moved = |by: f32| {
                let mut network = network.clone();
                *network.parameters_mut().nth(index).unwrap() += by;
                update.forward(&network, &network);
                f64::from(update.backward(&network))
            };
            let measured = ((moved(step) - moved(-step)) / f64::from(2.0 * step)) as f32;
            assert!((slope - measured).abs() < 3e-3 * (1.0 + slope.abs()), "{index}: {slope} {measured}");
        }
    }

    /// While the greedy policy uses too much of a resource, and only then, its use costs `lambda`.
    #[test]
    fn the_penalty_prices_a_resource_that_runs_short() {
        let network = Mlp::uniform(&[5, 8, 6, ACTIONS], Activation::Relu, &mut Rng::for_purpose(14, "values"));
        let mut update = Update::new(&network, ROWS);
        for _ in 0..ROWS {
            update.outcomes.push(Outcome { reward: 2.0, used: [0.5, 0.5], ..IDLE });
            update.shares.push(0.2);
            update.uses.extend([[0.3, 0.1]; ACTIONS]);
        }
        update.forward(&network, &network);
        update.aim([0.0, 0.0], Some(2.0), 0.9);
        assert_eq!(update.goals, [1.0; ROWS]);
        update.aim([0.1, 0.3], None, 0.9);
        assert_eq!(update.goals, [1.8; ROWS]);
    }

    #[test]
    fn chance_falls_to_its_last_value() {
        let dqn = Dqn::default();
        assert_eq!(dqn.random_chance(0.0), 1.0);
        assert!((dqn.random_chance(0.05) - 0.525).abs() < 1e-5);
        assert!((dqn.random_chance(0.5) - 0.05).abs() < 1e-5);
    }
}
