//! The median of paired ratios, and how sure it is.

use std::fmt::Write as _;

const RESAMPLINGS: usize = 2000;
/// Share of the resamplings that is left out at each end.
const TAIL: f64 = 0.025;

/// A median with its interval.
pub(super) struct Estimate {
    pub(super) middle: f64,
    low: f64,
    high: f64,
}

impl Estimate {
    /// Of `ours / theirs`, pair by pair.
    pub(super) fn of_ratios(ours: &[f64], theirs: &[f64]) -> Self {
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
        let mut state = 1_u64;
        let mut medians: Vec<f64> = (0..RESAMPLINGS)
            .map(|_| {
                let drawn: Vec<f64> = (0..ratios.len()).map(|_| ratios[below(&mut state, ratios.len())]).collect();
                median(&drawn)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        let at = |share: f64| medians[((RESAMPLINGS - 1) as f64 * share).round() as usize];
        Self { middle: median(&ratios), low: at(TAIL), high: at(1.0 - TAIL) }
    }

    /// `0.98 (0.97–0.99), at most 1.00`.
    pub(super) fn judged(&self, limit: Option<f64>) -> String {
        let mut text = format!("{:.3} ({:.3}–{:.3})", self.middle, self.low, self.high);
        if let Some(limit) = limit {
            let word = if self.middle > limit { "OVER" } else { "within" };
            let _ = write!(text, ", {word} {limit:.2}");
        }
        text
    }
}

/// The middle number, or the mean of both.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}

/// A number below `bound` from a SplitMix64 sequence.
fn below(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % bound as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::{Estimate, median};

    #[test]
    fn the_interval_holds_the_median_and_narrows_with_agreement() {
        let theirs = [2.0; 15];
        let same = Estimate::of_ratios(&[1.0; 15], &theirs);
        assert_eq!((same.low, same.middle, same.high), (0.5, 0.5, 0.5));
        let spread: Vec<f64> = (0..15).map(|round| 1.0 + f64::from(round) / 10.0).collect();
        let spread = Estimate::of_ratios(&spread, &theirs);
        assert!(spread.low < spread.middle && spread.middle < spread.high, "{}–{}", spread.low, spread.high);
        assert_eq!(median(&[3.0, 1.0, 2.0, 10.0]), 2.5);
    }
}
