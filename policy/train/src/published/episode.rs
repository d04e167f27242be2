//! A dialogue as the published environment reads it.

use std::path::{Path, PathBuf};

use trimtab_core::observation::TMO1_ACTIONS;
use trimtab_core::{Action, ViewSet};

use super::costs::normalised;
use crate::dataset::{DatasetError, Dialogue, Loaded};

/// Actions of the published environment.
pub const ACTIONS: usize = TMO1_ACTIONS;
/// Views of the published environment.
pub const VIEWS: usize = 3;
/// An answer that holds one of these is a refusal: its score counts as 0 (released code).
const REFUSALS: [&str; 3] = ["sorry", "I don't have", "can't"];

/// Why a dialogue does not fit the published environment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EpisodeError {
    /// The file.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Another number of views.
    #[error("{path}: dialogue {dialogue}: image_paths: {have} views; the published environment has {VIEWS}, use --env trimtab")]
    Views {
        /// The file.
        path: PathBuf,
        /// Its number.
        dialogue: u64,
        /// Views it has.
        have: usize,
    },
    /// No turn.
    #[error("{path}: dialogue {dialogue}: interactions: is empty; leave the dialogue out")]
    Empty {
        /// The file.
        path: PathBuf,
        /// Its number.
        dialogue: u64,
    },
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
    fn of(path: &Path, dialogue: &Dialogue) -> Result<Self, EpisodeError> {
        let (path, id) = (path.to_path_buf(), dialogue.id);
        let have = dialogue.image_paths.len();
        if have != VIEWS {
            return Err(EpisodeError::Views { path, dialogue: id, have });
        }
        if dialogue.interactions.is_empty() {
            return Err(EpisodeError::Empty { path, dialogue: id });
        }
        let turns = &dialogue.interactions;
        Ok(Self {
            id,
            tasks: turns.iter().map(|turn| turn.task_cat.kind().index().unwrap_or(0) as u8).collect(),
            association: dialogue
                .association_score
                .iter()
                .map(|row| std::array::from_fn(|view| f64::from(row[view])))
                .collect(),
            logged: turns.iter().map(|turn| logged(turn.action, turn.image_index.as_deref())).collect(),
            scores: turns
                .iter()
                .map(|turn| if is_refusal(&turn.answer) { 0.0 } else { f64::from(turn.score) })
                .collect(),
        })
    }

    /// Number of turns.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.tasks.len()
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

/// Whether an answer counts as a refusal.
#[must_use]
pub(crate) fn is_refusal(answer: &str) -> bool {
    REFUSALS.iter().any(|phrase| answer.contains(phrase))
}

fn logged(place: u8, views: Option<&[usize]>) -> u8 {
    if place == 0 {
        return 0;
    }
    let set = views.unwrap_or_default().iter().fold(ViewSet::EMPTY, |set, view| set.with(*view));
    (1..ACTIONS).find(|action| views_of(*action) == set).unwrap_or(1) as u8
}

/// The views that an action uploads.
pub(super) fn views_of(action: usize) -> ViewSet {
    Action::all(2, VIEWS).nth(action).map_or(ViewSet::EMPTY, |action| action.views)
}

/// Checked dialogues as episodes, in the order of the file.
pub fn episodes(loaded: &Loaded) -> Result<Vec<Episode>, EpisodeError> {
    loaded
        .dialogues
        .iter()
        .map(|(path, dialogue)| {
            crate::dataset::check_dialogue(path, dialogue)?;
            Episode::of(path, dialogue)
        })
        .collect()
}
