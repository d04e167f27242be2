//! What the experiment says of the claims.

mod ablated;
mod reward;
mod transferred;
mod truth;

use serde::Serialize;

use super::{Ablation, Row, Study};
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

/// On everything that was run.
pub(super) fn all(study: &Study) -> Vec<Verdict> {
    let mut found = reward::all(study);
    found.extend(truth::all(study));
    found.extend(ablated::all(study));
    found.extend(transferred::all(study));
    found
}

/// A contender under the budget of that place.
fn row<'a>(study: &'a Study, method: &str, budget: usize, shielded: bool) -> Option<&'a Row> {
    let own = |row: &&Row| row.method == method && row.budget == NAMED_BUDGETS[budget] && row.shielded == shielded;
    study.rows.iter().find(own)
}

/// Its reward without the shield; no number where it did not play.
fn reward_of(study: &Study, method: &str, budget: usize) -> f64 {
    row(study, method, budget, false).map_or(f64::NAN, |row| row.reward.mean)
}

fn ablation<'a>(study: &'a Study, of: &str) -> Option<&'a Ablation> {
    study.ablations.iter().find(|ablation| ablation.of == of)
}
