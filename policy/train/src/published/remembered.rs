//! An estimate that is asked once for each state: for those who come to the same states again and again.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::{ACTIONS, ResponseModel, State};

/// Most states that are remembered; further ones are asked for again.
const STATES_MAX: usize = 1 << 20;

/// A model of one state, whatever episode and turn it is in, with what it has said.
pub struct Remembered<'a> {
    model: &'a (dyn ResponseModel + Sync),
    known: RwLock<HashMap<State, [f64; ACTIONS]>>,
}

impl<'a> Remembered<'a> {
    /// Nothing asked yet. The model must not look at episode and turn.
    #[must_use]
    pub fn new(model: &'a (dyn ResponseModel + Sync)) -> Self {
        Self { model, known: RwLock::default() }
    }
}

impl ResponseModel for Remembered<'_> {
    fn responses(&self, episode: usize, turn: usize, state: State) -> [f64; ACTIONS] {
        if let Some(found) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&state) {
            return *found;
        }
        let found = self.model.responses(episode, turn, state);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < STATES_MAX {
            known.insert(state, found);
        }
        found
    }
}
