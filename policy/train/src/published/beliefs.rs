//! What the training episodes say of lengths, tasks and associations to come.

use super::plan::TURNS_PLANNED;
use super::{ACTIONS, Episode, TASKS};

/// Strengths, in pseudo-counts, of the belief that every length, or every next task, is as likely; ascending.
const PRIORS: [f64; 6] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0];
/// Counts speak against a prior that makes them less than a tenth as likely as the best one does: ln 10.
const DOUBT: f64 = std::f64::consts::LN_10;
/// Pseudo-count of the mean association over all tasks in that of one task.
const GAIN_PRIOR: f64 = 10.0;

/// What the training episodes say of what is not known beforehand.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Beliefs {
    /// Weight of each turn's reward.
    pub(super) weight: [f64; TURNS_PLANNED],
    /// Chance of the next task after a task.
    pub(super) next: [[f64; TASKS]; TASKS],
    /// Mean normalised association of each action by task.
    pub(super) gain: [[f64; ACTIONS]; TASKS],
}

impl Beliefs {
    pub(super) fn of(episodes: &[Episode]) -> Self {
        let mut lengths = [0.0; TURNS_PLANNED];
        let mut next = [[0.0; TASKS]; TASKS];
        let (mut gain, mut turns) = ([[0.0; ACTIONS]; TASKS], [0.0; TASKS]);
        for episode in episodes {
            lengths[episode.turns().min(TURNS_PLANNED) - 1] += 1.0;
            for pair in episode.tasks.windows(2) {
                next[usize::from(pair[0])][usize::from(pair[1])] += 1.0;
            }
            for (turn, task) in episode.tasks.iter().enumerate() {
                turns[usize::from(*task)] += 1.0;
                let seen = episode.normalised_gain(turn);
                gain[usize::from(*task)].iter_mut().zip(seen).for_each(|(sum, gain)| *sum += gain);
            }
        }
        let total: f64 = turns.iter().sum();
        let all: [f64; ACTIONS] = std::array::from_fn(|action| gain.iter().map(|row| row[action]).sum::<f64>() / total);
        for (row, turns) in gain.iter_mut().zip(turns) {
            row.iter_mut().zip(all).for_each(|(sum, all)| *sum = (*sum + GAIN_PRIOR * all) / (turns + GAIN_PRIOR));
        }
        // Lengths that never occurred are taken to be impossible.
        let possible: Vec<usize> = (0..TURNS_PLANNED).filter(|length| lengths[*length] > 0.0).collect();
        let mut occurred = [possible.iter().map(|length| lengths[*length]).collect::<Vec<f64>>()];
        shrink(&mut occurred);
        for (length, chance) in possible.into_iter().zip(&occurred[0]) {
            lengths[length] = *chance;
        }
        shrink(&mut next);
        let weight = |turn: usize| (turn..TURNS_PLANNED).map(|n| lengths[n] / (n + 1) as f64).sum();
        Self { weight: std::array::from_fn(weight), next, gain }
    }
}

/// Turns rows of counts into chances, shrunk to all-alike by a symmetric Dirichlet prior: the strongest one that the counts do
/// not speak against.
fn shrink<R: AsRef<[f64]> + AsMut<[f64]>>(rows: &mut [R]) {
    // Logarithm of a rising product, `x (x + 1) … (x + n - 1)`.
    let rising = |x: f64, n: f64| (0..n as usize).map(|i| (x + i as f64).ln()).sum::<f64>();
    let evidence = |strength: f64| -> f64 {
        rows.iter()
            .map(|row| {
                let row = row.as_ref();
                let share = strength / row.len() as f64;
                row.iter().map(|count| rising(share, *count)).sum::<f64>() - rising(strength, row.iter().sum())
            })
            .sum()
    };
    let most = PRIORS.into_iter().map(evidence).fold(f64::NEG_INFINITY, f64::max);
    let strength = PRIORS.into_iter().rfind(|strength| evidence(*strength) >= most - DOUBT).unwrap_or(PRIORS[0]);
    for row in rows {
        let row = row.as_mut();
        let (share, total) = (strength / row.len() as f64, strength + row.iter().sum::<f64>());
        row.iter_mut().for_each(|count| *count = (*count + share) / total);
    }
}
