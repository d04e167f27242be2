//! Tables of turns: what the decision saw, what every action did. Read once, checked whole, then trusted.

mod check;
mod explored;
mod file;
mod locate;
mod logged;
mod store;

use std::path::PathBuf;
use std::sync::Arc;

use trimtab_core::observation::ViewFacts;
use trimtab_core::{Action, Cost, NodeProfile, Quote, TaskKind, TaskMix};

pub use file::{
    CandidateFacts, Dialogue, Interaction, KNOWN_ANSWER, Measured, Node, Outcome, QuoteFacts, SCHEMA, SCHEMA_MIN,
    Setting, TaskCategory, View,
};
pub use logged::{Class, Context, LoggedTable, LoggedTurn, cloud};
pub use store::{Loaded, TABLE_BYTES_MAX, TABLE_FILES_MAX, read_dialogues, shard_path, write_shard};

/// Why a table cannot be read, used or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The file system.
    #[error("{path}: cannot {what}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// No table in it, or too much of it.
    #[error("{path}: {what}")]
    Size {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// Not JSON, or not of the schema.
    #[error("{path}: {source}; a table is a JSON array of dialogues in the M4A1 schema")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// JSON that is not of the schema, where the place could be told.
    #[error(
        "{path}: dialogue {dialogue}{}: {}{source}; a table is a JSON array of dialogues in the M4A1 schema",
        turn.map_or_else(String::new, |turn| format!(", turn {turn}")),
        field.as_ref().map_or_else(String::new, |field| format!("{field}: "))
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its number, or its place in the file where the number comes later.
        dialogue: u64,
        /// The turn, from 0, if it is in one.
        turn: Option<usize>,
        /// The field, as in the file, if it is in one; a missing one is in the source.
        field: Option<String>,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A field that cannot be right.
    #[error("{path}: dialogue {dialogue}{}: {field}: {what}", turn.map_or_else(String::new, |turn| format!(", turn {turn}")))]
    Field {
        /// The file.
        path: PathBuf,
        /// Its number.
        dialogue: u64,
        /// The turn, from 0, if it is in one.
        turn: Option<usize>,
        /// The field, as in the file.
        field: &'static str,
        /// What is wrong.
        what: String,
    },
}

/// One turn with the outcome of every action that was run.
#[derive(Clone, PartialEq, Debug)]
pub struct Turn {
    /// The dialogue it belongs to.
    pub dialogue: u64,
    /// Turns of the dialogue before it.
    pub number: usize,
    /// What the turns of the dialogue have in common.
    pub setting: Arc<Setting>,
    /// What was said.
    pub prompt: String,
    /// The task kind it was drawn from.
    pub kind: TaskKind,
    /// Whether the right answer depends on what the cameras show.
    pub needs_views: bool,
    /// The prompt's embedding.
    pub embedding: Vec<f32>,
    /// The task kind as estimated.
    pub tasks: TaskMix,
    /// Taken to be unlike everything seen in training.
    pub unknown: bool,
    /// The views, in camera order.
    pub views: Vec<ViewFacts>,
    /// The actions; the local one is among them.
    pub tried: Vec<Tried>,
}

/// One action of a turn, with what it promised and did.
#[derive(Clone, PartialEq, Debug)]
pub struct Tried {
    /// Node and views.
    pub action: Action,
    /// What was quoted.
    pub quote: Quote,
    /// Whether the answer was right.
    pub right: bool,
    /// How good it was, 0..=1; 0 or 1 where nothing finer is known than wrong or right.
    pub score: f32,
    /// What it took.
    pub cost: Cost,
}

impl Turn {
    /// What the decision knows of the node of an action.
    #[must_use]
    pub fn profile(&self, action: Action) -> &NodeProfile {
        &self.setting.nodes[action.node.get()].profile
    }
    /// Place of the local action among [`Turn::tried`].
    #[must_use]
    pub fn local(&self) -> usize {
        let local = |tried: &Tried| tried.action == Action::LOCAL;
        self.tried.iter().position(local).expect("a checked turn has tried the local action")
    }
}

/// A checked table: one encoder, one length of embeddings, the same views throughout.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    turns: Vec<Turn>,
    sha256: String,
    unscored: usize,
}

impl Table {
    /// Reads files and folders of tables, and checks that the dialogues are whole and belong together.
    pub fn read(paths: &[PathBuf]) -> Result<Self, DatasetError> {
        check::table(read_dialogues(paths)?)
    }
    /// Of turns that belong together and were checked where they come from, at least one.
    pub(crate) fn of(turns: Vec<Turn>, sha256: String) -> Self {
        assert!(!turns.is_empty(), "a table has at least one turn");
        Self { turns, sha256, unscored: 0 }
    }
    /// The turns, in the order of the files.
    #[must_use]
    pub fn turns(&self) -> &[Turn] {
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
    /// Fingerprint of the encoder that made the embeddings.
    #[must_use]
    pub fn encoder_sha256(&self) -> &str {
        &self.turns[0].setting.encoder_sha256
    }
    /// Numbers of an embedding.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.turns[0].embedding.len()
    }
    /// Names of the views.
    #[must_use]
    pub fn views(&self) -> &[String] {
        &self.turns[0].setting.views
    }
    /// Splits by dialogue: every `one_in`-th dialogue goes to the second part. Both keep this table's sha256.
    #[must_use]
    pub fn split(&self, one_in: usize) -> (Vec<&Turn>, Vec<&Turn>) {
        let mut dialogues: Vec<u64> = self.turns.iter().map(|turn| turn.dialogue).collect();
        dialogues.dedup();
        let held: Vec<u64> = dialogues.into_iter().skip(1).step_by(one_in.max(2)).collect();
        self.turns.iter().partition(|turn| !held.contains(&turn.dialogue))
    }
}
