//! Means of cells, one level after another: each level explains, shrunk, what the levels before it left.

use std::collections::HashMap;
use std::sync::Arc;

use trimtab_core::{Action, TaskKind};

use super::{Estimator, Sample};
use crate::dataset::{Class, Context};

/// What the turns of a cell agree in, and how much the cells are shrunk.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Level {
    /// In the task.
    pub task: bool,
    /// In the question, word by word.
    pub question: bool,
    /// In the class.
    pub class: bool,
    /// In the number of views.
    pub views: bool,
    /// Turns at zero effect that are added to a cell.
    pub shrinkage: f64,
}

impl Level {
    const NONE: Self = Self { task: false, question: false, class: false, views: false, shrinkage: 0.0 };
    /// The class.
    pub const CLASS: Self = Self { class: true, ..Self::NONE };
    /// The number of views, with the class.
    pub const VIEWS: Self = Self { views: true, ..Self::CLASS };
    /// Task and class.
    pub const TASK_CLASS: Self = Self { task: true, ..Self::CLASS };
    /// Task, class and number of views.
    pub const TASK_VIEWS: Self = Self { task: true, ..Self::VIEWS };
    /// The question.
    pub const QUESTION: Self = Self { question: true, ..Self::NONE };
    /// Question and class.
    pub const QUESTION_CLASS: Self = Self { question: true, ..Self::CLASS };
    /// Question, class and number of views.
    pub const QUESTION_VIEWS: Self = Self { question: true, ..Self::VIEWS };

    /// The same cells, shrunk by `turns`.
    #[must_use]
    pub const fn shrunk(self, turns: f64) -> Self {
        Self { shrinkage: turns, ..self }
    }

    fn cell(self, context: &Context, action: Action) -> Cell {
        Cell {
            task: self.task.then_some(context.task),
            question: self.question.then(|| Arc::clone(&context.question)),
            class: self.class.then(|| Class::of(action)),
            views: self.views.then(|| action.views.len()),
        }
    }
}

/// The levels of the shrunk means.
pub const SHRUNK: [Level; 4] = [
    Level::TASK_CLASS.shrunk(5.0),
    Level::QUESTION.shrunk(5.0),
    Level::QUESTION_CLASS.shrunk(2.0),
    Level::QUESTION_VIEWS.shrunk(5.0),
];

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Cell {
    task: Option<TaskKind>,
    question: Option<Arc<str>>,
    class: Option<Class>,
    views: Option<usize>,
}

#[derive(Clone, Debug)]
struct Fitted {
    level: Level,
    effects: HashMap<Cell, f64>,
}

/// A mean of all turns, and the effects of the cells of some levels. An unseen cell has no effect.
#[derive(Clone, Debug)]
pub struct Means {
    mean: f64,
    levels: Vec<Fitted>,
}

impl Means {
    /// Fits `levels` in their order. No sample at all gives a mean of 0.
    #[must_use]
    pub fn fit(levels: &[Level], samples: &[Sample<'_>]) -> Self {
        let count = samples.len().max(1) as f64;
        let mean = samples.iter().map(|sample| sample.value).sum::<f64>() / count;
        let mut left: Vec<f64> = samples.iter().map(|sample| sample.value - mean).collect();
        let levels = levels.iter().map(|level| {
            let mut sums: HashMap<Cell, (f64, f64)> = HashMap::new();
            for (sample, left) in samples.iter().zip(&left) {
                let (sum, count) = sums.entry(level.cell(sample.context, sample.action)).or_default();
                (*sum, *count) = (*sum + left, *count + 1.0);
            }
            let shrunk = |(cell, (sum, count))| (cell, sum / (count + level.shrinkage));
            let effects: HashMap<Cell, f64> = sums.into_iter().map(shrunk).collect();
            for (sample, left) in samples.iter().zip(&mut left) {
                *left -= effects[&level.cell(sample.context, sample.action)];
            }
            Fitted { level: *level, effects }
        });
        Self { mean, levels: levels.collect() }
    }
}

impl Estimator for Means {
    fn predict(&self, context: &Context, action: Action) -> f64 {
        let effect = |fitted: &Fitted| fitted.effects.get(&fitted.level.cell(context, action)).copied();
        self.levels.iter().filter_map(effect).fold(self.mean, |sum, effect| sum + effect)
    }
}
