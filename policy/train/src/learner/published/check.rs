//! What training data must be.

use trimtab_core::observation::TMO1_ACTIONS;

use super::{Amount, TrainingDialogue, TrainingTurn};

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
    #[error("action {action}: its cost is {seconds} s and {usd} USD; both must be positive numbers")]
    Cost {
        /// Which.
        action: usize,
        /// As given.
        seconds: f32,
        /// As given.
        usd: f32,
    },
}

pub(super) fn costs(costs: &[Amount; TMO1_ACTIONS]) -> Result<(), EnvironmentError> {
    for (action, &[seconds, usd]) in costs.iter().enumerate() {
        let right = |amount: f32| amount.is_finite() && amount > 0.0;
        if !right(seconds) || !right(usd) {
            return Err(EnvironmentError::Cost { action, seconds, usd });
        }
    }
    Ok(())
}

pub(super) fn dialogues(dialogues: &[TrainingDialogue]) -> Result<(), EnvironmentError> {
    if dialogues.is_empty() {
        return Err(EnvironmentError::Empty);
    }
    for dialogue in dialogues {
        if dialogue.turns.is_empty() {
            return Err(EnvironmentError::NoTurns { dialogue: dialogue.id });
        }
        for (number, turn) in dialogue.turns.iter().enumerate() {
            if let Some((field, what)) = fault(turn) {
                return Err(EnvironmentError::Field { dialogue: dialogue.id, turn: number, field, what });
            }
        }
    }
    Ok(())
}

/// The first field that cannot be right, and why.
fn fault(turn: &TrainingTurn) -> Option<(&'static str, String)> {
    if turn.task.index().is_none() {
        return Some(("task", format!("{} is none of the four published tasks", turn.task.name())));
    }
    if turn.logged >= TMO1_ACTIONS {
        return Some(("action", format!("{} is not below {TMO1_ACTIONS}", turn.logged)));
    }
    let strange = |values: &[f32]| values.iter().copied().find(|value| !value.is_finite());
    if let Some(value) = strange(&turn.association) {
        return Some(("association", format!("{value} is not a number")));
    }
    strange(&turn.scores).map(|value| ("score", format!("{value} is not a number")))
}
