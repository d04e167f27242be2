//! From a recorded turn to the rows that the device would have scored, by the device's own code.

use trimtab_core::Preference;
use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::observation::{LinkEstimate, TRIMTAB1_COLUMNS, TRIMTAB1_WIDTH, TurnContext, row};

use crate::dataset::Turn;

/// A candidate's row.
pub type Row = [f32; TRIMTAB1_WIDTH];

/// Normalised inputs are kept within this many standard deviations, so that an odd prompt cannot swing the estimate.
pub const CLIP: f32 = 5.0;

/// The rows of every action of a turn that was tried, in their order.
///
/// Nothing was spent and nothing else ran during collection, so budgets and memory are full.
#[must_use]
pub fn rows(turn: &Turn, prompt: [f32; PROMPT_FEATURES], preference: &Preference) -> Vec<Row> {
    let context = TurnContext {
        prompt,
        tasks: turn.tasks,
        unknown: turn.unknown,
        turns_before: u16::try_from(turn.number).unwrap_or(u16::MAX),
        remaining: [1.0; 4],
        link: LinkEstimate {
            up: true,
            round_trip: turn.setting.round_trip,
            uplink_bits_per_s: turn.setting.uplink_bits_per_s,
        },
        memory_headroom: 1.0,
        preference: *preference,
        views: &turn.views,
    };
    let one = |tried: &crate::dataset::Tried| row(&context, turn.profile(tried.action), tried.action, &tried.quote);
    turn.tried.iter().map(one).collect()
}

/// First column of a group of the layout.
#[must_use]
pub fn column(group: &str) -> usize {
    TRIMTAB1_COLUMNS.iter().find(|(name, _)| *name == group).map_or(TRIMTAB1_WIDTH, |(_, first)| *first)
}

/// Whether a column can bear on the rightness of an answer. Preference, remaining budgets, link, memory, prices, speed
/// and quotes cannot; the estimate of quality does not read them, so no change of them can mislead it. They enter the score
/// through the utility alone.
#[must_use]
pub fn bears_on_quality(index: usize) -> bool {
    let node = column("node");
    // Of a node: whether it is local, and the quality that it declares.
    index < column("context")
        || index == node
        || index == node + 7
        || (column("views")..column("quote")).contains(&index)
}

/// Mean and spread of every input, from the training rows. Columns that the estimate does not read have a scale of zero.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Normaliser {
    /// Subtracted.
    pub mean: Vec<f32>,
    /// Then multiplied with: one over the standard deviation, or zero.
    pub scale: Vec<f32>,
}

impl Normaliser {
    /// Of these rows.
    #[must_use]
    pub fn fit<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Self {
        let count = rows.clone().count().max(1) as f64;
        let mut mean = [0.0_f64; TRIMTAB1_WIDTH];
        for row in rows.clone() {
            mean.iter_mut().zip(row).for_each(|(m, x)| *m += f64::from(*x) / count);
        }
        let mut variance = [0.0_f64; TRIMTAB1_WIDTH];
        for row in rows {
            for ((v, x), m) in variance.iter_mut().zip(row).zip(&mean) {
                *v += (f64::from(*x) - m).powi(2) / count;
            }
        }
        let scale = variance.iter().enumerate().map(|(index, variance)| {
            // A column that never varied says nothing, whatever it is later.
            let varies = *variance > 1e-10 && bears_on_quality(index);
            if varies { (1.0 / variance.sqrt()) as f32 } else { 0.0 }
        });
        Self { mean: mean.iter().map(|m| *m as f32).collect(), scale: scale.collect() }
    }

    /// What the network reads.
    #[must_use]
    pub fn apply(&self, row: &Row) -> Vec<f32> {
        row.iter()
            .zip(self.mean.iter().zip(&self.scale))
            .map(|(x, (mean, scale))| ((x - mean) * scale).clamp(-CLIP, CLIP))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_reads_prompt_task_node_quality_and_views_only() {
        let read: Vec<usize> = (0..TRIMTAB1_WIDTH).filter(|index| bears_on_quality(*index)).collect();
        let expected: Vec<usize> = (0..29).chain([43, 50]).chain(51..59).collect();
        assert_eq!(read, expected);
    }
}
