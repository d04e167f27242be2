//! Every policy on one log, and the fronts that a recipe spans when the owner's limit or weights are swept: data for tables and
//! plots.

use serde::{Deserialize, Serialize};
use trimtab_core::Action;

use super::baseline::{best_table, constant};
use super::charge::{Charge, Charges};
use super::evaluation::{Difference, Evaluation, Log};
use super::propensity::Propensity;
use super::recipe::{Owner, Recipe, Weights, greedy, swept, trained};
use super::values::{fitted, leave_one_dialogue_out};
use crate::dataset::{Class, LoggedTurn};
use crate::estimator::{Kind, Prompts};

/// Shares of what the published greedy is charged, as limits.
pub const SHARES: [f64; 12] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.3];
/// Equal weights of latency and cost.
pub const WEIGHTS: [f64; 11] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5];

/// One policy on the log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// What it is.
    pub policy: String,
    /// It was chosen on the very turns that it is judged on.
    pub in_sample: bool,
    /// What it would have scored and been charged.
    pub evaluation: Evaluation,
    /// By how much it scores more than the published greedy on nearest neighbours.
    pub over_greedy: Difference,
}

/// The recipe for one owner.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Point {
    /// What the owner asks for.
    pub owner: Owner,
    /// What it would have scored and been charged.
    pub evaluation: Evaluation,
}

/// The whole comparison.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// The mean charge of the published greedy, which the recipe has to keep within.
    pub limit: Charge,
    /// The recipe that was trained.
    pub recipe: Recipe,
    /// Every policy.
    pub rows: Vec<Row>,
    /// The recipe, swept over [`SHARES`].
    pub by_limit: Vec<Point>,
    /// The recipe, swept over [`WEIGHTS`].
    pub by_weight: Vec<Point>,
}

/// A policy that is compared by what it chose in every turn.
#[derive(Clone, PartialEq, Debug)]
pub struct Contender {
    /// What it is.
    pub policy: String,
    /// It was trained on the very turns that it is judged on.
    pub in_sample: bool,
    /// One action a turn.
    pub choices: Vec<Action>,
}

/// Makes the comparison: every policy that is learnt here is trained without the dialogue that it is judged on. `published` is the
/// greedy on nearest neighbours that all are measured against; `others` are shown beside it.
///
/// # Panics
/// When a policy has not one choice for every turn.
#[must_use]
pub fn compare(
    turns: &[LoggedTurn],
    recipe: Recipe,
    prompts: &Prompts,
    published: &[Action],
    others: &[Contender],
    seed: u64,
) -> Comparison {
    let charges = Charges::default();
    let model = leave_one_dialogue_out(turns, |others, own| fitted(Kind::ShrunkMeans, others, own, prompts));
    let log = Log::new(turns, Propensity::count(turns), &model, &charges, seed);
    let limit = charges.mean(published);
    let row = |policy: &str, in_sample, choices: &[Action]| Row {
        policy: policy.into(),
        in_sample,
        evaluation: log.evaluate(choices),
        over_greedy: log.difference(choices, published),
    };
    let mut rows = vec![
        row("recipe", false, &trained(&recipe, turns, &charges, prompts)),
        row("greedy on neighbours", false, published),
        row("greedy on shrunk means", false, &greedy(Kind::ShrunkMeans, turns, &charges, prompts)),
    ];
    if let Some(table) = best_table(turns, &charges, limit) {
        rows.push(row("best task table within the limit", true, &table));
    }
    for (class, name) in Class::ALL.into_iter().zip(["always local", "always text", "always images"]) {
        rows.push(row(name, false, &constant(class, turns)));
    }
    rows.extend(others.iter().map(|other| row(&other.policy, other.in_sample, &other.choices)));
    let shares = SHARES.map(Owner::ShareOfGreedy);
    let weights = WEIGHTS.map(|weight| Owner::Weights(Weights { latency: weight, usage: weight }));
    let points = |owners: &[Owner]| {
        let choices = swept(recipe.kind, owners, turns, &charges, prompts);
        let point =
            |(owner, choices): (&Owner, Vec<Action>)| Point { owner: *owner, evaluation: log.evaluate(&choices) };
        owners.iter().zip(choices).map(point).collect()
    };
    Comparison { limit, recipe, rows, by_limit: points(&shares), by_weight: points(&weights) }
}
