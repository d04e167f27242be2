//! A2C, PPO and DQN and their RC forms, trained on a recorded table.

use trimtab_core::{Action, Preference};

use super::conversation::play;
use super::environment::{Limit, Recorded, actions, observe};
use crate::dataset::Turn;
use crate::learner::published::{CONSTRAINED, Training};
use crate::learner::{Constraint, CurvePoint, Environment, Method, Recipe, Trained, train};

/// A policy over the actions of a table.
#[derive(Clone, PartialEq, Debug)]
pub struct Learnt {
    actions: Vec<Action>,
    limit: Option<Limit>,
    trained: Trained,
    width: usize,
}

impl Learnt {
    /// Names of the learners.
    pub const NAMES: [&str; 6] = Training::NAMES;

    /// Trains the learner of that name, if there is one, on these turns. An RC form keeps to `limit`: it sees what is left, earns
    /// nothing once it is overdrawn, and is penalised for what it is expected to use too much.
    #[must_use]
    pub fn train(
        name: &str,
        turns: &[&Turn],
        preference: &Preference,
        limit: Limit,
        seed: u64,
        watch: &mut dyn FnMut(&CurvePoint),
    ) -> Option<Self> {
        let (method, limit) = match name.strip_prefix(CONSTRAINED) {
            Some(method) => (method, Some(limit)),
            None => (name, None),
        };
        let mut recipe = Recipe::published(Method::from_name(method)?, seed);
        if limit.is_some() {
            recipe.constraint = Constraint::Penalty { lambda: Constraint::PENALTY_LAMBDA };
        }
        let mut environment = Recorded::new(turns, preference, limit);
        let trained = train(&mut environment, &recipe, watch);
        Some(Self { actions: actions(turns), limit, trained, width: environment.width() })
    }

    /// The places of what it chooses among the tried actions of these turns.
    #[must_use]
    pub fn choose(&self, turns: &[&Turn]) -> Vec<usize> {
        let mut observation = vec![0.0; self.width];
        play(turns, |turn, conversation, length| {
            observe(conversation, self.limit, length, &mut observation);
            let trace = self.trained.network.trace(&observation);
            let score = |action: Action| {
                let number = self.actions.iter().position(|known| *known == action);
                number.map_or(f32::NEG_INFINITY, |number| trace.outputs()[number])
            };
            turn.tried.iter().map(|tried| score(tried.action)).collect()
        })
    }
}
