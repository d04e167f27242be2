//! `compare`: one file for each environment.

mod logged;
mod table;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use trimtab_core::Preference;

use super::parse_preference;

/// Where to compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Environment {
    /// A log of one action a turn, off-policy.
    Logged,
    /// A recorded table in which every action was run.
    Trimtab,
}

#[derive(Args, Debug)]
pub(super) struct Compare {
    /// Where to compare.
    #[arg(long, value_enum, default_value_t = Environment::Logged)]
    env: Environment,
    /// Table files, or folders of them: the turns to choose for. On a log, what is learnt is learnt anew without each dialogue that
    /// it is judged on.
    #[arg(long, required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// On a recorded table: what rules and published learners are fitted to; other turns than --data.
    #[arg(long, num_args = 1..)]
    train: Vec<PathBuf>,
    /// On a log: distils a policy file from the recipe without each dialogue too, and judges that.
    #[arg(long)]
    distilled: bool,
    /// Policy files that are shown beside the others. On a log they may have been trained on these very dialogues.
    #[arg(long, num_args = 1..)]
    policy: Vec<PathBuf>,
    /// On a log: folder of the text encoder; without it the shipped one.
    #[arg(long)]
    encoder: Option<PathBuf>,
    /// On a log: of the distillation and of the draws of intervals.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// On a recorded table: training seeds of each published learner.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    training_seeds: u64,
    /// On a recorded table: weights of the decision, as in quality=1,latency=0.3; without it the usual ones.
    #[arg(long, value_parser = parse_preference)]
    preference: Option<Preference>,
    /// On a recorded table: draws right answers against money here, as SVG.
    #[arg(long)]
    chart: Option<PathBuf>,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Compare {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.env {
            Environment::Logged => self.on_log(),
            Environment::Trimtab => self.on_table(),
        }
    }
}
