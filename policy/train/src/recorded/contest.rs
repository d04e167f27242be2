//! Every way to choose on the same turns, beside the best cloud node with every view and the best action in hindsight.

use serde::Serialize;
use trimtab_core::Preference;
use trimtab_engine::PolicyError;

use super::environment::Limit;
use super::front::{Point, front};
use super::learnt::Learnt;
use super::neighbours::Neighbours;
use crate::choose::{Chooser, TaskTable};
use crate::dataset::Turn;
use crate::evaluate::{Comparison, Report, evaluate, judge};

/// What an RC form may spend of what the best cloud node with every view takes: time, then money.
const SHARES: [f64; 2] = [0.45, 0.5];

/// A policy file in a contest.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Its name.
    pub name: String,
    /// As the device would choose by it.
    pub chooser: Chooser,
}

/// One way to choose.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Training seeds that the means are over; 1 where nothing is drawn.
    pub seeds: usize,
    /// Right answers in percent.
    pub right_percent: f64,
    /// Of the training seed with the fewest.
    pub worst_right_percent: f64,
    /// Mean reward.
    pub reward: f64,
    /// Sample standard deviation of the reward over training seeds.
    pub reward_std: f64,
    /// Mean nano-USD a turn.
    pub money_nusd: f64,
    /// Mean milliseconds a turn.
    pub latency_ms: f64,
    /// Mean microjoules a turn.
    pub energy_uj: f64,
    /// Mean number of uploaded views.
    pub views: f64,
    /// Right answers, money and time as shares of the best cloud node's with every view.
    pub of_cloud: [f64; 3],
    /// Reward as a share of the oracle's.
    pub of_oracle: f64,
    /// The first row less this one, turn by turn, for the first training seed.
    pub under_first: Option<Comparison>,
}

/// The whole contest.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Contest {
    /// Training turns.
    pub train: usize,
    /// Turns that all are judged on.
    pub test: usize,
    /// Conversations that they are of.
    pub conversations: usize,
    /// The owner's weights.
    pub preference: Preference,
    /// Budget of the RC forms, a turn.
    pub limit: Limit,
    /// The contenders first.
    pub rows: Vec<Row>,
    /// The first contender's.
    pub front: Vec<Point>,
}

impl Contest {
    /// Jobs that `watch` of [`contest`] is told of, one by one.
    #[must_use]
    pub const fn jobs(contenders: usize, seeds: u64) -> u64 {
        contenders as u64 + RULES + Learnt::NAMES.len() as u64 * seeds + 1
    }
    /// Whether spending less never comes with more right answers along the front, and more weight never with more spending.
    #[must_use]
    pub fn is_monotone(&self) -> bool {
        self.front
            .windows(2)
            .all(|pair| pair[1].money_nusd <= pair[0].money_nusd && pair[1].right_percent <= pair[0].right_percent)
    }
}

/// Ways to choose that are neither files nor learnt with a seed: local, cloud, random, table, default, greedy, oracle.
const RULES: u64 = 7;

/// Judges contenders, of which there may be none, rules and published learners, fitted to `train`, on `test`. Both have turns.
///
/// # Errors
/// A policy file that cannot be run.
pub fn contest(
    train: &[&Turn],
    test: &[&Turn],
    contenders: &[Contender],
    preference: &Preference,
    seeds: u64,
    watch: &mut dyn FnMut(),
) -> Result<Contest, PolicyError> {
    let mut runs: Vec<Vec<Report>> = Vec::new();
    for Contender { name, chooser } in contenders {
        runs.push(vec![evaluate(chooser, name, test, preference)?]);
        watch();
    }
    let cloud = evaluate(&Chooser::CloudAll, Chooser::CloudAll.name(), test, preference)?;
    let task_table = Chooser::TaskTable(TaskTable::fit(train, preference));
    for rule in [Chooser::Local, Chooser::Random { seed: 1 }, task_table, Chooser::DefaultRule] {
        runs.push(vec![evaluate(&rule, rule.name(), test, preference)?]);
        watch();
    }
    runs.push(vec![cloud.clone()]);
    watch();
    let greedy = Neighbours::fit(train, 1).choose(test, preference);
    runs.push(vec![judge("greedy", test, &greedy, preference)]);
    watch();
    let limit = limit(&evaluate(&Chooser::CloudAll, "", train, preference)?);
    for name in Learnt::NAMES {
        let mut of_seeds = Vec::new();
        for seed in 1..=seeds {
            if let Some(learnt) = Learnt::train(name, train, preference, limit, seed, &mut |_| ()) {
                of_seeds.push(judge(name, test, &learnt.choose(test), preference));
            }
            watch();
        }
        runs.push(of_seeds);
    }
    let oracle = evaluate(&Chooser::Oracle, Chooser::Oracle.name(), test, preference)?;
    watch();
    runs.push(vec![oracle.clone()]);
    let front = match contenders.first() {
        Some(first) => front(&first.chooser, test, preference)?,
        None => Vec::new(),
    };
    watch();
    let first = runs.first().and_then(|reports| reports.first()).cloned();
    let rows = runs.iter().filter(|reports| !reports.is_empty());
    Ok(Contest {
        train: train.len(),
        test: test.len(),
        conversations: test.chunk_by(|a, b| a.dialogue == b.dialogue).count(),
        preference: *preference,
        limit,
        rows: rows.map(|reports| row(reports, &cloud, &oracle, first.as_ref())).collect(),
        front,
    })
}

/// What the RC forms keep to, from what always asking the best cloud node with every view takes.
fn limit(cloud: &Report) -> Limit {
    Limit { seconds: SHARES[0] * cloud.latency_ms / 1e3, usd: SHARES[1] * cloud.money_nusd / 1e9 }
}

/// One row from the runs of its training seeds, of which there is at least one.
fn row(reports: &[Report], cloud: &Report, oracle: &Report, first: Option<&Report>) -> Row {
    let count = reports.len() as f64;
    let mean = |of: &dyn Fn(&Report) -> f64| reports.iter().map(of).sum::<f64>() / count;
    let reward = mean(&|report| report.reward.value);
    let squares = mean(&|report| (report.reward.value - reward).powi(2)) * count;
    let (right_percent, money_nusd) = (mean(&|report| report.right_percent.value), mean(&|report| report.money_nusd));
    let latency_ms = mean(&|report| report.latency_ms);
    Row {
        name: reports[0].name.clone(),
        seeds: reports.len(),
        right_percent,
        worst_right_percent: reports.iter().map(|report| report.right_percent.value).fold(f64::INFINITY, f64::min),
        reward,
        reward_std: (squares / (count - 1.0).max(1.0)).sqrt(),
        money_nusd,
        latency_ms,
        energy_uj: mean(&|report| report.energy_uj),
        views: mean(&|report| report.views),
        of_cloud: [
            right_percent / cloud.right_percent.value,
            money_nusd / cloud.money_nusd,
            latency_ms / cloud.latency_ms,
        ],
        of_oracle: reward / oracle.reward.value,
        under_first: first.filter(|first| first.name != reports[0].name).map(|first| first.against(&reports[0])),
    }
}
