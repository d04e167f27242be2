//! The view threshold: how unlikely a view must be to show what is asked before the shield drops it.

use crate::choose::review;
use crate::dataset::Turn;
use crate::policy::Policy;
use trimtab_core::Preference;

/// Share of the right answers that dropping views may lose.
pub const LOSS_MAX: f64 = 0.005;
/// Thresholds are tried in steps of this size, up to one half: a view that more likely than not shows it is never idle.
const STEP: f32 = 0.01;

/// The largest threshold up to which at most [`LOSS_MAX`] of the policy's right answers are lost on these turns.
#[must_use]
pub fn view_threshold(policy: &Policy, turns: &[Turn], preference: &Preference) -> f32 {
    let scored: Vec<(&Turn, Vec<f32>)> =
        turns.iter().filter(|turn| !turn.unknown).map(|turn| (turn, policy.scores(turn, preference))).collect();
    let right = |threshold: f32| {
        let is_right = |(turn, scores): &&(&Turn, Vec<f32>)| turn.tried[review(turn, scores, threshold)].right;
        scored.iter().filter(is_right).count()
    };
    let enough = right(0.0) as f64 * (1.0 - LOSS_MAX);
    (1..=50_u8)
        .map(|step| f32::from(step) * STEP)
        .take_while(|threshold| right(*threshold) as f64 >= enough)
        .last()
        .unwrap_or(0.0)
}
