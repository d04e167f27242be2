//! Means of cells, one level after another: the mean of a cell is drawn towards what the levels before it say of the turn.

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
    /// In being answered on the device or in the cloud.
    pub place: bool,
    /// In the class.
    pub class: bool,
    /// In the number of views.
    pub views: bool,
    /// Turns of what the levels before say that are added to a cell.
    pub shrinkage: f64,
}

impl Level {
    const NONE: Self = Self { task: false, question: false, place: false, class: false, views: false, shrinkage: 0.0 };
    /// The class.
    pub const CLASS: Self = Self { class: true, ..Self::NONE };
    /// Task, and device or cloud.
    pub const TASK_PLACE: Self = Self { task: true, place: true, ..Self::NONE };
    /// Task and class.
    pub const TASK_CLASS: Self = Self { task: true, ..Self::CLASS };
    /// Task, class and number of views.
    pub const TASK_VIEWS: Self = Self { views: true, ..Self::TASK_CLASS };
    /// The question.
    pub const QUESTION: Self = Self { question: true, ..Self::NONE };
    /// Question, and device or cloud.
    pub const QUESTION_PLACE: Self = Self { question: true, place: true, ..Self::NONE };
    /// Question and class.
    pub const QUESTION_CLASS: Self = Self { question: true, ..Self::CLASS };
    /// Question, class and number of views.
    pub const QUESTION_VIEWS: Self = Self { views: true, ..Self::QUESTION_CLASS };

    /// The same cells, shrunk by `turns`.
    #[must_use]
    pub const fn shrunk(self, turns: f64) -> Self {
        Self { shrinkage: turns, ..self }
    }

    fn cell(self, context: &Context, action: Action) -> Cell {
        Cell {
            task: self.task.then_some(context.task),
            question: self.question.then(|| Arc::clone(&context.question)),
            local: self.place.then(|| action.node.is_local()),
            class: self.class.then(|| Class::of(action)),
            views: self.views.then(|| action.views.len()),
        }
    }
}

/// The levels of the shrunk means.
pub const SHRUNK_MEANS: [Level; 4] = [
    Level::TASK_PLACE.shrunk(5.0),
    Level::QUESTION.shrunk(5.0),
    Level::QUESTION_PLACE.shrunk(2.0),
    Level::QUESTION_VIEWS.shrunk(5.0),
];

/// The same with text and views told apart from the start: better at which class is best, a little worse at its score.
pub const SHRUNK_CLASSES: [Level; 4] = [
    Level::TASK_CLASS.shrunk(5.0),
    Level::QUESTION.shrunk(5.0),
    Level::QUESTION_CLASS.shrunk(2.0),
    Level::QUESTION_VIEWS.shrunk(5.0),
];

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Cell {
    task: Option<TaskKind>,
    question: Option<Arc<str>>,
    local: Option<bool>,
    class: Option<Class>,
    views: Option<usize>,
}

/// The sum and the number of the values of every cell.
#[derive(Clone, Debug)]
struct Sums {
    level: Level,
    cells: HashMap<Cell, (f64, f64)>,
}

/// A mean of all turns, and the sums of the cells of some levels.
#[derive(Clone, Debug)]
pub struct Means {
    mean: f64,
    levels: Vec<Sums>,
}

impl Means {
    /// Fits `levels` in their order. No sample at all gives a mean of 0.
    #[must_use]
    pub fn fit(levels: &[Level], samples: &[Sample<'_>]) -> Self {
        let sum: f64 = samples.iter().map(|sample| sample.value).sum();
        let levels = levels.iter().map(|level| {
            let mut cells: HashMap<Cell, (f64, f64)> = HashMap::new();
            for sample in samples {
                let (sum, count) = cells.entry(level.cell(sample.context, sample.action)).or_default();
                (*sum, *count) = (*sum + sample.value, *count + 1.0);
            }
            Sums { level: *level, cells }
        });
        Self { mean: sum / samples.len().max(1) as f64, levels: levels.collect() }
    }
}

impl Estimator for Means {
    /// An unseen cell says nothing: what the levels before it say stands.
    fn predict(&self, context: &Context, action: Action) -> f64 {
        self.levels.iter().fold(self.mean, |before, Sums { level, cells }| {
            let seen = cells.get(&level.cell(context, action));
            seen.map_or(before, |(sum, count)| (sum + level.shrinkage * before) / (count + level.shrinkage))
        })
    }
}
