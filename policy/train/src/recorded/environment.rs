//! Learning on a recorded table. An episode is a few turns of one dialogue in a row, as many as a published dialogue has, from
//! anywhere in it; the next state carries the policy's own action. The reward is what the action was worth, from its recorded
//! outcome.
//!
//! With a [`Limit`] the observation ends with what is left of it, counted in turns, and a turn pays nothing once the budget of the
//! conversation is overdrawn.

use serde::{Deserialize, Serialize};
use trimtab_core::observation::{TMO1_RC_WIDTH, TMO1_WIDTH};
use trimtab_core::{Action, Preference, TaskKind};
use trimtab_scenes::Rng;

use super::conversation::{Amounts, Conversation, amounts};
use crate::choose::{likeliest, reward};
use crate::dataset::Turn;
use crate::learner::{Environment, RESOURCES, Step, Use};

/// Turns of the shortest and of the longest published dialogue.
const TURNS: [usize; 2] = [2, 5];
/// An action that takes more than so many budgets counts as so many.
const USE_MAX: f32 = 10.0;

/// What a turn may take on average.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Limit {
    /// Seconds until the answer.
    pub seconds: f64,
    /// USD.
    pub usd: f64,
}

impl Limit {
    /// What is left in a conversation of `turns` turns, in turns' worth.
    pub(super) fn left(&self, turns: usize, spent: Amounts) -> [f32; RESOURCES] {
        let left = |spent: f64, limit: f64| (turns as f64 - spent / limit) as f32;
        [left(spent[0], self.seconds), left(spent[1], self.usd)]
    }
}

/// What an action of a turn was worth and took.
#[derive(Clone, Copy, Debug)]
struct Recording {
    reward: f32,
    took: Amounts,
}

/// One turn.
struct Moment {
    task: TaskKind,
    recordings: Vec<Recording>,
}

/// The environment.
pub struct Recorded {
    actions: Vec<Action>,
    dialogues: Vec<Vec<Moment>>,
    limit: Option<Limit>,
    // The episode.
    dialogue: usize,
    first: usize,
    turns: usize,
    done: usize,
    conversation: Conversation,
    uses: Vec<Use>,
    observation: Vec<f32>,
}

impl Recorded {
    /// Over these turns, of which there is at least one. An action that was not run in a turn does what the local one did: that is
    /// how the device would have ended.
    #[must_use]
    pub fn new(turns: &[&Turn], preference: &Preference, limit: Option<Limit>) -> Self {
        let actions = actions(turns);
        let moment = |turn: &&Turn| Moment {
            task: likeliest(turn),
            recordings: actions
                .iter()
                .map(|action| {
                    let place = turn.tried.iter().position(|tried| tried.action == *action);
                    let tried = &turn.tried[place.unwrap_or_else(|| turn.local())];
                    Recording { reward: reward(turn, tried, preference), took: amounts(tried) }
                })
                .collect(),
        };
        let dialogues = turns.chunk_by(|a, b| a.dialogue == b.dialogue);
        Self {
            dialogues: dialogues.map(|dialogue| dialogue.iter().map(moment).collect()).collect(),
            uses: vec![[0.0; RESOURCES]; actions.len()],
            observation: vec![0.0; if limit.is_some() { TMO1_RC_WIDTH } else { TMO1_WIDTH }],
            actions,
            limit,
            dialogue: 0,
            first: 0,
            turns: 1,
            done: 0,
            conversation: Conversation::default(),
        }
    }

    fn moment(&self) -> &Moment {
        &self.dialogues[self.dialogue][self.first + self.done]
    }

    /// Shows the next turn.
    fn show(&mut self) {
        let task = self.moment().task;
        self.conversation.hear(task);
        observe(&self.conversation, self.limit, self.turns, &mut self.observation);
        let Some(limit) = self.limit else { return };
        let part = |took: f64, limit: f64| ((took / (limit * self.turns as f64)) as f32).min(USE_MAX);
        let recordings = &self.dialogues[self.dialogue][self.first + self.done].recordings;
        for (uses, recording) in self.uses.iter_mut().zip(recordings) {
            *uses = [part(recording.took[0], limit.seconds), part(recording.took[1], limit.usd)];
        }
    }
}

/// Every action of a table, by number.
pub(super) fn actions(turns: &[&Turn]) -> Vec<Action> {
    let setting = &turns[0].setting;
    Action::all(setting.nodes.len(), setting.views.len()).collect()
}

/// Fills in what a policy sees: the published state and, with a limit, what is left.
pub(super) fn observe(conversation: &Conversation, limit: Option<Limit>, turns: usize, observation: &mut [f32]) {
    let (state, left) = observation.split_at_mut(TMO1_WIDTH);
    state.copy_from_slice(&conversation.state());
    if let Some(limit) = limit {
        left.copy_from_slice(&limit.left(turns, conversation.spent()));
    }
}

impl Environment for Recorded {
    fn width(&self) -> usize {
        self.observation.len()
    }
    fn actions(&self) -> usize {
        self.actions.len()
    }
    fn reset(&mut self, rng: &mut Rng) {
        self.dialogue = rng.below(self.dialogues.len());
        let length = self.dialogues[self.dialogue].len();
        self.turns = (TURNS[0] + rng.below(TURNS[1] - TURNS[0] + 1)).min(length);
        self.first = rng.below(length - self.turns + 1);
        self.done = 0;
        self.conversation = Conversation::default();
        self.show();
    }
    fn observation(&self) -> &[f32] {
        &self.observation
    }
    fn uses(&self) -> &[Use] {
        &self.uses
    }
    fn share(&self) -> f32 {
        1.0 / self.turns as f32
    }
    fn step(&mut self, action: usize) -> Step {
        let Recording { mut reward, took } = self.moment().recordings[action];
        let used = self.uses[action];
        self.conversation.answered(self.actions[action], took);
        if let Some(limit) = self.limit
            && limit.left(self.turns, self.conversation.spent()).iter().any(|left| *left < 0.0)
        {
            reward = 0.0;
        }
        self.done += 1;
        let done = self.done == self.turns;
        if !done {
            self.show();
        }
        Step { reward, used, done }
    }
}
