//! Claims on single parts of the published system.

use super::{Verdict, ablation};
use crate::experiment::{Point, Study};

pub(super) fn all(study: &Study) -> Vec<Verdict> {
    let each: [fn(&Study) -> Option<Verdict>; 5] = [penalty, history, memory_of_estimate, views, association];
    each.into_iter().filter_map(|verdict| verdict(study)).collect()
}

fn penalty(study: &Study) -> Option<Verdict> {
    let points = &ablation(study, "penalty")?.points;
    let (none, most) = (100.0 * points.first()?.over, 100.0 * points.last()?.over);
    Some(Verdict {
        claim: "the paper's penalty, made differentiable, lowers violations",
        holds: most < none,
        because: format!(
            "A2C at 10 s and 0.01 USD: {none:.0} % of conversations over a budget without it, {most:.0} % with λ = 10"
        ),
    })
}

fn history(study: &Study) -> Option<Verdict> {
    let points = &ablation(study, "history")?.points;
    let told: Vec<String> = points
        .iter()
        .map(|point| {
            format!("τ = {}: {:.3} ± {:.3}, {:.0} %", point.at, point.result.mean, point.result.std, 100.0 * point.over)
        })
        .collect();
    let at = |turns: f64| points.iter().find(|point| point.at == turns).map(|point| point.result.mean);
    Some(Verdict {
        claim: "RC-A2C gets more reward with a longer history",
        holds: at(5.0)? > at(1.0)?,
        because: format!("reward and share over 7 s or 0.006 USD: {}", told.join("; ")),
    })
}

fn memory_of_estimate(study: &Study) -> Option<Verdict> {
    let points = &ablation(study, "history-of-estimate")?.points;
    let at = |turns: f64| points.iter().find(|point| point.at == turns).map(|point| point.result.mean);
    Some(Verdict {
        claim: "an estimate that looks back further gives the greedy more reward",
        holds: at(5.0)? > at(1.0)?,
        because: format!("{:.3} with one turn, {:.3} with three, {:.3} with five", at(1.0)?, at(3.0)?, at(5.0)?),
    })
}

fn views(study: &Study) -> Option<Verdict> {
    let points = &ablation(study, "views")?.points;
    let (free, all) = (points.first()?, points.get(1)?);
    let loss = all.loss?;
    let cost = |point: &Point| point.taken.map_or(f64::NAN, |taken| 1e3 * taken.usage_usd);
    let told: Vec<String> = points
        .iter()
        .map(|point| format!("{} {:.3} at {:.2}", point.name.unwrap_or_default(), point.result.mean, cost(point)))
        .collect();
    Some(Verdict {
        claim: "to choose among views gets more reward at less cost than to send all of them",
        holds: loss.low > 0.0 && cost(free) < cost(all),
        because: format!(
            "{:+.3} [{:+.3}, {:+.3}] over all views; reward at 10⁻³ USD a conversation: {}",
            loss.value,
            loss.low,
            loss.high,
            told.join(", ")
        ),
    })
}

fn association(study: &Study) -> Option<Verdict> {
    let points = &ablation(study, "association")?.points;
    let told: Vec<(String, bool)> = points
        .iter()
        .filter_map(|point| {
            let (name, loss) = (point.name?, point.loss?);
            let told = format!("{name}: {:+.3} [{:+.3}, {:+.3}]", -loss.value, -loss.high, -loss.low);
            Some((told, loss.low > 0.0))
        })
        .collect();
    Some(Verdict {
        claim: "the association of prompt and views in what teaches gets more reward",
        holds: !told.is_empty() && told.iter().all(|(_, holds)| *holds),
        because: told.into_iter().map(|(told, _)| told).collect::<Vec<_>>().join("; "),
    })
}
