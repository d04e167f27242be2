//! Learners: A2C, PPO and DQN in an [`Environment`], and the forms of each that keep to budgets.
//!
//! | term | meaning |
//! |---|---|
//! | episode | one dialogue, from its first turn to its last |
//! | step | one turn |
//! | use | what an action takes of a resource, as a fraction of the episode's budget of it |
//! | share | what a step may use: one over the steps of the episode |
//! | excess | mean use over some steps minus mean share; above zero the budget breaks |
//! | multiplier | the price of using one whole budget, in reward |
//!
//! A learner keeps to budgets in any of three ways, alone or together. [`Constraint::Penalty`] adds to the loss what the policy
//! is expected to use too much: a differentiable number, because it is a sum over the policy's probabilities.
//! [`Constraint::Dual`] takes the price of every use off its reward and moves the price until the budgets hold. The third
//! belongs to the environment: it draws a budget for each episode and shows what remains, so that one policy serves them all.

mod a2c;
mod actor_critic;
mod constraint;
mod curve;
mod dqn;
mod ppo;
pub mod published;
mod replay;
mod rollout;
mod softmax;

use serde::{Deserialize, Serialize};
use trimtab_scenes::Rng;

use crate::network::Mlp;

pub use a2c::A2c;
pub use constraint::Constraint;
pub use curve::CurvePoint;
pub use dqn::Dqn;
pub use ppo::Ppo;

/// Resources that a budget limits: seconds, then USD.
pub const RESOURCES: usize = 2;
/// A use of each resource.
pub type Use = [f32; RESOURCES];

/// Where a learner acts. An episode never ends by running out of time: its last step is final.
pub trait Environment {
    /// Numbers of an observation.
    fn width(&self) -> usize;
    /// Actions, numbered from 0.
    fn actions(&self) -> usize;
    /// Starts an episode.
    fn reset(&mut self, rng: &mut Rng);
    /// What the policy sees now.
    fn observation(&self) -> &[f32];
    /// The expected use of every action, now.
    fn uses(&self) -> &[Use];
    /// The share of this step.
    fn share(&self) -> f32;
    /// Takes an action. After a step that is `done` the observation means nothing, and only [`Environment::reset`] may follow.
    fn step(&mut self, action: usize) -> Step;
}

/// What an action brought.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Step {
    /// To be made large.
    pub reward: f32,
    /// What it took.
    pub used: Use,
    /// Whether the episode is over.
    pub done: bool,
}

/// Everything that a training follows from, besides the environment.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Recipe {
    /// Steps in the environment; PPO and A2C finish the rollout in which they are reached.
    pub steps: usize,
    /// Of first weights, episodes, actions and batches, each its own stream.
    pub seed: u64,
    /// Value of a reward one step later.
    pub discount: f32,
    /// Widths of the hidden layers.
    pub hidden: [usize; 2],
    /// How budgets enter the loss.
    pub constraint: Constraint,
    /// How the policy is learnt.
    pub method: Method,
}

/// A learning method with its parameters.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Advantage actor-critic.
    A2c(A2c),
    /// Proximal policy optimisation.
    Ppo(Ppo),
    /// Deep Q-network.
    Dqn(Dqn),
}

impl Recipe {
    /// As published: 30,000 steps, two hidden layers of 64, no constraint in the loss, and the method's parameters as given.
    #[must_use]
    pub fn published(method: Method, seed: u64) -> Self {
        Self { steps: 30_000, seed, discount: 0.99, hidden: [64, 64], constraint: Constraint::None, method }
    }
}

impl Method {
    /// The method of that name, with the defaults of Stable-Baselines3 2.7: `a2c`, `ppo` or `dqn`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "a2c" => Some(Self::A2c(A2c::default())),
            "ppo" => Some(Self::Ppo(Ppo::default())),
            "dqn" => Some(Self::Dqn(Dqn::default())),
            _ => None,
        }
    }
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::A2c(_) => "a2c",
            Self::Ppo(_) => "ppo",
            Self::Dqn(_) => "dqn",
        }
    }
}

/// What training makes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Trained {
    /// From an observation to one number for each action; the largest is chosen.
    pub network: Mlp,
    /// How training went.
    pub curve: Vec<CurvePoint>,
}

impl Trained {
    /// The action with the largest output, the lowest number among equals.
    #[must_use]
    pub fn choose(&self, observation: &[f32]) -> usize {
        softmax::largest(self.network.trace(observation).outputs())
    }
}

/// Trains a policy; `watch` sees every point of the curve as it is reached.
#[must_use]
pub fn train(environment: &mut dyn Environment, recipe: &Recipe, watch: &mut dyn FnMut(&CurvePoint)) -> Trained {
    match &recipe.method {
        Method::A2c(a2c) => a2c.train(environment, recipe, watch),
        Method::Ppo(ppo) => ppo.train(environment, recipe, watch),
        Method::Dqn(dqn) => dqn.train(environment, recipe, watch),
    }
}

/// Widths of a network for an environment.
fn widths(environment: &dyn Environment, recipe: &Recipe, outputs: usize) -> [usize; 4] {
    [environment.width(), recipe.hidden[0], recipe.hidden[1], outputs]
}
