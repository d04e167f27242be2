//! A conversation as the published state sees it.

use trimtab_core::observation::{TMO1_WIDTH, TmoHistory, TmoTurn};
use trimtab_core::{Action, Millis, TaskKind, Usd};

use crate::choose::{likeliest, review};
use crate::dataset::{Tried, Turn};

/// Seconds and USD.
pub(super) type Amounts = [f64; 2];

/// What was done so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation {
    history: TmoHistory,
    previous: Option<Action>,
    spent: Amounts,
}

impl Conversation {
    /// The next turn is about this task.
    pub(super) fn hear(&mut self, task: TaskKind) {
        self.history.push(TmoTurn { previous: self.previous, task });
    }
    /// It was answered so.
    pub(super) fn answered(&mut self, action: Action, took: Amounts) {
        self.previous = Some(action);
        self.spent.iter_mut().zip(took).for_each(|(sum, took)| *sum += took);
    }
    /// The state in which the turn that was heard last is decided.
    pub(super) fn state(&self) -> [f32; TMO1_WIDTH] {
        self.history.observe()
    }
    /// What all answers took.
    pub(super) const fn spent(&self) -> Amounts {
        self.spent
    }
}

/// What an action took.
pub(super) fn amounts(tried: &Tried) -> Amounts {
    const fn seconds(latency: Millis) -> f64 {
        latency.get() as f64 / 1e3
    }
    const fn usd(money: Usd) -> f64 {
        money.nano() as f64 / 1e9
    }
    [seconds(tried.cost.latency), usd(tried.cost.money)]
}

/// Plays every dialogue of these turns with its own history. `scores` values the tried actions of a turn, given the conversation
/// and the number of its turns; the device's shield takes the best. Returns the places of what was chosen.
pub(super) fn play(turns: &[&Turn], mut scores: impl FnMut(&Turn, &Conversation, usize) -> Vec<f32>) -> Vec<usize> {
    let mut chosen = Vec::with_capacity(turns.len());
    for dialogue in turns.chunk_by(|a, b| a.dialogue == b.dialogue) {
        let mut conversation = Conversation::default();
        for turn in dialogue {
            conversation.hear(likeliest(turn));
            let place = review(turn, &scores(turn, &conversation, dialogue.len()), 0.0);
            let tried = &turn.tried[place];
            conversation.answered(tried.action, amounts(tried));
            chosen.push(place);
        }
    }
    chosen
}
