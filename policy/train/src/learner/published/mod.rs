//! Training in the published environment (TMO, section 5, and its released code): one episode is one dialogue of the training
//! part, drawn at random. State, reward and costs are those of [`crate::published`].
//!
//! As published, the next state is the **logged** one whatever the action ([`NextState::Logged`]). [`NextState::Own`] puts the
//! policy's own action into the state, as evaluation does.
//!
//! Budgets ([`Regime`]) are one for all episodes or drawn for each; what remains may be shown to the policy, after the state;
//! and a turn may pay nothing once a budget is overdrawn. The published RC form does all three.

mod budgets;
mod check;
mod training;

use serde::{Deserialize, Serialize};
use trimtab_core::observation::{TMO1_RC_WIDTH, TMO1_WIDTH};
use trimtab_scenes::Rng;

use super::{Environment, RESOURCES, Step, Trained, Use};
use crate::published::{ACTIONS, Budget, Costs, Episode, ResponseModel, State, class_of, observe, value};

pub use budgets::{Budgets, Regime};
pub use check::EnvironmentError;
pub(crate) use training::CONSTRAINED;
pub use training::Training;

/// An action that takes more than so many budgets counts as so many: a drawn budget can be next to nothing.
const USE_MAX: f32 = 10.0;

/// Which actions the next state carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NextState {
    /// The logged ones, whatever was done: as published.
    Logged,
    /// The ones that were taken.
    Own,
}

/// The environment.
pub struct Published<'a> {
    dialogues: Vec<Vec<Turn>>,
    responses: &'a dyn ResponseModel,
    costs: Costs,
    regime: Regime,
    next_state: NextState,
    // The episode.
    dialogue: usize,
    turn: usize,
    state: State,
    budget: Budget,
    spent: Budget,
    uses: [Use; ACTIONS],
    observation: Vec<f32>,
}

/// A turn with what follows from it.
struct Turn {
    task: u8,
    /// With the logged actions.
    state: State,
    /// The response of each action there.
    responses: [f64; ACTIONS],
    /// Normalised.
    gain: [f64; ACTIONS],
}

impl<'a> Published<'a> {
    /// Over the dialogues of the training part. `responses` scores their states, by their places among `episodes`.
    ///
    /// Fails if there are no dialogues, if a dialogue has no turns, if a turn has a task or an action that does not exist or a
    /// number that is none, or if an action takes nothing.
    pub fn new(
        episodes: &[Episode],
        responses: &'a dyn ResponseModel,
        costs: &Costs,
        regime: Regime,
        next_state: NextState,
    ) -> Result<Self, EnvironmentError> {
        check::costs(costs)?;
        check::episodes(episodes)?;
        let turns = |(place, episode): (usize, &Episode)| turns(place, episode, responses);
        Ok(Self {
            dialogues: episodes.iter().enumerate().map(turns).collect(),
            responses,
            costs: *costs,
            regime,
            next_state,
            dialogue: 0,
            turn: 0,
            state: State::EMPTY,
            budget: Budget::PUBLISHED,
            spent: Budget::NOTHING,
            uses: [[0.0; RESOURCES]; ACTIONS],
            observation: vec![0.0; if regime.shown.is_some() { TMO1_RC_WIDTH } else { TMO1_WIDTH }],
        })
    }

    /// The policy for amounts as they are, where training has shown them scaled.
    #[must_use]
    pub fn unscale(&self, mut trained: Trained) -> Trained {
        let first = &mut trained.network.layers[0];
        for (index, scale) in self.regime.shown.iter().flatten().enumerate() {
            let row = (TMO1_WIDTH + index) * first.outputs;
            first.weight[row..row + first.outputs].iter_mut().for_each(|weight| *weight *= scale);
        }
        trained
    }

    fn turns(&self) -> &[Turn] {
        &self.dialogues[self.dialogue]
    }

    fn observe(&mut self) {
        let width = self.observation.len();
        self.observation.copy_from_slice(&observe(self.state, self.budget.less(self.spent))[..width]);
        let shown = self.observation[TMO1_WIDTH..].iter_mut();
        shown.zip(self.regime.shown.iter().flatten()).for_each(|(shown, scale)| *shown *= scale);
    }
}

impl Environment for Published<'_> {
    fn width(&self) -> usize {
        self.observation.len()
    }
    fn actions(&self) -> usize {
        ACTIONS
    }
    fn reset(&mut self, rng: &mut Rng) {
        self.dialogue = rng.below(self.dialogues.len());
        self.turn = 0;
        self.state = self.turns()[0].state;
        self.budget = self.regime.budgets.draw(&self.costs, rng);
        self.spent = Budget::NOTHING;
        let (costs, budget) = (&self.costs, self.budget);
        let part = |cost: f64, whole: f64| ((cost / whole) as f32).min(USE_MAX);
        self.uses = std::array::from_fn(|action| {
            let class = class_of(action);
            [part(costs.seconds[class], budget.seconds), part(costs.usd[class], budget.usd)]
        });
        self.observe();
    }
    fn observation(&self) -> &[f32] {
        &self.observation
    }
    fn uses(&self) -> &[Use] {
        &self.uses
    }
    fn share(&self) -> f32 {
        1.0 / self.turns().len() as f32
    }
    fn step(&mut self, action: usize) -> Step {
        let turn = &self.turns()[self.turn];
        let responses = match self.next_state {
            NextState::Logged => turn.responses,
            NextState::Own => self.responses.responses(self.dialogue, self.turn, self.state),
        };
        let mut reward = value(&responses, &turn.gain, &self.costs, action);
        self.spent = self.spent.plus(&self.costs, action);
        let left = self.budget.less(self.spent);
        if self.regime.zeroed && (left.seconds < 0.0 || left.usd < 0.0) {
            reward = 0.0;
        }
        let done = self.turn + 1 == self.turns().len();
        if !done {
            self.turn += 1;
            let next = &self.turns()[self.turn];
            self.state = match self.next_state {
                NextState::Logged => next.state,
                NextState::Own => self.state.then(action, next.task),
            };
        }
        self.observe();
        Step { reward: reward as f32, used: self.uses[action], done }
    }
}

/// The turns of the dialogue at a place of the training part, with what follows from them.
fn turns(place: usize, episode: &Episode, responses: &dyn ResponseModel) -> Vec<Turn> {
    let turn = |(number, state): (usize, State)| Turn {
        task: episode.tasks[number],
        state,
        responses: responses.responses(place, number, state),
        gain: episode.normalised_gain(number),
    };
    episode.logged_states().into_iter().enumerate().map(turn).collect()
}

#[cfg(test)]
mod tests;
