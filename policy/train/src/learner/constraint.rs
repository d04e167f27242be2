//! Budgets in the loss.
//!
//! The penalty is `λ · Σ_j max(g_j, 0)`, where `g_j` is the mean over a batch of the policy's expected use of resource `j`
//! minus the share. The expectation runs over the policy's probabilities, so the penalty has a slope along every logit. A
//! learner of values has no probabilities. What the penalty's slope says of an action, `λ` times its use while `g_j > 0` for the
//! greedy policy, is taken off its reward instead, so that its values stay values of something.
//!
//! The dual form ascends the Lagrangian: the reward becomes `r - Σ_j μ_j · use_j`, and after each step taken every `μ_j` moves
//! by use minus share, and not below zero. The price enters the returns, so what an action makes later ones use counts too.
//! A part in proportion to the recent excess acts before the sum has grown, while the policy still tries other actions, and
//! lets go at once. Sources: Altman 1999, chapter 3, for the Lagrangian of a constrained decision process; Stooke, Achiam and
//! Abbeel 2020 for the proportional part.

use serde::{Deserialize, Serialize};

use super::{RESOURCES, Use};

/// How budgets enter the loss.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Constraint {
    /// Not at all.
    #[default]
    None,
    /// `lambda · Σ max(excess, 0)` of the policy's expected use is added to the loss; 0 switches it off. DQN takes its slope off
    /// the reward.
    Penalty {
        /// Weight against the other terms of the loss.
        lambda: f32,
    },
    /// Multipliers, raised and lowered by dual ascent.
    Dual {
        /// What one step of one whole budget above its share adds to a multiplier.
        rate: f32,
        /// What a recent mean excess of one whole budget a step adds while it lasts.
        gain: f32,
    },
}

/// Largest multiplier: ascent stops here where no policy can keep to the budget.
const MULTIPLIER_MAX: f32 = 100.0;
/// Weight of the present step in the recent mean excess.
const RECENT: f32 = 0.005;

impl Constraint {
    /// Weight of the penalty where none is named: with rewards about 1, one whole budget too much outweighs them.
    pub const PENALTY_LAMBDA: f32 = 3.0;
    /// The dual form where its rates are not named.
    pub const DUAL: Self = Self::Dual { rate: 1e-4, gain: 20.0 };

    /// The weight of the penalty, if there is one.
    pub(super) fn lambda(&self) -> Option<f32> {
        match self {
            Self::Penalty { lambda } if *lambda > 0.0 => Some(*lambda),
            Self::None | Self::Penalty { .. } | Self::Dual { .. } => None,
        }
    }
}

/// What an update knows of its steps: the uses of every action, `[steps, actions]`, and the share of each step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uses<'a> {
    pub(super) of_actions: &'a [Use],
    pub(super) shares: &'a [f32],
}

/// The penalty of policies, `[steps, actions]` probabilities. Its slopes along the logits are added to `slopes`.
pub(super) fn penalty(lambda: f32, policies: &[f32], uses: Uses<'_>, slopes: &mut [f32]) -> f32 {
    let actions = policies.len() / uses.shares.len();
    let each = || policies.chunks_exact(actions).zip(uses.of_actions.chunks_exact(actions));
    let excess = excess(each().map(|(policy, of_actions)| expected(policy, of_actions)), uses.shares);
    let weight = fine(lambda, excess).map(|fine| fine / uses.shares.len() as f32);
    for ((policy, of_actions), slopes) in each().zip(slopes.chunks_exact_mut(actions)) {
        let mean = price(weight, expected(policy, of_actions));
        for ((slope, probability), of_action) in slopes.iter_mut().zip(policy).zip(of_actions) {
            *slope += probability * (price(weight, *of_action) - mean);
        }
    }
    lambda * excess.iter().map(|excess| excess.max(0.0)).sum::<f32>()
}

/// Mean of what steps use above their shares.
pub(super) fn excess(used: impl Iterator<Item = Use>, shares: &[f32]) -> Use {
    let mut sum = [0.0; RESOURCES];
    for (used, share) in used.zip(shares) {
        sum.iter_mut().zip(used).for_each(|(sum, used)| *sum += used - share);
    }
    sum.map(|sum| sum / shares.len() as f32)
}

/// The slope of the penalty along each excess: what one use costs.
pub(super) fn fine(lambda: f32, excess: Use) -> Use {
    excess.map(|excess| if excess > 0.0 { lambda } else { 0.0 })
}

/// What a use costs.
pub(super) fn price(prices: Use, used: Use) -> f32 {
    prices.iter().zip(used).map(|(price, used)| price * used).sum()
}

