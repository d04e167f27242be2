//! What is done for each task.

use serde::Serialize;
use trimtab_core::TaskKind;

use super::{Row, Split};
use crate::published::{ACTIONS, CLASSES, class_of};

/// The actions that a contender takes for one task.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Mix {
    /// Name of the task.
    pub task: &'static str,
    /// Share of each class of actions: local, then cloud with no view, one, two and three.
    pub shares: [f64; CLASSES],
}

/// By task, over the runs of a row.
pub(super) fn mix(row: &Row, splits: &[Split]) -> Vec<Mix> {
    let mut counts = [[0.0; CLASSES]; TaskKind::KNOWN.len()];
    for run in &row.runs {
        let Some(split) = splits.iter().find(|split| split.seed == run.split) else { continue };
        for (episode, actions) in split.test.iter().zip(&run.result.actions) {
            for (task, digit) in episode.tasks.iter().zip(actions.bytes()) {
                let action = usize::from(digit.saturating_sub(b'0')).min(ACTIONS - 1);
                counts[usize::from(*task)][class_of(action)] += 1.0;
            }
        }
    }
    let share = |(kind, counts): (TaskKind, [f64; CLASSES])| {
        let total: f64 = counts.iter().sum();
        Mix { task: kind.name(), shares: counts.map(|count| if total > 0.0 { count / total } else { 0.0 }) }
    };
    TaskKind::KNOWN.into_iter().zip(counts).map(share).collect()
}
