//! What A2C and PPO share: a network that gives logits of actions, one that gives the value of a state, and their losses.

use trimtab_scenes::Rng;

use super::constraint::{Uses, penalty};
use super::softmax::softmax;
use super::{Environment, Recipe, widths};
use crate::network::{Activation, Mlp, Tape, clip_norm};

/// Scale of the first weights of the hidden layers.
const HIDDEN_GAIN: f32 = core::f32::consts::SQRT_2;
/// Scale of the first weights of the logits: the first policy is nearly even.
const ACTOR_GAIN: f32 = 0.01;
/// Scale of the first weights of the value.
const CRITIC_GAIN: f32 = 1.0;

/// The two networks.
#[derive(Clone, Debug)]
pub(super) struct ActorCritic {
    pub(super) actor: Mlp,
    pub(super) critic: Mlp,
}

impl ActorCritic {
    /// First weights, tanh between the layers.
    pub(super) fn new(environment: &dyn Environment, recipe: &Recipe) -> Self {
        let mut rng = Rng::for_purpose(recipe.seed, "weights");
        let mut network = |outputs, gain| {
            let widths = widths(environment, recipe, outputs);
            Mlp::orthogonal(&widths, Activation::Tanh, HIDDEN_GAIN, gain, &mut rng)
        };
        Self { actor: network(environment.actions(), ACTOR_GAIN), critic: network(1, CRITIC_GAIN) }
    }
}

/// Rows through both networks, the policies they give, and where the gradients are summed.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub(super) actor: Tape,
    pub(super) critic: Tape,
    /// `[rows, actions]`.
    policies: Vec<f32>,
    /// Logarithm of each row's sum of exponentials.
    log_sums: Vec<f32>,
    /// Along the logits, `[rows, actions]`.
    slopes: Vec<f32>,
    pub(super) actor_gradient: Mlp,
    pub(super) critic_gradient: Mlp,
}

/// What is learnt from one row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Lesson {
    /// The action taken.
    pub(super) action: usize,
    /// How much better it was than expected.
    pub(super) advantage: f32,
    /// What the critic should say.
    pub(super) target: f32,
    /// Logarithm of the action's probability when it was taken.
    pub(super) log_probability: f32,
}

/// The terms of the loss.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Terms {
    /// How far the ratio of probabilities may leave 1; none for the plain policy gradient.
    pub(super) clip: Option<f32>,
    /// Weight of the critic's squared error.
    pub(super) value_weight: f32,
    /// Weight of the penalty, if there is one.
    pub(super) lambda: Option<f32>,
    /// Largest length of the gradient of both networks together.
    pub(super) gradient_limit: f32,
}

impl Pass {
    /// Room for so many rows.
    pub(super) fn new(networks: &ActorCritic, rows: usize) -> Self {
        let actions = networks.actor.outputs();
        Self {
            actor: Tape::new(&networks.actor, rows),
            critic: Tape::new(&networks.critic, rows),
            policies: vec![0.0; rows * actions],
            log_sums: vec![0.0; rows],
            slopes: vec![0.0; rows * actions],
            actor_gradient: networks.actor.zeros_like(),
            critic_gradient: networks.critic.zeros_like(),
        }
    }

    /// Sets the input of a row.
    pub(super) fn observe(&mut self, row: usize, observation: &[f32]) {
        self.actor.input_mut(row).copy_from_slice(observation);
        self.critic.input_mut(row).copy_from_slice(observation);
    }

    /// Runs both networks over `count` rows from `first` on.
    pub(super) fn forward(&mut self, networks: &ActorCritic, first: usize, count: usize) {
        self.actor.forward(&networks.actor, first, count);
        self.critic.forward(&networks.critic, first, count);
        let actions = networks.actor.outputs();
        for row in first..first + count {
            let policy = &mut self.policies[row * actions..(row + 1) * actions];
            self.log_sums[row] = softmax(self.actor.outputs(row), policy);
        }
    }

    /// Runs the critic over one row: where only its value is asked for.
    pub(super) fn forward_critic(&mut self, networks: &ActorCritic, row: usize) {
        self.critic.forward(&networks.critic, row, 1);
    }

    /// The probabilities of a row.
    pub(super) fn policy(&self, row: usize) -> &[f32] {
        let actions = self.policies.len() / self.log_sums.len();
        &self.policies[row * actions..(row + 1) * actions]
    }

    /// The value of a row.
    pub(super) fn value(&self, row: usize) -> f32 {
        self.critic.outputs(row)[0]
    }

    /// Logarithm of the probability of an action of a row.
    pub(super) fn log_probability(&self, row: usize, action: usize) -> f32 {
        self.actor.outputs(row)[action] - self.log_sums[row]
    }

    /// The mean loss over the first rows; both gradients are replaced by its own, not yet shortened.
    pub(super) fn backward(
        &mut self,
        networks: &ActorCritic,
        lessons: &[Lesson],
        uses: Uses<'_>,
        terms: &Terms,
    ) -> f32 {
        let (count, actions) = (lessons.len(), networks.actor.outputs());
        let part = 1.0 / count as f32;
        let mut loss = 0.0;
        for (row, lesson) in lessons.iter().enumerate() {
            let (of_policy, along) = policy_loss(lesson, self.log_probability(row, lesson.action), terms.clip);
            let slopes = &mut self.slopes[row * actions..(row + 1) * actions];
            let policy = &self.policies[row * actions..(row + 1) * actions];
            slopes.iter_mut().zip(policy).for_each(|(slope, probability)| *slope = -part * along * probability);
            slopes[lesson.action] += part * along;
            let error = self.value(row) - lesson.target;
            self.critic.slopes_mut(row)[0] = 2.0 * part * terms.value_weight * error;
            loss += part * (of_policy + terms.value_weight * error * error);
        }
        if let Some(lambda) = terms.lambda {
            let (policies, slopes) = (&self.policies[..count * actions], &mut self.slopes[..count * actions]);
            loss += penalty(lambda, policies, uses, slopes);
        }
        for (row, slopes) in self.slopes.chunks_exact(actions).take(count).enumerate() {
            self.actor.slopes_mut(row).copy_from_slice(slopes);
        }
        self.actor_gradient.clear();
        self.critic_gradient.clear();
        self.actor.backward(&networks.actor, count, &mut self.actor_gradient);
        self.critic.backward(&networks.critic, count, &mut self.critic_gradient);
        loss
    }

