//! Intervals by drawing again: whole groups where turns depend on each other (those of one dialogue do), else turn by turn.

use serde::{Deserialize, Serialize};
use trimtab_scenes::Rng;

/// Drawn sets.
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
    let value = of(&(0..groups.len()).collect::<Vec<usize>>());
    around(value, seed, |rng| {
        let chosen = (0..members.len()).flat_map(|_| members[rng.below(members.len())].iter().copied());
        of(&chosen.collect::<Vec<usize>>())
    })
}

/// The mean of values that do not depend on each other, and its interval; the same seed and number of values give the same
/// draws.
#[must_use]
pub fn mean(values: &[f64], seed: u64) -> Interval {
    let count = values.len().max(1);
    let value = values.iter().sum::<f64>() / count as f64;
    if values.is_empty() {
        return Interval { value, low: value, high: value };
    }
    around(value, seed, |rng| (0..count).map(|_| values[rng.below(count)]).sum::<f64>() / count as f64)
}

fn around(value: f64, seed: u64, mut draw: impl FnMut(&mut Rng) -> f64) -> Interval {
    let mut rng = Rng::for_purpose(seed, "bootstrap");
    let mut drawn: Vec<f64> = (0..DRAWS).map(|_| draw(&mut rng)).filter(|figure| figure.is_finite()).collect();
    drawn.sort_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_turns_are_groups_of_one() {
        let values: Vec<f64> = (0..40).map(|x| f64::from(x * x)).collect();
        let of = |drawn: &[usize]| drawn.iter().map(|index| values[*index]).sum::<f64>() / drawn.len() as f64;
        let (alone, grouped) = (mean(&values, 3), interval(&(0..40).collect::<Vec<u8>>(), 3, of));
        assert_eq!(alone, grouped);
        assert!(alone.low < alone.value && alone.value < alone.high);
    }

    #[test]
    fn turns_of_one_dialogue_are_drawn_together() {
        // Two dialogues of equal turns say no more than two turns.
        let values = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        let of = |drawn: &[usize]| drawn.iter().map(|index| values[*index]).sum::<f64>() / drawn.len() as f64;
        let found = interval(&[1, 1, 1, 1, 2, 2, 2, 2], 1, of);
        assert_eq!((found.value, found.low, found.high), (0.5, 0.0, 1.0));
    }
}
