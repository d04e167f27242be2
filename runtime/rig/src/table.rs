//! A task → action table, fitted by running every action: what a decision is worth that sees the task and nothing else.

use crate::choosing::{Choosing, TaskTable};
use crate::pace::Pace;
use crate::recording::{FrameSize, Recording};
use crate::value::value;
use crate::world::{Settings, World, WorldError};
use std::sync::Arc;
use trimtab_core::{Action, TaskKind};
use trimtab_scenes::Split;

/// Seed of the training conversation.
pub const TABLE_SEED: u64 = 77;
/// Its turns; every action of each is run.
pub const TABLE_TURNS: usize = 32;

/// Fits a table on training scenes: for each task that the classifier names, the action with the highest mean value.
///
/// # Errors
/// The world does not start, or a turn cannot be asked.
pub async fn fit(settings: &Settings) -> Result<TaskTable, WorldError> {
    let recording = Recording::generate(TABLE_SEED, Split::Train, TABLE_TURNS, FrameSize::default())?;
    let settings = Settings {
        pace: Pace::Skipped,
        choosing: Choosing::DefaultRule,
        view_threshold: Some(0.0),
        serve: false,
        ..settings.clone()
    };
    let mut world = World::start(settings.clone(), Arc::new(recording)).await?;
    let actions: Vec<Action> = world.actions();
    let mut sums = vec![[0.0_f64; TaskKind::KNOWN.len()]; actions.len()];
    for turn in 0..TABLE_TURNS {
        for (action, sums) in actions.iter().zip(&mut sums) {
            let outcome = world.turn_only(turn, *action).await?;
            if let Some(sum) = outcome.record.task.index().and_then(|task| sums.get_mut(task)) {
                *sum += value(&settings.preference, outcome.right, &outcome.record);
            }
        }
    }
    world.stop().await;
    // Every action of a turn falls under the same task, so sums rank as means do.
    let best = |task: usize| {
        let ranked = actions.iter().zip(&sums).max_by(|a, b| a.1[task].total_cmp(&b.1[task]));
        ranked.map_or(Action::LOCAL, |(action, _)| *action)
    };
    Ok(TaskTable(std::array::from_fn(best)))
}
