//! `evaluate`: one file for each environment.

mod llm;
mod logged;
mod published;
mod table;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use trimtab_core::Preference;

use super::parse_preference;
use super::published::Setting;

/// Where to evaluate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Environment {
    /// Off a recorded table in which every action was run.
    Trimtab,
    /// The published simulator: estimated responses, the policy's own history.
    Published,
    /// A log of one action a turn: what the policy would have scored there, off-policy. Scores, seconds and USD are means a turn;
    /// propensities are counted in both parts, and the model of a dialogue is fitted on all others of both.
    Logged,
}

/// A way to choose that needs no policy file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Algorithm {
    /// Always local.
    Local,
    /// Off a table: always the best cloud node with every view. In the published environment: any cloud action.
    Cloud,
    /// Any action; in the published environment local half of the time.
    Random,
    /// One action for each task kind, the best on the fit data.
    Table,
    /// A policy whose weights are random.
    RandomWeights,
    /// The documented default rule.
    Default,
    /// The best action in hindsight.
    Oracle,
    /// Turn by turn the best by the published estimate.
    Greedy,
    /// Off a log: the cloud, from the prompt alone.
    Text,
    /// Off a log: the cloud, from the view of the highest association.
    Image,
    /// Off a log: the class of the highest expected score within what the greedy is charged.
    Recipe,
    /// A language model behind an OpenAI-compatible endpoint, asked turn by turn.
    Llm,
    /// Always the action of that number.
    Constant(usize),
}

/// Names that are all there is to say.
const NAMED: [(&str, Algorithm); 12] = [
    ("local", Algorithm::Local),
    ("cloud", Algorithm::Cloud),
    ("random", Algorithm::Random),
    ("table", Algorithm::Table),
    ("random-weights", Algorithm::RandomWeights),
    ("default", Algorithm::Default),
    ("oracle", Algorithm::Oracle),
    ("greedy", Algorithm::Greedy),
    ("text", Algorithm::Text),
    ("image", Algorithm::Image),
    ("recipe", Algorithm::Recipe),
    ("llm", Algorithm::Llm),
];

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(action) => write!(f, "constant:{action}"),
            named => f.write_str(NAMED.iter().find(|(_, other)| other == named).map_or("", |(name, _)| name)),
        }
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let constant = text.strip_prefix("constant:").and_then(|number| number.parse().ok()).filter(|n| *n < 9);
        let named = NAMED.iter().find(|(name, _)| *name == text).map(|(_, algorithm)| *algorithm);
        named.or(constant.map(Self::Constant)).ok_or_else(|| {
            let known = names(&NAMED.map(|(_, algorithm)| algorithm));
            format!("{text:?}: one of {known}, constant:0 to constant:8")
        })
    }
}

fn names(algorithms: &[Algorithm]) -> String {
    algorithms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[derive(Args, Debug)]
pub(super) struct Evaluate {
    /// Table files, or folders of them: what environment or task table are fitted to.
    #[arg(long, visible_alias = "fit-data", num_args = 1..)]
    train: Vec<PathBuf>,
    /// Table files, or folders of them: the turns to choose for.
    #[arg(long, visible_alias = "data", required = true, num_args = 1..)]
    test: Vec<PathBuf>,
    /// Where to evaluate.
    #[arg(long, value_enum, default_value_t = Environment::Trimtab)]
    env: Environment,
    /// A policy file.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// Ways to choose that need no policy file; off a table, several are compared.
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    algo: Vec<Algorithm>,
    /// Of random choices, random weights and the draws of intervals off a log.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Weights of the decision off a table or log, as in quality=1,latency=0.3; without it those that the policy was distilled
    /// for, or the usual ones.
    #[arg(long, value_parser = parse_preference)]
    preference: Option<Preference>,
    /// Off a log: folder of the text encoder; without it the shipped one.
    #[arg(long)]
    encoder: Option<PathBuf>,
    #[command(flatten)]
    llm: llm::Llm,
    #[command(flatten)]
    setting: Setting,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.env {
            Environment::Trimtab => self.on_table(),
            Environment::Published => self.published(),
            Environment::Logged => self.logged(),
        }
    }
}
