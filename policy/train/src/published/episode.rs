//! A dialogue as the published environment reads it.

use std::path::PathBuf;

use trimtab_core::observation::TMO1_ACTIONS;
use trimtab_core::{Action, ViewSet};

use super::State;
use super::costs::normalised;
use crate::dataset::{LoggedTable, LoggedTurn};

/// Actions of the published environment.
pub const ACTIONS: usize = TMO1_ACTIONS;
/// Views of the published environment.
pub const VIEWS: usize = 3;

/// A dialogue of another number of views than the published environment has.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path}: dialogue {dialogue}: image_paths: {have} views; the published environment has {VIEWS}, use --env trimtab"
)]
pub struct EpisodeError {
    /// The file.
    pub path: PathBuf,
    /// Its number.
    pub dialogue: u64,
    /// Views it has.
    pub have: usize,
}

/// One dialogue; every list has one entry a turn.
#[derive(Clone, PartialEq, Debug)]
pub struct Episode {
    /// Number of the dialogue.
    pub id: u64,
    /// Task index, in the order of [`trimtab_core::TaskKind::KNOWN`].
    pub tasks: Vec<u8>,
    /// Cosine of prompt and each view.
    pub association: Vec<[f64; VIEWS]>,
    /// The logged action.
    pub logged: Vec<u8>,
    /// The logged score; 0 where the answer is a refusal.
    pub scores: Vec<f64>,
}

impl Episode {
    /// The dialogues of a table, in its order.
    pub fn all(table: &LoggedTable) -> Result<Vec<Self>, EpisodeError> {
        table.turns().chunk_by(|a, b| a.dialogue == b.dialogue).map(|turns| Self::of(table, turns)).collect()
    }

    fn of(table: &LoggedTable, turns: &[LoggedTurn]) -> Result<Self, EpisodeError> {
        let id = turns[0].dialogue;
        if let Some(other) = turns.iter().find(|turn| turn.context.association.len() != VIEWS) {
            let path = table.path(id).map(PathBuf::from).unwrap_or_default();
            return Err(EpisodeError { path, dialogue: id, have: other.context.association.len() });
        }
        Ok(Self {
            id,
            tasks: turns.iter().map(|turn| turn.context.task.index().unwrap_or(0) as u8).collect(),
            association: turns
                .iter()
                .map(|turn| std::array::from_fn(|view| f64::from(turn.context.association[view])))
                .collect(),
            logged: turns.iter().map(|turn| turn.action.number(2, VIEWS).unwrap_or(0) as u8).collect(),
            scores: turns.iter().map(|turn| turn.score).collect(),
        })
    }

    /// Number of turns.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.tasks.len()
    }

    /// The state of every turn after these actions, one a turn.
    #[must_use]
    pub fn states(&self, actions: &[u8]) -> Vec<State> {
        let mut states = vec![State::first(self.tasks[0])];
        for (action, task) in actions.iter().zip(&self.tasks[1..]) {
            states.push(states[states.len() - 1].then(usize::from(*action), *task));
        }
        states
    }

    /// The state of every turn as it was logged.
    #[must_use]
    pub fn logged_states(&self) -> Vec<State> {
        self.states(&self.logged)
    }

    /// Association that each action of a turn captures: the sum over its views.
    #[must_use]
    pub fn gain(&self, turn: usize) -> [f64; ACTIONS] {
        std::array::from_fn(|action| views_of(action).iter().map(|view| self.association[turn][view]).sum())
    }

    /// The same, normalised over the actions of the turn.
    #[must_use]
    pub fn normalised_gain(&self, turn: usize) -> [f64; ACTIONS] {
        normalised(&self.gain(turn))
    }
}

/// The views that an action uploads.
#[must_use]
pub fn views_of(action: usize) -> ViewSet {
    Action::all(2, VIEWS).nth(action).map_or(ViewSet::EMPTY, |action| action.views)
}