    /// Shortens both gradients as one.
    pub(super) fn shorten(&mut self, terms: &Terms) {
        clip_norm(&mut [&mut self.actor_gradient, &mut self.critic_gradient], terms.gradient_limit);
    }
}

/// The policy's loss of one row, and its slope along the logarithm of the action's probability.
/// Source: Mnih et al. 2016 without a clip, Schulman et al. 2017 with one.
fn policy_loss(lesson: &Lesson, log_probability: f32, clip: Option<f32>) -> (f32, f32) {
    let Some(clip) = clip else { return (-lesson.advantage * log_probability, -lesson.advantage) };
    let ratio = (log_probability - lesson.log_probability).exp();
    let (free, held) = (ratio * lesson.advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * lesson.advantage);
    if free <= held { (-free, -free) } else { (-held, 0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::Use;

    const ROWS: usize = 6;
    const ACTIONS: usize = 4;

    /// The gradient of every term agrees with finite differences, parameter by parameter, on rows inside, above and below
    /// the clip.
    fn check(terms: &Terms) {
        let mut rng = Rng::for_purpose(9, "actor-critic gradient");
        let mut networks = ActorCritic {
            actor: Mlp::orthogonal(&[5, 8, 6, ACTIONS], Activation::Tanh, HIDDEN_GAIN, 1.0, &mut rng),
            critic: Mlp::orthogonal(&[5, 8, 6, 1], Activation::Tanh, HIDDEN_GAIN, 1.0, &mut rng),
        };
        let parameters = networks.actor.parameters_mut().chain(networks.critic.parameters_mut());
        parameters.for_each(|p| *p += rng.range(-0.2, 0.2));
        let mut pass = Pass::new(&networks, ROWS);
        for row in 0..ROWS {
            let observation: Vec<f32> = (0..5).map(|_| rng.range(-1.0, 1.0)).collect();
            pass.observe(row, &observation);
        }
        pass.forward(&networks, 0, ROWS);
        let lessons: Vec<Lesson> = (0..ROWS)
            .map(|row| {
                let action = row % ACTIONS;
                let moved = [0.0, 0.5, -0.5][row % 3];
                Lesson {
                    action,
                    advantage: if row < 3 { 1.3 } else { -0.7 },
                    target: rng.range(-1.0, 1.0),
                    log_probability: pass.log_probability(row, action) - moved,
                }
            })
            .collect();
        let of_actions: Vec<Use> = (0..ROWS * ACTIONS).map(|_| [rng.unit(), rng.unit()]).collect();
        let uses = Uses { of_actions: &of_actions, shares: &[0.2; ROWS] };
        let loss = |networks: &ActorCritic, pass: &Pass| {
            let mut pass = pass.clone();
            pass.forward(networks, 0, ROWS);
            f64::from(pass.backward(networks, &lessons, uses, terms))
        };
        pass.backward(&networks, &lessons, uses, terms);
        let step = 4e-3;
        let count = networks.actor.parameters().count();
        let slopes = pass.actor_gradient.parameters().chain(pass.critic_gradient.parameters());
        for (index, slope) in slopes.enumerate() {
            let moved = |by: f32| {
                let mut networks = networks.clone();
                let parameter = if index < count {
                    networks.actor.parameters_mut().nth(index)
                } else {
                    networks.critic.parameters_mut().nth(index - count)
                };
                *parameter.unwrap() += by;
                loss(&networks, &pass)
            };
            let measured = ((moved(step) - moved(-step)) / f64::from(2.0 * step)) as f32;
            assert!((slope - measured).abs() < 3e-3 * (1.0 + slope.abs()), "{terms:?} {index}: {slope} {measured}");
        }
    }

    #[test]
    fn the_gradient_of_every_term_is_its_slope() {
        let plain = Terms { clip: None, value_weight: 0.5, lambda: None, gradient_limit: 0.5 };
        check(&plain);
        check(&Terms { clip: Some(0.2), ..plain });
        check(&Terms { lambda: Some(1.5), ..plain });
        check(&Terms { clip: Some(0.2), lambda: Some(1.5), ..plain });
    }

    #[test]
    fn a_clipped_ratio_has_no_slope_where_moving_on_would_pay() {
        let lesson = Lesson { action: 0, advantage: 2.0, target: 0.0, log_probability: 0.0 };
        assert_eq!(policy_loss(&lesson, 0.5, Some(0.2)), (-2.4, 0.0));
        assert_ne!(policy_loss(&lesson, -0.5, Some(0.2)).1, 0.0);
        let worse = Lesson { advantage: -2.0, ..lesson };
        assert_eq!(policy_loss(&worse, -0.5, Some(0.2)), (1.6, 0.0));
        assert_ne!(policy_loss(&worse, 0.5, Some(0.2)).1, 0.0);
    }
}
