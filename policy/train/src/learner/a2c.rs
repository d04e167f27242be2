//! Advantage actor-critic: short rollouts, one update each. Source: Mnih et al. 2016, in its synchronous form.

use serde::{Deserialize, Serialize};
use trimtab_scenes::Rng;

use super::actor_critic::{ActorCritic, Pass, Terms};
use super::constraint::price;
use super::curve::{CurvePoint, Walk};
use super::rollout::{Rollout, Taken};
use super::softmax::draw;
use super::{Environment, Recipe, Trained};
use crate::network::RmsProp;

/// Parameters; the defaults are those of Stable-Baselines3 2.7.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct A2c {
    /// Steps of a rollout.
    pub rollout: usize,
    /// Learning rate.
    pub rate: f32,
    /// Decay of the advantage estimate; 1 takes every later reward whole.
    pub advantage_decay: f32,
    /// Weight of the critic's squared error.
    pub value_weight: f32,
    /// Largest length of a gradient.
    pub gradient_limit: f32,
    /// Decay of the optimiser's mean square.
    pub rms_decay: f32,
    /// Keeps the optimiser's quotient finite.
    pub rms_epsilon: f32,
}

impl Default for A2c {
    fn default() -> Self {
        Self {
            rollout: 5,
            rate: 7e-4,
            advantage_decay: 1.0,
            value_weight: 0.5,
            gradient_limit: 0.5,
            rms_decay: 0.99,
            rms_epsilon: 1e-5,
        }
    }
}

impl A2c {
    pub(super) fn train(
        &self,
        environment: &mut dyn Environment,
        recipe: &Recipe,
        watch: &mut dyn FnMut(&CurvePoint),
    ) -> Trained {
        let terms = Terms {
            clip: None,
            value_weight: self.value_weight,
            lambda: recipe.constraint.lambda(),
            gradient_limit: self.gradient_limit,
        };
        let mut networks = ActorCritic::new(environment, recipe);
        let length = self.rollout.max(1);
        // One row more than the rollout has: the state after it.
        let mut pass = Pass::new(&networks, length + 1);
        let mut rollout = Rollout::new(environment.width());
        let optimiser = |network| RmsProp::new(network, self.rms_decay, self.rms_epsilon);
        let (mut of_actor, mut of_critic) = (optimiser(&networks.actor), optimiser(&networks.critic));
        let mut rng = Rng::for_purpose(recipe.seed, "actions");
        let mut walk = Walk::new(environment, recipe, watch);
        while walk.steps() < recipe.steps {
            rollout.clear();
            for row in 0..length {
                rollout.saw(walk.environment());
                pass.observe(row, walk.environment().observation());
                pass.forward(&networks, row, 1);
                rollout.took(take(&mut walk, &pass, row, &mut rng));
            }
            pass.observe(length, walk.environment().observation());
            pass.forward_critic(&networks, length);
            rollout.judge(pass.value(length), recipe.discount, self.advantage_decay);
            pass.backward(&networks, rollout.lessons(), rollout.uses(), &terms);
            pass.shorten(&terms);
            of_actor.step(&mut networks.actor, &pass.actor_gradient, self.rate);
            of_critic.step(&mut networks.critic, &pass.critic_gradient, self.rate);
        }
        Trained { network: networks.actor, curve: walk.into_curve() }
    }
}

/// Draws an action from the policy of a row and takes it; the price of its use comes off the reward. An episode that is done
/// is followed by the next.
pub(super) fn take(walk: &mut Walk<'_>, pass: &Pass, row: usize, rng: &mut Rng) -> Taken {
    let action = draw(pass.policy(row), rng);
    let step = walk.step(action);
    let reward = step.reward - price(walk.multipliers(), step.used);
    if step.done {
        walk.reset();
    }
    let (log_probability, value) = (pass.log_probability(row, action), pass.value(row));
    Taken { action, log_probability, value, reward, done: step.done }
}
