//! A published table read for what was logged: one action a turn, and the score that its answer got.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trimtab_core::observation::{TmoHistory, TmoTurn};
use trimtab_core::{Action, NodeIndex, TaskKind, ViewSet};

use super::explored::class_propensities;
use super::{DatasetError, Dialogue, Interaction, check, read_dialogues};

/// What an answer says that declines; it scores 0 whatever the judge said. Source: the published environment.
const REFUSALS: [&str; 3] = ["sorry", "I don't have", "can't"];

/// Where a turn was answered, and from what: the classes that logged actions are matched by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// On the device.
    Local,
    /// In the cloud, from the prompt alone.
    Text,
    /// In the cloud, from the prompt and at least one view.
    Image,
}

impl Class {
    /// Every class, the cheapest first.
    pub const ALL: [Self; 3] = [Self::Local, Self::Text, Self::Image];

    /// The class of an action.
    #[must_use]
    pub const fn of(action: Action) -> Self {
        match (action.node.is_local(), action.views.is_empty()) {
            (true, _) => Self::Local,
            (false, true) => Self::Text,
            (false, false) => Self::Image,
        }
    }
    /// Place among [`Class::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The action of the published table that uploads `views` to its one cloud.
#[must_use]
pub fn cloud(views: ViewSet) -> Action {
    Action { node: NodeIndex::new(1).expect("there is room for a cloud node"), views }
}

/// What is known of a turn before it is answered.
#[derive(Clone, PartialEq, Debug)]
pub struct Context {
    /// The prompt.
    pub question: Arc<str>,
    /// Its task.
    pub task: TaskKind,
    /// Turns of the dialogue before it.
    pub number: usize,
    /// The cosine of prompt and view, view by view.
    pub association: Vec<f32>,
    /// The action of the turn before it.
    pub previous: Option<Action>,
    /// The published state, from the logged actions.
    pub history: TmoHistory,
}

impl Context {
    /// The `count` views of the highest association, the lower index first among equals.
    #[must_use]
    pub fn best_views(&self, count: usize) -> ViewSet {
        let mut order: Vec<usize> = (0..self.association.len()).collect();
        order.sort_by(|a, b| self.association[*b].total_cmp(&self.association[*a]));
        order.into_iter().take(count).fold(ViewSet::EMPTY, ViewSet::with)
    }
}

/// One turn as it was logged.
#[derive(Clone, PartialEq, Debug)]
pub struct LoggedTurn {
    /// The dialogue it belongs to.
    pub dialogue: u64,
    /// What was known before the answer.
    pub context: Context,
    /// What was done.
    pub action: Action,
    /// The judge's ratio, 0 or more; 0 for an answer that declines.
    pub score: f64,
    /// Seconds until the whole answer was there.
    pub seconds: f64,
    /// USD paid.
    pub usd: f64,
    /// How likely each class was to be taken, in the order of [`Class::ALL`], where the log says so.
    pub propensity: Option<[f64; Class::ALL.len()]>,
}

impl LoggedTurn {
    /// The class of the logged action.
    #[must_use]
    pub const fn class(&self) -> Class {
        Class::of(self.action)
    }
}

/// A checked table of logged turns: at least one, in the order of the files, dialogues whole.
#[derive(Clone, PartialEq, Debug)]
pub struct LoggedTable {
    turns: Vec<LoggedTurn>,
    paths: Vec<(u64, PathBuf)>,
    sha256: String,
    unscored: usize,
}

impl LoggedTable {
    /// Reads files and folders of tables in the published schema, extended or not.
    pub fn read(paths: &[PathBuf]) -> Result<Self, DatasetError> {
        let loaded = read_dialogues(paths)?;
        let mut table = Self { turns: Vec::new(), paths: Vec::new(), sha256: loaded.sha256, unscored: 0 };
        for (path, dialogue) in loaded.dialogues {
            table.add(path, dialogue)?;
        }
        if table.turns.is_empty() {
            let path = paths.first().cloned().unwrap_or_default();
            let what = match table.unscored {
                0 => "no dialogues in it; give a table that has some".into(),
                unscored => check::nothing(unscored),
            };
            return Err(DatasetError::Size { path, what });
        }
        Ok(table)
    }

    fn add(&mut self, path: PathBuf, dialogue: Dialogue) -> Result<(), DatasetError> {
        check::dialogue(&path, &dialogue)?;
        let refuse =
            |field, what| DatasetError::Field { path: path.clone(), dialogue: dialogue.id, turn: None, field, what };
        if let Some(other) = self.path(dialogue.id) {
            return Err(refuse("id", format!("is also in {}", other.display())));
        }
        if dialogue.interactions.is_empty() {
            return Err(refuse("interactions", "is empty; a dialogue has at least one turn".into()));
        }
        let mut history = TmoHistory::default();
        let mut previous = None;
        for (number, (turn, row)) in dialogue.interactions.into_iter().zip(dialogue.association_score).enumerate() {
            let task = turn.task_cat.kind();
            history.push(TmoTurn { previous, task });
            let place = check::Place { path: &path, dialogue: dialogue.id, turn: Some(number) };
            let propensity = class_propensities(&place, dialogue.trimtab.as_ref(), &turn)?;
            let action = logged_action(&turn);
            let before = previous.replace(action);
            if !turn.is_scored() {
                self.unscored += 1;
                continue;
            }
            let score = target(&turn);
            let context = Context {
                question: turn.question.into(),
                task,
                number,
                association: row,
                previous: before,
                history: history.clone(),
            };
            let (seconds, usd) = (turn.interaction_time, turn.usage_cost);
            self.turns.push(LoggedTurn { dialogue: dialogue.id, context, action, score, seconds, usd, propensity });
        }
        self.paths.push((dialogue.id, path));
        Ok(())
    }

    /// The turns.
    #[must_use]
    pub fn turns(&self) -> &[LoggedTurn] {
        &self.turns
    }
    /// Turns that were left out because nobody has scored their answers yet.
    #[must_use]
    pub const fn unscored(&self) -> usize {
        self.unscored
    }
    /// sha256 over the files, in the order in which they were read, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
    /// The file of a dialogue.
    #[must_use]
    pub fn path(&self, dialogue: u64) -> Option<&Path> {
        self.paths.iter().find(|(id, _)| *id == dialogue).map(|(_, path)| path.as_path())
    }
    /// Refuses a turn of this table whose task does not occur in `train`: nothing was learnt about it.
    pub fn tasks_known_to(&self, train: &Self) -> Result<(), DatasetError> {
        let unknown = |turn: &&LoggedTurn| train.turns.iter().all(|other| other.context.task != turn.context.task);
        let Some(turn) = self.turns.iter().find(unknown) else { return Ok(()) };
        Err(DatasetError::Field {
            path: self.path(turn.dialogue).map(Path::to_path_buf).unwrap_or_default(),
            dialogue: turn.dialogue,
            turn: Some(turn.context.number),
            field: "task_cat",
            what: format!("{} is in no dialogue of the training part", turn.context.task.name()),
        })
    }
}

fn logged_action(turn: &Interaction) -> Action {
    if turn.action == 0 {
        return Action::LOCAL;
    }
    cloud(turn.image_index.iter().flatten().fold(ViewSet::EMPTY, |set, view| set.with(*view)))
}

fn target(turn: &Interaction) -> f64 {
    let declines = REFUSALS.iter().any(|phrase| turn.answer.contains(phrase));
    if declines { 0.0 } else { f64::from(turn.score) }
}
