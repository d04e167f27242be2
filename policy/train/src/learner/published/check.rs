//! What training data must be.

use crate::published::{ACTIONS, CLASSES, Costs, Episode, TASKS};

/// Why there is nothing to train in.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// No dialogues.
    #[error("there is no dialogue to train on; give at least one")]
    Empty,
    /// A dialogue without turns.
    #[error("dialogue {dialogue}: it has no turns; leave it out")]
    NoTurns {
        /// Its number.
        dialogue: u64,
    },
    /// A field of a turn that cannot be right.
    #[error("dialogue {dialogue}, turn {turn}: {field}: {what}")]
    Field {
        /// Its number.
        dialogue: u64,
        /// From 0.
        turn: usize,
        /// Which.
        field: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A cost that is no positive number.
    #[error("actions of class {class}: their cost is {seconds} s and {usd} USD; both must be positive numbers")]
    Cost {
        /// 0 local, 1 + number of views otherwise.
        class: usize,
        /// As given.
        seconds: f64,
        /// As given.
        usd: f64,
    },
}

pub(super) fn costs(costs: &Costs) -> Result<(), EnvironmentError> {
    let right = |amount: f64| amount.is_finite() && amount > 0.0;
    match (0..CLASSES).find(|class| !right(costs.seconds[*class]) || !right(costs.usd[*class])) {
        Some(class) => Err(EnvironmentError::Cost { class, seconds: costs.seconds[class], usd: costs.usd[class] }),
        None => Ok(()),
    }
}

pub(super) fn episodes(episodes: &[Episode]) -> Result<(), EnvironmentError> {
    if episodes.is_empty() {
        return Err(EnvironmentError::Empty);
    }
    for episode in episodes {
        if episode.turns() == 0 {
            return Err(EnvironmentError::NoTurns { dialogue: episode.id });
        }
        for turn in 0..episode.turns() {
            if let Some((field, what)) = fault(episode, turn) {
                return Err(EnvironmentError::Field { dialogue: episode.id, turn, field, what });
            }
        }
    }
    Ok(())
}

/// The first field of a turn that cannot be right, and why.
fn fault(episode: &Episode, turn: usize) -> Option<(&'static str, String)> {
    let (task, action, score) = (episode.tasks[turn], episode.logged[turn], episode.scores[turn]);
    if usize::from(task) >= TASKS {
        return Some(("task", format!("{task} is not below {TASKS}")));
    }
    if usize::from(action) >= ACTIONS {
        return Some(("action", format!("{action} is not below {ACTIONS}")));
    }
    if let Some(strange) = episode.association[turn].iter().find(|value| !value.is_finite()) {
        return Some(("association", format!("{strange} is not a finite number")));
    }
    (!score.is_finite()).then(|| ("score", format!("{score} is not a finite number")))
}
