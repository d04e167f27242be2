//! The published learners by name, and one training of any of them.

use serde::{Deserialize, Serialize};
use trimtab_core::observation::Layout;

use super::{EnvironmentError, NextState, Published, Regime};
use crate::learner::{CurvePoint, Method, Recipe, Trained, train};
use crate::published::{Costs, Episode, ResponseModel};

/// Before the name of a method: its published RC form.
pub(crate) const CONSTRAINED: &str = "rc-";

/// Everything that a training in the published environment follows from, besides the dialogues.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Training {
    /// How to learn.
    pub recipe: Recipe,
    /// How budgets enter the environment.
    pub regime: Regime,
    /// Which actions the next state carries.
    pub next_state: NextState,
}

impl Training {
    /// Names of the published learners.
    pub const NAMES: [&str; 6] = ["a2c", "ppo", "dqn", "rc-a2c", "rc-ppo", "rc-dqn"];

    /// The published learner of that name.
    #[must_use]
    pub fn published(name: &str, seed: u64) -> Option<Self> {
        let (method, regime) = match name.strip_prefix(CONSTRAINED) {
            Some(method) => (method, Regime::CONSTRAINED),
            None => (name, Regime::PLAIN),
        };
        let recipe = Recipe::published(Method::from_name(method)?, seed);
        Some(Self { recipe, regime, next_state: NextState::Logged })
    }

    /// What the policy reads.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        if self.regime.shown.is_some() { Layout::Tmo1Rc } else { Layout::Tmo1 }
    }

    /// Trains a policy that reads seconds and USD as they are; `watch` sees every point of the curve as it is reached.
    pub fn learn(
        &self,
        episodes: &[Episode],
        responses: &dyn ResponseModel,
        costs: &Costs,
        watch: &mut dyn FnMut(&CurvePoint),
    ) -> Result<Trained, EnvironmentError> {
        let mut environment = Published::new(episodes, responses, costs, self.regime, self.next_state)?;
        let trained = train(&mut environment, &self.recipe, watch);
        Ok(environment.unscale(trained))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_learner_and_its_layout_follows() {
        for name in Training::NAMES {
            let training = Training::published(name, 1).unwrap();
            let width = if name.starts_with(CONSTRAINED) { 27 } else { 25 };
            assert_eq!(training.layout().width(), width, "{name}");
        }
        assert_eq!(Training::published("rc-planner", 1), None);
    }
}
