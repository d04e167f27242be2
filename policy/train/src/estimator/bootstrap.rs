//! Intervals by drawing whole dialogues again: turns of one dialogue depend on each other.

use serde::{Deserialize, Serialize};
use trimtab_scenes::Rng;

/// Drawn sets of dialogues.
pub const DRAWS: usize = 2_000;
/// Share of the draws that an interval holds.
pub const LEVEL: f64 = 0.95;

/// A figure with its interval.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Interval {
    /// Over all turns as they are.
    pub value: f64,
    /// Lower end over the drawn sets.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The figure `of` over the turns whose indices it is given, and its interval at [`LEVEL`]. `groups` names the dialogue (or
/// question) of every turn, and is drawn by it; the same seed and groups give the same draws, so that figures can be paired.
#[must_use]
pub fn interval<G: PartialEq>(groups: &[G], seed: u64, of: impl Fn(&[usize]) -> f64) -> Interval {
    let members = members(groups);
    let mut rng = Rng::for_purpose(seed, "bootstrap");
    let mut drawn: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let chosen = (0..members.len()).flat_map(|_| members[rng.below(members.len())].iter().copied());
            of(&chosen.collect::<Vec<usize>>())
        })
        .filter(|figure| figure.is_finite())
        .collect();
    drawn.sort_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0;
    let value = of(&(0..groups.len()).collect::<Vec<usize>>());
    Interval { value, low: quantile(&drawn, tail), high: quantile(&drawn, 1.0 - tail) }
}

/// Indices of the turns of every group, groups in the order in which they first appear.
fn members<G: PartialEq>(groups: &[G]) -> Vec<Vec<usize>> {
    let mut names: Vec<&G> = Vec::new();
    let mut members: Vec<Vec<usize>> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let known = names.iter().position(|name| *name == group).unwrap_or_else(|| {
            names.push(group);
            members.push(Vec::new());
            names.len() - 1
        });
        members[known].push(index);
    }
    members
}

/// The `share` quantile of ascending numbers, interpolated; NaN of none.
#[must_use]
pub fn quantile(ascending: &[f64], share: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else { return f64::NAN };
    let at = share.clamp(0.0, 1.0) * last as f64;
    let below = (at.floor() as usize).min(last);
    let above = (below + 1).min(last);
    ascending[below] + (ascending[above] - ascending[below]) * (at - below as f64)
}
