//! The published greedy on a recorded table: the score of every action in the nearest published states, then turn by turn
//! the action of the best utility. Source: TMO, section 4, for state and number of neighbours.

use trimtab_core::observation::{TMO1_WIDTH, association_gain, utility};
use trimtab_core::{Action, Preference};
use trimtab_scenes::Rng;

use super::conversation::{Conversation, amounts, play};
use crate::choose::likeliest;
use crate::dataset::{Tried, Turn};

/// Neighbours that an estimate is the mean of.
const NEIGHBOURS: usize = 5;
/// Turns after which a drawn history starts anew, as a published dialogue does.
const TURNS: usize = 5;

/// The score of every action that was run in a turn.
type Scored = Vec<(Action, f32)>;

/// Recorded turns by their published states.
#[derive(Clone, PartialEq, Debug)]
pub struct Neighbours {
    states: Vec<([f32; TMO1_WIDTH], Scored)>,
}

impl Neighbours {
    /// Of these turns. Which action led from one to the next is drawn: the published log is of actions at random too.
    #[must_use]
    pub fn fit(turns: &[&Turn], seed: u64) -> Self {
        let mut rng = Rng::for_purpose(seed, "logged history");
        let mut states = Vec::with_capacity(turns.len());
        for dialogue in turns.chunk_by(|a, b| a.dialogue == b.dialogue) {
            for part in dialogue.chunks(TURNS) {
                let mut conversation = Conversation::default();
                for turn in part {
                    conversation.hear(likeliest(turn));
                    let scored = |tried: &Tried| (tried.action, tried.score);
                    states.push((conversation.state(), turn.tried.iter().map(scored).collect()));
                    let logged = &turn.tried[rng.below(turn.tried.len())];
                    conversation.answered(logged.action, amounts(logged));
                }
            }
        }
        Self { states }
    }

    /// The places of what it chooses among the tried actions of these turns.
    #[must_use]
    pub fn choose(&self, turns: &[&Turn], preference: &Preference) -> Vec<usize> {
        play(turns, |turn, conversation, _| {
            let nearest = self.nearest(&conversation.state());
            let score = |tried: &Tried| {
                let quality = mean(&nearest, tried.action);
                utility(preference, quality, association_gain(&turn.views, tried.action.views), &tried.quote)
            };
            turn.tried.iter().map(score).collect()
        })
    }

    /// The nearest states' actions; of equals those that were recorded first.
    fn nearest(&self, state: &[f32; TMO1_WIDTH]) -> Vec<&[(Action, f32)]> {
        let distance =
            |other: &[f32; TMO1_WIDTH]| -> f32 { other.iter().zip(state).map(|(a, b)| (a - b).powi(2)).sum() };
        let mut order: Vec<(f32, &[(Action, f32)])> =
            self.states.iter().map(|(other, scored)| (distance(other), scored.as_slice())).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        order.into_iter().take(NEIGHBOURS).map(|(_, scored)| scored).collect()
    }
}

/// Mean score of an action; 0 of one that none of them ran.
fn mean(nearest: &[&[(Action, f32)]], action: Action) -> f32 {
    let ran = || nearest.iter().flat_map(|scored| scored.iter()).filter(|(other, _)| *other == action);
    ran().map(|(_, score)| score).sum::<f32>() / ran().count().max(1) as f32
}