/// The expected use of one step.
fn expected(policy: &[f32], of_actions: &[Use]) -> Use {
    let mut sum = [0.0; RESOURCES];
    for (probability, of_action) in policy.iter().zip(of_actions) {
        sum.iter_mut().zip(of_action).for_each(|(sum, used)| *sum += probability * used);
    }
    sum
}

/// The prices of the resources under the dual form.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Multipliers {
    sum: Use,
    recent: Use,
    rate: f32,
    gain: f32,
}

impl Multipliers {
    /// All zero; they stay so unless the constraint is a dual one.
    pub(super) fn new(constraint: &Constraint) -> Self {
        let (rate, gain) = match constraint {
            Constraint::Dual { rate, gain } => (*rate, *gain),
            Constraint::None | Constraint::Penalty { .. } => (0.0, 0.0),
        };
        Self { sum: [0.0; RESOURCES], recent: [0.0; RESOURCES], rate, gain }
    }
    /// Moves the prices after a step that was taken.
    pub(super) fn ascend(&mut self, used: Use, share: f32) {
        for ((sum, recent), used) in self.sum.iter_mut().zip(&mut self.recent).zip(used) {
            *sum = (*sum + self.rate * (used - share)).clamp(0.0, MULTIPLIER_MAX);
            *recent += RECENT * (used - share - *recent);
        }
    }
    /// The prices.
    pub(super) fn value(&self) -> Use {
        std::array::from_fn(|j| (self.sum[j] + self.gain * self.recent[j]).clamp(0.0, MULTIPLIER_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::softmax::softmax;
    use trimtab_scenes::Rng;

    const STEPS: usize = 6;
    const ACTIONS: usize = 4;

    fn loss(logits: &[f32], uses: Uses<'_>, slopes: &mut [f32]) -> f32 {
        let mut policies = vec![0.0; logits.len()];
        for (logits, policy) in logits.chunks_exact(ACTIONS).zip(policies.chunks_exact_mut(ACTIONS)) {
            softmax(logits, policy);
        }
        penalty(1.7, &policies, uses, slopes)
    }

    #[test]
    fn the_gradient_of_the_penalty_is_its_slope() {
        let mut rng = Rng::for_purpose(11, "penalty");
        let of_actions: Vec<Use> = (0..STEPS * ACTIONS).map(|_| [rng.unit(), rng.unit()]).collect();
        // The first resource is short and the second is not: one half of the hinge is flat.
        let shares = [0.3; STEPS];
        let of_actions: Vec<Use> = of_actions.into_iter().map(|[a, b]| [a, 0.2 * b]).collect();
        let uses = Uses { of_actions: &of_actions, shares: &shares };
        let logits: Vec<f32> = (0..STEPS * ACTIONS).map(|_| rng.range(-1.0, 1.0)).collect();
        let mut slopes = vec![0.0; logits.len()];
        loss(&logits, uses, &mut slopes);
        assert!(slopes.iter().any(|slope| slope.abs() > 1e-2), "the hinge is open: {slopes:?}");
        for index in 0..logits.len() {
            let moved = |by: f32| {
                let mut logits = logits.clone();
                logits[index] += by;
                loss(&logits, uses, &mut [0.0; STEPS * ACTIONS])
            };
            let measured = (moved(2e-3) - moved(-2e-3)) / 4e-3;
            assert!((slopes[index] - measured).abs() < 1e-3, "{index}: {} against {measured}", slopes[index]);
        }
    }

    #[test]
    fn within_the_budget_the_penalty_is_nothing() {
        let uses = Uses { of_actions: &[[0.1, 0.2]; STEPS * ACTIONS], shares: &[0.5; STEPS] };
        let mut slopes = vec![0.0; STEPS * ACTIONS];
        assert_eq!(loss(&[0.0; STEPS * ACTIONS], uses, &mut slopes), 0.0);
        assert!(slopes.iter().all(|slope| *slope == 0.0));
    }

    #[test]
    fn prices_rise_above_the_share_and_fall_below_it() {
        let mut multipliers = Multipliers::new(&Constraint::Dual { rate: 0.5, gain: 0.0 });
        multipliers.ascend([1.0, 0.1], 0.5);
        assert_eq!(multipliers.value(), [0.25, 0.0]);
        assert_eq!(price(multipliers.value(), [2.0, 9.0]), 0.5);
        multipliers.ascend([0.0, 0.0], 0.25);
        assert_eq!(multipliers.value(), [0.125, 0.0]);
    }

    #[test]
    fn a_lasting_excess_is_priced_in_proportion() {
        let mut multipliers = Multipliers::new(&Constraint::Dual { rate: 0.0, gain: 10.0 });
        (0..2_000).for_each(|_| multipliers.ascend([0.7, 0.3], 0.5));
        let [short, ample] = multipliers.value();
        assert!((short - 2.0).abs() < 1e-2 && ample == 0.0, "{short} {ample}");
    }
}
