//! Claims on the logged scores.

use super::{Verdict, ablation};
use crate::experiment::{Judged, Study};

/// Score by the log that is aimed at.
const SCORE: f64 = 1.25;
/// Rank correlation from which two orders are taken for one.
const ALIKE: f64 = 0.7;

pub(super) fn all(study: &Study) -> Vec<Verdict> {
    recipe(study).into_iter().chain(order(study)).chain(prompt(study)).collect()
}

fn recipe(study: &Study) -> Option<Verdict> {
    let (limit, recipe) = (study.logged.limit, study.logged.rows.first()?);
    let (own, over) = (&recipe.evaluation, recipe.over_greedy.snips);
    Some(Verdict {
        claim: "a policy that sees the prompt chooses better answers by the logged scores, at no more time and money",
        holds: own.snips >= SCORE
            && over.low > 0.0
            && own.latency_s <= limit.latency_s
            && own.usage_usd <= limit.usage_usd,
        because: format!(
            "{} {:.3}, {:+.3} [{:+.3}, {:+.3}] over the published greedy; {:.2} s and {:.4} USD a turn of {:.2} and {:.4}; effective n {:.0}",
            recipe.policy,
            own.snips,
            over.value,
            over.low,
            over.high,
            own.latency_s,
            own.usage_usd,
            limit.latency_s,
            limit.usage_usd,
            own.effective_n
        ),
    })
}

/// Of constants there is one for each class that the log tells apart.
fn order(study: &Study) -> Option<Verdict> {
    let told = |judged: &&Judged| !judged.method.starts_with("constant");
    let (rewards, scores): (Vec<f64>, Vec<f64>) =
        study.judged.iter().filter(told).map(|judged| (judged.reward.mean, judged.logged.snips)).unzip();
    let best = study.judged.iter().filter(told).max_by(|a, b| a.logged.snips.total_cmp(&b.logged.snips))?;
    let correlation = spearman(&rewards, &scores);
    Some(Verdict {
        claim: "the order of contenders in the published environment is their order by the logged scores",
        holds: correlation >= ALIKE,
        because: format!(
            "rank correlation {correlation:+.2} over {} contenders; highest logged score: {} {:.3}, whose published reward is {:.3}",
            rewards.len(),
            best.method,
            best.logged.snips,
            best.reward.mean
        ),
    })
}

fn prompt(study: &Study) -> Option<Verdict> {
    let found = ablation(study, "prompt")?;
    let (all, task) = (found.points.first()?, found.points.get(1)?);
    let loss = task.loss?;
    Some(Verdict {
        claim: "to see the question is worth more than to see its task, by the logged scores",
        holds: loss.low > 0.0,
        because: format!(
            "{:.3} with the question, {:.3} with the task alone: {:+.3} [{:+.3}, {:+.3}]",
            all.result.mean, task.result.mean, loss.value, loss.low, loss.high
        ),
    })
}

/// Correlation of ranks; equals share the middle of theirs.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |values: &[f64]| -> Vec<f64> {
        let below = |value: &f64| values.iter().filter(|other| *other < value).count() as f64;
        let equal = |value: &f64| values.iter().filter(|other| *other == value).count() as f64;
        values.iter().map(|value| below(value) + (equal(value) - 1.0) / 2.0).collect()
    };
    let (a, b) = (ranks(a), ranks(b));
    let middle = (a.len() as f64 - 1.0) / 2.0;
    let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - middle) * (y - middle)).sum::<f64>();
    sum(&a, &b) / (sum(&a, &a) * sum(&b, &b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_tell_the_order_and_nothing_else() {
        assert!((spearman(&[1.0, 2.0, 30.0], &[0.1, 0.2, 0.21]) - 1.0).abs() < 1e-12);
        assert!((spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        // Equals share the middle of their ranks.
        assert!((spearman(&[1.0, 1.0, 2.0], &[1.0, 2.0, 3.0]) - 1.5 / 3.0_f64.sqrt()).abs() < 1e-12);
    }
}
