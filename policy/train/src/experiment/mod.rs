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
mod curve;
mod field;
pub(crate) mod jobs;
mod mix;
mod profile;
mod published;
mod row;
mod split;
mod transfer;
mod verdict;
mod yardstick;

use std::path::PathBuf;

use serde::Serialize;

use crate::dataset::{DatasetError, LoggedTable};
use crate::estimator::{Kind, Prompts};
use crate::logged::charge::Charges;
use crate::logged::front::{Comparison, compare};
use crate::logged::recipe::{Recipe, greedy};
use crate::published::{EpisodeError, NAMED_BUDGETS};

pub use ablation::{Ablation, Point};
pub use curve::{Curve, CurveMean};
pub use field::{LEARNT, SIGHTED_GREEDY};
pub use mix::Mix;
pub use profile::Profile;
pub use row::{Paired, Row, Run, Spread};
pub use split::{SPLITS_MAX, Split, splits};
pub use transfer::{Estimated, OnLog, OnOwn, Swept, Transfer};
pub use verdict::Verdict;
pub use yardstick::Judged;

use published::Contest;

/// Of the draws of the intervals on logged scores.
const DRAWS_SEED: u64 = 1;

/// All that an experiment follows from.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Args {
    /// The dialogues.
    pub data: PathBuf,
    /// JSON with the splits.
    pub ids: PathBuf,
    /// Training seeds of each split: 1 up to this.
    pub training_seeds: u64,
    /// Steps of each training of a published learner.
    pub steps: usize,
    /// A table of our own, in which every action was run; without it nothing is said of transfer.
    pub own: Option<PathBuf>,
    /// Another one, to judge on; without it a part of the first is held out.
    pub own_held_out: Option<PathBuf>,
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
    /// A table of our own that does not hold what is compared.
    #[error("{path}: {what}")]
    Own {
        /// The table.
        path: PathBuf,
        /// What is missing, and the remedy.
        what: &'static str,
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
    /// What the learnt policy does for each task, under the first budget.
    pub mix: Vec<Mix>,
    /// Every contender under both yardsticks.
    pub judged: Vec<Judged>,
    /// How the published learners learn.
    pub curves: Vec<Curve>,
    /// Every published device and network.
    pub profiles: Vec<Profile>,
    /// One thing varied or left out at a time.
    pub ablations: Vec<Ablation>,
    /// What policies would have scored by the logged scores of all dialogues.
    pub logged: Comparison,
    /// What carries over between the dialogues and a table of our own, where one is given.
    pub transfer: Option<Transfer>,
    /// What follows.
    pub verdicts: Vec<Verdict>,
}

/// Runs everything. `watch` is told how many jobs there are, and of each that is done.
///
/// # Errors
/// Data or splits that cannot be read.
pub fn study(args: &Args, watch: &(dyn Fn(Progress) + Sync)) -> Result<Study, ExperimentError> {
    let (splits, table) = splits(&args.data, &args.ids)?;
    // First what can be refused.
    let transfer = transferred(args, &table, watch)?;
    let logged = logged(&table, watch);
    let Contest { rows, fits, curves, profiles } = published::contest(args, &splits, watch)?;
    let judged = yardstick::judge(&rows, &fits, &splits, &table);
    let paired = row::paired(&rows, LEARNT);
    let learnt = rows.iter().find(|row| row.method == LEARNT && row.budget == NAMED_BUDGETS[0]);
    let mix = learnt.map_or_else(Vec::new, |row| mix::mix(row, &splits));
    let ablations = ablation::all(args, &splits, table.turns(), watch)?;
    let mut study = Study {
        args: args.clone(),
        dataset_sha256: table.sha256().into(),
        rows,
        paired,
        mix,
        judged,
        curves,
        profiles,
        ablations,
        logged,
        transfer,
        verdicts: Vec::new(),
    };
    study.verdicts = verdict::all(&study);
    Ok(study)
}

/// What carries over, where there is a table to try it on.
fn transferred(
    args: &Args,
    table: &LoggedTable,
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<Option<Transfer>, ExperimentError> {
    let Some(own) = &args.own else { return Ok(None) };
    watch(Progress::More(1));
    let found = transfer::transfer(table, own, args.own_held_out.as_deref())?;
    watch(Progress::Done);
    Ok(Some(found))
}

/// The comparison on logged scores, over all dialogues.
fn logged(table: &LoggedTable, watch: &(dyn Fn(Progress) + Sync)) -> Comparison {
    watch(Progress::More(1));
    let (charges, prompts) = (Charges::default(), Prompts::new());
    let published = greedy(Kind::Neighbours, table.turns(), &charges, &prompts);
    let found = compare(table.turns(), Recipe::default(), &prompts, &published, &[], DRAWS_SEED);
    watch(Progress::Done);
    found
}

/// How far an experiment is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// So many jobs more than were known.
    More(usize),
    /// One of them is done.
    Done,
}
