//! A turn and an action as numbers, but for the question, which every estimator places in its own way.

use trimtab_core::{Action, TaskKind};

use crate::dataset::{Class, Context};

/// Numbers of [`plain`].
pub const WIDTH: usize = 20;

/// `[task one-hot (4), class one-hot (3), number of views, turns before (at most 4, as a share), association highest, mean,
/// uploaded, previous class one-hot with none (4), previous number of views, task is about the scene in this class (3)]`.
#[must_use]
pub fn plain(context: &Context, action: Action) -> [f64; WIDTH] {
    let mut x = [0.0; WIDTH];
    if let Some(task) = context.task.index() {
        x[task] = 1.0;
    }
    let class = Class::of(action).index();
    x[4 + class] = 1.0;
    x[7] = action.views.len() as f64;
    x[8] = context.number.min(4) as f64 / 4.0;
    let scores = || context.association.iter().map(|score| f64::from(*score));
    let views = context.association.len().max(1) as f64;
    x[9] = scores().fold(0.0, f64::max);
    x[10] = scores().sum::<f64>() / views;
    x[11] = scores().enumerate().filter(|(view, _)| action.views.contains(*view)).map(|(_, score)| score).sum();
    match context.previous {
        None => x[12] = 1.0,
        Some(previous) => {
            x[13 + Class::of(previous).index()] = 1.0;
            x[16] = previous.views.len() as f64;
        }
    }
    if matches!(context.task, TaskKind::Query | TaskKind::Recommendation) {
        x[17 + class] = 1.0;
    }
    x
}
