//! Estimators of the response score: what an answer will be worth, before it is asked for.
//!
//! | term | meaning |
//! |---|---|
//! | score | what the judge gave an answer against a reference answer: 0 or more, 1 as good as the reference |
//! | class | where a turn is answered, and from what: local, cloud from text, cloud from views |
//! | cell | the turns that agree in some of task, question, class and number of views |
//! | shrinkage | turns of what wider cells say that are added to a cell, so that a cell of few turns says little |
//! | spread | standard deviation of a score about its estimate |
//! | left out | not seen in fitting: the dialogue of a turn, or also its question wherever it was asked |
//!
//! Every estimator is fitted anew for every part that is left out; none keeps what it saw of a turn that it is judged on.

pub mod calibration;
pub(crate) mod cholesky;
pub mod evaluation;
pub mod features;
pub mod means;
pub mod neighbours;
pub mod prompt;
pub mod ridge;
mod tree;
pub mod trees;

use std::collections::HashMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use trimtab_core::Action;

use crate::dataset::{Context, LoggedTurn};
use means::{Level, Means};

/// Unit vectors of questions, by their text; any text encoder can have made them, one for all.
pub type Prompts = HashMap<String, Vec<f32>>;

/// One observation to fit: what was known, what was done, and the value that came of it.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// What was known.
    pub context: &'a Context,
    /// What was done.
    pub action: Action,
    /// What came of it.
    pub value: f64,
}

impl<'a> From<&'a LoggedTurn> for Sample<'a> {
    fn from(turn: &'a LoggedTurn) -> Self {
        Self { context: &turn.context, action: turn.action, value: turn.score }
    }
}

/// Says what score to expect.
pub trait Estimator: Send + Sync {
    /// The expected score of `action` in `context`; finite, not clipped.
    fn predict(&self, context: &Context, action: Action) -> f64;
}

/// The estimators, by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One mean of all turns.
    Constant,
    /// Mean of each class.
    ClassMeans,
    /// Mean of each task, class and number of views.
    TaskMeans,
    /// Mean of each question on the device, and of each in the cloud.
    QuestionMeans,
    /// Means of ever smaller cells, shrunk: task, question, device or cloud, number of views.
    #[default]
    ShrunkMeans,
    /// The same with the class in place of device or cloud.
    ShrunkClasses,
    /// The published nearest neighbours: state and action, no prompt.
    Neighbours,
    /// Ridge regression with an effect of each question and class.
    Ridge,
    /// Gradient-boosted trees for what the shrunk means leave.
    Trees,
    /// A Gaussian process over questions, in which a question is also known by the vectors of its neighbours.
    Prompt,
}

impl Kind {
    /// Every kind, the simplest first.
    pub const ALL: [Self; 10] = [
        Self::Constant,
        Self::ClassMeans,
        Self::TaskMeans,
        Self::QuestionMeans,
        Self::ShrunkMeans,
        Self::ShrunkClasses,
        Self::Neighbours,
        Self::Ridge,
        Self::Trees,
        Self::Prompt,
    ];

    /// Name on the command line and in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::ClassMeans => "class-means",
            Self::TaskMeans => "task-means",
            Self::QuestionMeans => "question-means",
            Self::ShrunkMeans => "shrunk-means",
            Self::ShrunkClasses => "shrunk-classes",
            Self::Neighbours => "neighbours",
            Self::Ridge => "ridge",
            Self::Trees => "trees",
            Self::Prompt => "prompt",
        }
    }

    /// Fits to logged scores, as [`Kind::fit`].
    #[must_use]
    pub fn fit_turns(self, turns: &[&LoggedTurn], prompts: &Prompts) -> Box<dyn Estimator> {
        let samples: Vec<Sample<'_>> = turns.iter().map(|turn| (*turn).into()).collect();
        let dialogues: Vec<u64> = turns.iter().map(|turn| turn.dialogue).collect();
        self.fit(&samples, &dialogues, prompts)
    }

    /// Fits to `samples`; `dialogues` names the dialogue of each. Only [`Kind::Prompt`] reads `prompts`; a question without a vector is unlike every other there.
    #[must_use]
    pub fn fit(self, samples: &[Sample<'_>], dialogues: &[u64], prompts: &Prompts) -> Box<dyn Estimator> {
        match self {
            Self::Constant => Box::new(Means::fit(&[], samples)),
            Self::ClassMeans => Box::new(Means::fit(&[Level::CLASS], samples)),
            Self::TaskMeans => Box::new(Means::fit(&[Level::TASK_VIEWS], samples)),
            Self::QuestionMeans => Box::new(Means::fit(&[Level::QUESTION_PLACE], samples)),
            Self::ShrunkMeans => Box::new(Means::fit(&means::SHRUNK_MEANS, samples)),
            Self::ShrunkClasses => Box::new(Means::fit(&means::SHRUNK_CLASSES, samples)),
            Self::Neighbours => Box::new(neighbours::Neighbours::fit(samples)),
            Self::Ridge => Box::new(ridge::Ridge::fit(samples)),
            Self::Trees => Box::new(trees::Trees::fit(samples, dialogues)),
            Self::Prompt => Box::new(prompt::Process::fit(samples, prompts)),
        }
    }
}

/// A name that no estimator has.
#[derive(Debug, thiserror::Error)]
#[error("{0}: no such estimator; there are {list}", list = Kind::ALL.map(Kind::name).join(", "))]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownKind(name.into()))
    }
}
