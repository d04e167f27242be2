//! What the experiment says of the claims.

use serde::Serialize;

use super::published::{CLOUD, GREEDY, LEARNT, LOCAL, ORACLE, RANDOM};
use super::{Ablation, Row};
use crate::logged::front::Comparison;
use crate::published::NAMED_BUDGETS;

/// A claim, whether it holds here, and the figures.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Verdict {
    /// What is claimed.
    pub claim: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// The figures.
    pub because: String,
}

/// Shares of the oracle within a budget that are aimed at, for all named budgets but the first.
const SHARES: [f64; 4] = [0.93, 0.97, 0.97, 0.95];
/// Reward that is aimed at without a tight budget.
const AIM: f64 = 1.30;

/// Score by the log that is aimed at.
const TRUTH: f64 = 1.25;

pub(super) fn all(rows: &[Row], ablations: &[Ablation], logged: &Comparison) -> Vec<Verdict> {
    let row = |method: &str, budget: usize, shielded: bool| {
        rows.iter().find(|row| row.method == method && row.budget == NAMED_BUDGETS[budget] && row.shielded == shielded)
    };
    let reward = |method: &str, budget: usize| row(method, budget, false).map_or(f64::NAN, |row| row.reward.mean);
    let (random, local, cloud) = (reward(RANDOM, 0), reward(LOCAL, 0), reward(CLOUD, 0));
    let (greedy, learnt, oracle) = (reward(GREEDY, 0), reward(LEARNT, 0), reward(ORACLE, 0));
    let cost = |method: &str| row(method, 0, false).map_or(f64::NAN, |row| row.usage_usd);
    let free = row(LEARNT, 0, false);
    let mut found = vec![
        Verdict {
            claim: "local is the cheapest, random lies between local and cloud in cost",
            holds: cost(LOCAL) < cost(RANDOM) && cost(RANDOM) < cost(CLOUD),
            because: format!(
                "USD a conversation: local {:.6}, random {:.5}, cloud {:.5}",
                cost(LOCAL),
                cost(RANDOM),
                cost(CLOUD)
            ),
        },
        Verdict {
            claim: "cloud has the highest reward of local, random and cloud (the paper's expectation)",
            holds: cloud > random && cloud > local,
            because: format!("reward: local {local:.3}, random {random:.3}, cloud {cloud:.3}"),
        },
        Verdict {
            claim: "the learnt policy, as int8 file, reaches a reward of 1.30 and breaks no budget",
            holds: learnt >= AIM && free.is_some_and(|row| row.over_latency + row.over_usage == 0.0),
            because: format!(
                "reward {learnt:.4}, worst training seed {:.4}; {:.0} % of the way from greedy {greedy:.4} to oracle {oracle:.4}",
                free.map_or(f64::NAN, |row| row.worst_seed),
                100.0 * (learnt - greedy) / (oracle - greedy)
            ),
        },
    ];
    for (share, budget) in SHARES.into_iter().zip(1..) {
        let (Some(own), best) = (row(LEARNT, budget, true), reward(ORACLE, budget)) else { continue };
        found.push(Verdict {
            claim: "the same file under the shield breaks no budget and keeps its share of the oracle's reward",
            holds: own.reward.mean >= share * best && own.over_latency + own.over_usage == 0.0,
            because: format!(
                "{} s / {} USD: {:.4} of {best:.4} = {:.4}, aim {share}; over budget {:.1} %",
                own.budget.seconds,
                own.budget.usd,
                own.reward.mean,
                own.reward.mean / best,
                100.0 * own.over_latency.max(own.over_usage)
            ),
        });
    }
    if let Some(recipe) = logged.rows.first() {
        let (own, over) = (&recipe.evaluation, recipe.over_greedy.snips);
        found.push(Verdict {
            claim: "a policy that sees the prompt chooses better answers by the logged scores, at no more time and money",
            holds: own.snips >= TRUTH
                && over.low > 0.0
                && own.latency_s <= logged.limit.latency_s
                && own.usage_usd <= logged.limit.usage_usd,
            because: format!(
                "{} {:.3}, {:+.3} [{:+.3}, {:+.3}] over the published greedy; {:.2} s and {:.4} USD a turn of {:.2} and {:.4}; effective n {:.0}",
                recipe.policy, own.snips, over.value, over.low, over.high, own.latency_s, own.usage_usd,
                logged.limit.latency_s, logged.limit.usage_usd, own.effective_n
            ),
        });
    }
    if let Some(penalty) = ablations.iter().find(|ablation| ablation.of == "penalty") {
        let over = |point: Option<&super::Point>| point.map_or(f64::NAN, |point| 100.0 * point.over);
        let (none, most) = (over(penalty.points.first()), over(penalty.points.last()));
        found.push(Verdict {
            claim: "the paper's penalty, made differentiable, lowers violations",
            holds: most < none,
            because: format!("A2C at 10 s and 0.01 USD: {none:.0} % of conversations over a budget without it, {most:.0} % with λ = 10"),
        });
    }
    if let Some(history) = ablations.iter().find(|ablation| ablation.of == "history") {
        let at = |turns: f64| {
            history.points.iter().find(|point| point.at == turns).map_or(f64::NAN, |point| point.result.mean)
        };
        found.push(Verdict {
            claim: "a longer history helps",
            holds: at(5.0) > at(1.0),
            because: format!(
                "reward of the greedy: {:.3} with one turn, {:.3} with three, {:.3} with five",
                at(1.0),
                at(3.0),
                at(5.0)
            ),
        });
    }
    found
}
