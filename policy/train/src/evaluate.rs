//! Off the recorded table: what each way to choose gets right and what it costs, with paired bootstrap intervals.
//!
//! Every action of every turn was run, so nothing is estimated: a choice is looked up.

use serde::Serialize;
use trimtab_core::Preference;
use trimtab_engine::PolicyError;

use crate::bootstrap::{self, Interval};
use crate::choose::{Chooser, reward};
use crate::dataset::Turn;

/// Of the draws of every interval.
const SEED: u64 = 0;

/// What one way to choose did.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Number of turns.
    pub turns: usize,
    /// Right answers in percent.
    pub right_percent: Interval,
    /// The same over the turns that need views.
    pub right_percent_view_dependent: f64,
    /// Mean reward.
    pub reward: Interval,
    /// Mean nano-USD a turn.
    pub money_nusd: f64,
    /// Mean milliseconds a turn.
    pub latency_ms: f64,
    /// Mean bytes up a turn.
    pub bytes_up: f64,
    /// Mean microjoules a turn.
    pub energy_uj: f64,
    /// Percent of turns answered by each node, in the order of the table's nodes.
    pub node_percent: Vec<(String, f64)>,
    /// Mean number of uploaded views.
    pub views: f64,
    #[serde(skip)]
    decisions: Vec<Decision>,
}

/// The difference of two ways to choose on the same turns.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Comparison {
    /// The first.
    pub of: String,
    /// The second.
    pub against: String,
    /// Right answers of the first less the second, in percentage points.
    pub right_points: Interval,
    /// The same for reward.
    pub reward: Interval,
}

/// One choice and what came of it.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Decision {
    chosen: usize,
    right: f64,
    reward: f64,
}

/// Evaluates one way to choose over these turns.
///
/// # Errors
/// A policy file that cannot be run.
pub fn evaluate(
    chooser: &Chooser,
    name: &str,
    turns: &[&Turn],
    preference: &Preference,
) -> Result<Report, PolicyError> {
    let chosen: Vec<usize> =
        turns.iter().map(|turn| chooser.choose(turn, preference)).collect::<Result<_, PolicyError>>()?;
    Ok(judge(name, turns, &chosen, preference))
}

/// What came of choosing these places among the tried actions of these turns.
#[must_use]
pub fn judge(name: &str, turns: &[&Turn], chosen: &[usize], preference: &Preference) -> Report {
    let decide = |(turn, chosen): (&&Turn, &usize)| {
        let tried = &turn.tried[*chosen];
        Decision {
            chosen: *chosen,
            right: f64::from(u8::from(tried.right)),
            reward: f64::from(reward(turn, tried, preference)),
        }
    };
    let decisions: Vec<Decision> = turns.iter().zip(chosen).map(decide).collect();
    let count = turns.len().max(1) as f64;
    let taken = || turns.iter().zip(&decisions).map(|(turn, d)| (turn, &turn.tried[d.chosen]));
    let mean = |of: &dyn Fn(&crate::dataset::Tried) -> f64| taken().map(|(_, tried)| of(tried)).sum::<f64>() / count;
    let dependent: Vec<f64> =
        turns.iter().zip(&decisions).filter(|(turn, _)| turn.needs_views).map(|(_, d)| d.right).collect();
    let nodes = turns.first().map_or(&[][..], |turn| &turn.setting.nodes);
    let node_percent = nodes.iter().map(|node| {
        let hits =
            taken().filter(|(turn, tried)| turn.setting.nodes[tried.action.node.get()].name == node.name).count();
        (node.name.clone(), 100.0 * hits as f64 / count)
    });
    Report {
        name: name.into(),
        turns: turns.len(),
        right_percent: bootstrap::mean(&decisions.iter().map(|d| 100.0 * d.right).collect::<Vec<_>>(), SEED),
        right_percent_view_dependent: 100.0 * dependent.iter().sum::<f64>() / dependent.len().max(1) as f64,
        reward: bootstrap::mean(&decisions.iter().map(|d| d.reward).collect::<Vec<_>>(), SEED),
        money_nusd: mean(&|tried| tried.cost.money.nano() as f64),
        latency_ms: mean(&|tried| tried.cost.latency.get() as f64),
        bytes_up: mean(&|tried| tried.cost.bytes.get() as f64),
        energy_uj: mean(&|tried| tried.cost.energy.micro() as f64),
        node_percent: node_percent.collect(),
        views: mean(&|tried| tried.action.views.len() as f64),
        decisions,
    }
}

impl Report {
    /// This less another, turn by turn.
    #[must_use]
    pub fn against(&self, other: &Self) -> Comparison {
        let pairs = || self.decisions.iter().zip(&other.decisions);
        Comparison {
            of: self.name.clone(),
            against: other.name.clone(),
            right_points: bootstrap::mean(&pairs().map(|(a, b)| 100.0 * (a.right - b.right)).collect::<Vec<_>>(), SEED),
            reward: bootstrap::mean(&pairs().map(|(a, b)| a.reward - b.reward).collect::<Vec<_>>(), SEED),
        }
    }

    /// Share of the turns in which both chose the same action, 0..=1; one when there are no turns.
    #[must_use]
    pub fn agreement(&self, other: &Self) -> f64 {
        let same = self.decisions.iter().zip(&other.decisions).filter(|(a, b)| a.chosen == b.chosen).count();
        if self.decisions.is_empty() { 1.0 } else { same as f64 / self.decisions.len() as f64 }
    }
}
