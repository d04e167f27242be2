//! What carries over between M4A1 and a table of our own.

use super::Verdict;
use crate::bootstrap::Interval;
use crate::experiment::transfer::{LOG, OWN};
use crate::experiment::{Estimated, Study, Transfer};

pub(super) fn all(study: &Study) -> Vec<Verdict> {
    let Some(transfer) = &study.transfer else { return Vec::new() };
    let mut found = vec![
        estimates(transfer, LOG, OWN, "what a task scores in a class on M4A1 foretells our own turns"),
        estimates(transfer, OWN, LOG, "what a task scores in a class on our own turns foretells M4A1"),
    ];
    let own = transfer.on_own.iter().map(|row| (row.policy, row.right.value, row.loss));
    found.push(policies("policies learnt on M4A1 are as often right on our own turns as those learnt there", own));
    let log = transfer.on_log.iter().map(|row| (row.policy, row.evaluation.snips, row.loss));
    found.push(policies("policies learnt on our own turns score as much on M4A1 as those learnt there", log));
    found
}

fn estimates(transfer: &Transfer, from: &str, to: &str, claim: &'static str) -> Verdict {
    let of = |from: &str| {
        let wanted = |found: &&Estimated| found.fitted_on == from && found.judged_on == to;
        transfer
            .estimates
            .iter()
            .find(wanted)
            .map_or((f64::NAN, f64::NAN), |found| (found.r2, found.pearson.unwrap_or(f64::NAN)))
    };
    let ((away, pearson), (home, pearson_home)) = (of(from), of(to));
    Verdict {
        claim,
        holds: away > 0.0,
        because: format!("R² {away:+.3} (at home {home:+.3}), correlation {pearson:+.2} (at home {pearson_home:+.2})"),
    }
}

/// Each with what it comes to, and by how much it falls short of the one that was learnt at home.
fn policies(claim: &'static str, rows: impl Iterator<Item = (&'static str, f64, Option<Interval>)>) -> Verdict {
    let away: Vec<(&str, f64, Interval)> =
        rows.filter_map(|(policy, value, loss)| Some((policy, value, loss?))).collect();
    let told: Vec<String> = away
        .iter()
        .map(|(policy, value, loss)| {
            format!("{policy} {value:.3}, less by {:+.3} [{:+.3}, {:+.3}]", loss.value, loss.low, loss.high)
        })
        .collect();
    Verdict { claim, holds: away.iter().all(|(.., loss)| loss.low <= 0.0), because: told.join("; ") }
}
