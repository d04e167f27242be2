//! Claims on the reward of the published environment.

use super::{Verdict, reward_of, row};
use crate::experiment::Study;
use crate::experiment::field::{CLOUD, GREEDY, LEARNT, LOCAL, ORACLE, PLANNER, RANDOM};
use crate::learner::published::Training;
use crate::published::NAMED_BUDGETS;

/// Shares of the oracle within a budget that are aimed at, for all named budgets but the first.
const SHARES: [f64; 4] = [0.93, 0.97, 0.97, 0.95];
/// Reward that is aimed at without a tight budget.
const AIM: f64 = 1.30;
/// What the paper puts first of its learners.
const CHAMPION: &str = "rc-a2c";

pub(super) fn all(study: &Study) -> Vec<Verdict> {
    let mut found = baselines(study);
    found.extend(learners(study));
    found.extend(budgets(study));
    found.extend(profiles(study));
    found
}

fn baselines(study: &Study) -> Vec<Verdict> {
    let reward = |method: &str| reward_of(study, method, 0);
    let (random, local, cloud) = (reward(RANDOM), reward(LOCAL), reward(CLOUD));
    let (greedy, learnt, oracle) = (reward(GREEDY), reward(LEARNT), reward(ORACLE));
    let cost = |method: &str| row(study, method, 0, false).map_or(f64::NAN, |row| row.usage_usd);
    let free = row(study, LEARNT, 0, false);
    vec![
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
    ]
}

fn learners(study: &Study) -> Vec<Verdict> {
    let rewards = Training::NAMES.map(|name| (name, reward_of(study, name, 0)));
    let listed: Vec<String> = rewards.iter().map(|(name, reward)| format!("{name} {reward:.3}")).collect();
    let best = rewards.iter().map(|(_, reward)| *reward).fold(f64::NEG_INFINITY, f64::max);
    let greedy = reward_of(study, GREEDY, 0);
    let tight = 3;
    let over = |name: &str| {
        row(study, name, tight, false).map_or(f64::NAN, |row| 100.0 * row.over_latency.max(row.over_usage))
    };
    let constrained = || Training::NAMES.into_iter().filter(|name| name.starts_with("rc-"));
    let broken: Vec<String> = constrained().map(|name| format!("{name} {:.0} %", over(name))).collect();
    let budget = NAMED_BUDGETS[tight];
    vec![
        Verdict {
            claim: "RC-A2C has the highest reward of the published learners (the paper's result)",
            holds: reward_of(study, CHAMPION, 0) >= best,
            because: format!("reward: {}", listed.join(", ")),
        },
        Verdict {
            claim: "a published learner does better than a greedy on the same estimate, which needs no training",
            holds: best > greedy,
            because: format!("best learner {best:.3}, greedy {greedy:.3}"),
        },
        Verdict {
            claim: "the published RC learners keep budgets by themselves",
            holds: constrained().all(|name| over(name) == 0.0),
            because: format!(
                "over {} s or {} USD, without a shield: {}",
                budget.seconds,
                budget.usd,
                broken.join(", ")
            ),
        },
    ]
}

fn budgets(study: &Study) -> Vec<Verdict> {
    let mut found = Vec::new();
    for (share, budget) in SHARES.into_iter().zip(1..) {
        let (Some(own), best) = (row(study, LEARNT, budget, true), reward_of(study, ORACLE, budget)) else { continue };
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
    let shielded = || study.rows.iter().filter(|row| row.shielded);
    let most = shielded().map(|row| row.over_latency.max(row.over_usage)).fold(0.0, f64::max);
    found.push(Verdict {
        claim: "under the device's shield no contender breaks any budget",
        holds: most == 0.0,
        because: format!("{} contenders and budgets, most over budget {:.1} %", shielded().count(), 100.0 * most),
    });
    found
}

fn profiles(study: &Study) -> Option<Verdict> {
    let of = |method: &'static str| study.profiles.iter().filter(move |profile| profile.method == method);
    let pairs: Vec<(f64, f64)> = of(PLANNER).zip(of(GREEDY)).map(|(a, b)| (a.reward.mean, b.reward.mean)).collect();
    let (better, over) =
        (pairs.iter().filter(|(plan, greedy)| plan > greedy).count(), of(PLANNER).map(|plan| plan.over));
    let over = over.fold(0.0, f64::max);
    let least = pairs.iter().map(|(plan, greedy)| plan - greedy).fold(f64::INFINITY, f64::min);
    (!pairs.is_empty()).then(|| Verdict {
        claim: "on every published device and network the plan gets more reward than the greedy and breaks no budget",
        holds: better == pairs.len() && over == 0.0,
        because: format!(
            "more on {better} of {}, least difference {least:+.3}; most over budget {:.1} %",
            pairs.len(),
            100.0 * over
        ),
    })
}
