//! The comparison on the published environment, and what it says of the paper's claims.
//!
//! | term | meaning |
//! |---|---|
//! | split | one division of the dialogues into training and test part |
//! | contender | a way to choose, fitted to the training part of a split |
//! | run | one contender on the test part of one split, with one training seed |
//! | row | the runs of one contender under one budget |
//! | verdict | what a run of the experiment says of a claim |
//!
//! Everything follows from one [`Args`] value, which is stored in the result.

mod ablation;
mod jobs;
mod published;
mod row;
mod split;
mod verdict;

use std::path::PathBuf;

use serde::Serialize;

use crate::dataset::DatasetError;
use crate::published::{EpisodeError, NAMED_BUDGETS};

pub use ablation::{Ablation, Point};
pub use row::{Paired, Row, Run, Spread};
pub use split::{Split, splits};
pub use verdict::Verdict;

/// All that an experiment follows from.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Args {
    /// The dialogues.
    pub data: PathBuf,
    /// JSON with the splits.
    pub ids: PathBuf,
    /// Training seeds of each split: 1 up to this.
    pub training_seeds: u64,
}

/// Why an experiment cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// The dialogues.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Dialogues that the published environment does not take.
    #[error(transparent)]
    Episode(#[from] EpisodeError),
    /// The file of splits.
    #[error("{path}: {what}")]
    Splits {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A policy file that was just written cannot be run.
    #[error(transparent)]
    Policy(#[from] trimtab_engine::PolicyError),
    /// A policy file cannot be written.
    #[error(transparent)]
    Export(#[from] crate::export::ExportError),
    /// Weights that int8 cannot hold.
    #[error(transparent)]
    Graph(#[from] trimtab_quant::GraphError),
    /// Dialogues that nothing can be learnt from.
    #[error(transparent)]
    Environment(#[from] crate::learner::published::EnvironmentError),
    /// No place for policy files.
    #[error("no temporary folder: {0}")]
    Scratch(#[from] std::io::Error),
}

/// The whole comparison.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Study {
    /// What it follows from.
    pub args: Args,
    /// sha256 of the dialogues' file.
    pub dataset_sha256: String,
    /// Every contender under every budget.
    pub rows: Vec<Row>,
    /// The learnt policy less each other contender, under the first budget.
    pub paired: Vec<Paired>,
    /// One parameter of the environment varied at a time.
    pub ablations: Vec<Ablation>,
    /// What follows.
    pub verdicts: Vec<Verdict>,
}

/// Runs everything. `watch` is told how many jobs there are, and of each that is done.
///
/// # Errors
/// Data or splits that cannot be read.
pub fn study(args: &Args, watch: &(dyn Fn(Progress) + Sync)) -> Result<Study, ExperimentError> {
    let (splits, dataset_sha256) = splits(&args.data, &args.ids)?;
    let mut rows = published::rows(&splits, args.training_seeds, watch)?;
    rows.sort_by_key(|row| NAMED_BUDGETS.iter().position(|budget| *budget == row.budget));
    let paired = row::paired(&rows, published::LEARNT);
    let ablations = ablation::all(&splits, watch)?;
    let verdicts = verdict::all(&rows, &ablations);
    Ok(Study { args: args.clone(), dataset_sha256, rows, paired, ablations, verdicts })
}

/// How far an experiment is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// So many jobs more than were known.
    More(usize),
    /// One of them is done.
    Done,
}
