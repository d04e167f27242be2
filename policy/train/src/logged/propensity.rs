//! How often the log took each class; where a turn says how likely it was, that counts in place of the frequency.

use trimtab_core::TaskKind;

use crate::dataset::{Class, LoggedTurn};

/// The frequency of every class in every task.
#[derive(Clone, PartialEq, Debug)]
pub struct Propensity {
    counts: Vec<(TaskKind, [usize; Class::ALL.len()])>,
}

impl Propensity {
    /// Counts turns; give every turn that is at hand, the evaluated ones among them, so that what was logged has a frequency.
    pub fn count<'a>(turns: impl IntoIterator<Item = &'a LoggedTurn>) -> Self {
        let mut counts: Vec<(TaskKind, [usize; Class::ALL.len()])> = Vec::new();
        for turn in turns {
            let place = counts.iter().position(|(task, _)| *task == turn.context.task).unwrap_or_else(|| {
                counts.push((turn.context.task, [0; Class::ALL.len()]));
                counts.len() - 1
            });
            counts[place].1[turn.class().index()] += 1;
        }
        Self { counts }
    }

    /// The share of a task's turns that took `class`; 0 where none did.
    #[must_use]
    pub fn of(&self, task: TaskKind, class: Class) -> f64 {
        let Some((_, counts)) = self.counts.iter().find(|(known, _)| *known == task) else { return 0.0 };
        counts[class.index()] as f64 / counts.iter().sum::<usize>() as f64
    }

    /// The weight of a logged turn under a choice.
    #[must_use]
    pub fn weight(&self, turn: &LoggedTurn, chosen: Class) -> f64 {
        let propensity = match turn.propensity {
            Some(known) => known[chosen.index()],
            None => self.of(turn.context.task, chosen),
        };
        if turn.class() == chosen && propensity > 0.0 { 1.0 / propensity } else { 0.0 }
    }
}
