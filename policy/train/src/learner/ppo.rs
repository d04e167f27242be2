//! Proximal policy optimisation: long rollouts, several passes over each in small batches, with the ratio of new to old
//! probabilities clipped. Source: Schulman et al. 2017.

use serde::{Deserialize, Serialize};
use trimtab_scenes::Rng;

use super::a2c::take;
use super::actor_critic::{ActorCritic, Lesson, Pass, Terms};
use super::constraint::Uses;
use super::curve::{CurvePoint, Walk};
use super::rollout::Rollout;
use super::{Environment, Recipe, Trained, Use};
use crate::network::Adam;

/// Keeps the division by the spread of a batch's advantages finite.
const SPREAD_EPSILON: f32 = 1e-8;

/// Parameters; the defaults are those of Stable-Baselines3 2.7.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Ppo {
    /// Steps of a rollout.
    pub rollout: usize,
    /// Steps of a batch.
    pub batch: usize,
    /// Passes over a rollout.
    pub epochs: usize,
    /// How far a ratio may leave 1.
    pub clip: f32,
    /// Learning rate.
    pub rate: f32,
    /// Decay of the advantage estimate.
    pub advantage_decay: f32,
    /// Weight of the critic's squared error.
    pub value_weight: f32,
    /// Largest length of a gradient.
    pub gradient_limit: f32,
    /// Keeps the optimiser's quotient finite.
    pub adam_epsilon: f32,
}

impl Default for Ppo {
    fn default() -> Self {
        Self {
            rollout: 2_048,
            batch: 64,
            epochs: 10,
            clip: 0.2,
            rate: 3e-4,
            advantage_decay: 0.95,
            value_weight: 0.5,
            gradient_limit: 0.5,
            adam_epsilon: 1e-5,
        }
    }
}

/// Steps of a rollout gathered for one update.
#[derive(Default)]
struct Batch {
    lessons: Vec<Lesson>,
    uses: Vec<Use>,
    shares: Vec<f32>,
}

impl Ppo {
    pub(super) fn train(
        &self,
        environment: &mut dyn Environment,
        recipe: &Recipe,
        watch: &mut dyn FnMut(&CurvePoint),
    ) -> Trained {
        let terms = Terms {
            clip: Some(self.clip),
            value_weight: self.value_weight,
            lambda: recipe.constraint.lambda(),
            gradient_limit: self.gradient_limit,
        };
        let mut networks = ActorCritic::new(environment, recipe);
        let (length, size) = (self.rollout.max(1), self.batch.max(1));
        let mut pass = Pass::new(&networks, size);
        let mut rollout = Rollout::new(environment.width());
        let optimiser = |network| Adam::with_epsilon(network, self.adam_epsilon);
        let (mut of_actor, mut of_critic) = (optimiser(&networks.actor), optimiser(&networks.critic));
        let mut rng = Rng::for_purpose(recipe.seed, "actions");
        let mut order_rng = Rng::for_purpose(recipe.seed, "batches");
        let mut order: Vec<usize> = (0..length).collect();
        let mut batch = Batch::default();
        let mut walk = Walk::new(environment, recipe, watch);
        while walk.steps() < recipe.steps {
            rollout.clear();
            for _ in 0..length {
                rollout.saw(walk.environment());
                pass.observe(0, walk.environment().observation());
                pass.forward(&networks, 0, 1);
                rollout.took(take(&mut walk, &pass, 0, &mut rng));
            }
            pass.observe(0, walk.environment().observation());
            pass.forward_critic(&networks, 0);
            rollout.judge(pass.value(0), recipe.discount, self.advantage_decay);
            for _ in 0..self.epochs {
                order_rng.shuffle(&mut order);
                for chosen in order.chunks(size) {
                    batch.gather(&rollout, chosen, &mut pass);
                    pass.forward(&networks, 0, chosen.len());
                    pass.backward(&networks, &batch.lessons, batch.uses(), &terms);
                    pass.shorten(&terms);
                    of_actor.step(&mut networks.actor, &pass.actor_gradient, self.rate, 0.0);
                    of_critic.step(&mut networks.critic, &pass.critic_gradient, self.rate, 0.0);
                }
            }
        }
        Trained { network: networks.actor, curve: walk.into_curve() }
    }
}

impl Batch {
    /// Takes the chosen steps, with their advantages brought to mean 0 and spread 1, and sets the rows of the pass.
    fn gather(&mut self, rollout: &Rollout, chosen: &[usize], pass: &mut Pass) {
        let all = rollout.uses();
        let actions = all.of_actions.len() / all.shares.len();
        self.lessons.clear();
        self.uses.clear();
        self.shares.clear();
        for (row, &index) in chosen.iter().enumerate() {
            pass.observe(row, rollout.observation(index));
            self.lessons.push(rollout.lessons()[index]);
            self.uses.extend_from_slice(&all.of_actions[index * actions..(index + 1) * actions]);
            self.shares.push(all.shares[index]);
        }
        if let [_, _, ..] = self.lessons[..] {
            let count = self.lessons.len() as f32;
            let mean = self.lessons.iter().map(|lesson| lesson.advantage).sum::<f32>() / count;
            let square = self.lessons.iter().map(|lesson| (lesson.advantage - mean).powi(2)).sum::<f32>();
            let spread = (square / (count - 1.0)).sqrt() + SPREAD_EPSILON;
            self.lessons.iter_mut().for_each(|lesson| lesson.advantage = (lesson.advantage - mean) / spread);
        }
    }
    fn uses(&self) -> Uses<'_> {
        Uses { of_actions: &self.uses, shares: &self.shares }
    }
}
