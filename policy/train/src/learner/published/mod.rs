//! The published training environment (TMO, section 5, and its released code): one episode is one dialogue of the training part,
//! drawn at random; the state is the published 25 numbers; a turn pays the estimated response score and a third of what its
//! views are associated with the prompt, less its time and its cost, each brought to 0…1 over the actions.
//!
//! As published, the next state is the **logged** one whatever the action ([`NextState::Logged`]). [`NextState::Own`] puts the
//! policy's own action into the history, as evaluation does; the scores of such a state come from the caller.
//!
//! Budgets ([`Regime`]) are one for all episodes or drawn for each; what remains may be shown to the policy, after the state;
//! and a turn may pay nothing once a budget is overdrawn. The published RC form does all three.

mod budgets;
mod check;

use trimtab_core::observation::{TMO1_ACTIONS, TMO1_WIDTH, TmoHistory, TmoTurn};
use trimtab_core::{Action, TaskKind};
use trimtab_scenes::Rng;

use super::{Environment, RESOURCES, Step, Trained, Use};

pub use budgets::{Budgets, Regime};
pub use check::EnvironmentError;

/// An amount of each resource: seconds, then USD.
pub type Amount = [f32; RESOURCES];
/// One number for each action.
pub type PerAction = [f32; TMO1_ACTIONS];
/// Views of a turn.
pub const VIEWS: usize = 3;
/// Weight of association, time and cost against the response score.
const WEIGHT: f32 = 1.0 / 3.0;
/// An action that takes more than so many budgets counts as so many: a drawn budget can be next to nothing.
const USE_MAX: f32 = 10.0;

/// A dialogue of the training part.
#[derive(Clone, PartialEq, Debug)]
pub struct TrainingDialogue {
    /// Its number in the data.
    pub id: u64,
    /// In order.
    pub turns: Vec<TrainingTurn>,
}

/// A turn of it.
#[derive(Clone, PartialEq, Debug)]
pub struct TrainingTurn {
    /// What it asks for; known.
    pub task: TaskKind,
    /// The action that was logged.
    pub logged: usize,
    /// How well each view matches the prompt.
    pub association: [f32; VIEWS],
    /// Estimated response score of each action in the logged state.
    pub scores: PerAction,
}

/// Estimated response scores in states that were never logged.
pub trait OwnScores {
    /// The score of each action in a turn of the dialogue at this place of the training part, after these actions in the turns
    /// before it.
    fn scores(&self, dialogue: usize, turn: usize, earlier: &[usize]) -> PerAction;
}

/// Which history the next state carries.
#[derive(Clone, Copy)]
pub enum NextState<'a> {
    /// The logged actions, whatever was done: as published.
    Logged,
    /// The actions that were taken.
    Own(&'a dyn OwnScores),
}

/// The environment.
pub struct Published<'a> {
    dialogues: Vec<Known>,
    next_state: NextState<'a>,
    regime: Regime,
    actions: Vec<Action>,
    costs: [Amount; TMO1_ACTIONS],
    // The episode.
    dialogue: usize,
    turn: usize,
    earlier: Vec<usize>,
    history: TmoHistory,
    budget: Amount,
    left: Amount,
    uses: [Use; TMO1_ACTIONS],
    observation: Vec<f32>,
}

/// A dialogue with what follows from it.
struct Known {
    turns: Vec<KnownTurn>,
}

struct KnownTurn {
    task: TaskKind,
    /// The state with the logged history.
    state: [f32; TMO1_WIDTH],
    /// The reward without the response score.
    terms: PerAction,
    scores: PerAction,
}

impl<'a> Published<'a> {
    /// Over the dialogues of the training part. `costs` are seconds and USD of each action.
    ///
    /// Fails if there are no dialogues, if a dialogue has no turns, or if a turn has an unknown task, an action that does not
    /// exist, or a number that is none.
    pub fn new(
        dialogues: &[TrainingDialogue],
        costs: [Amount; TMO1_ACTIONS],
        regime: Regime,
        next_state: NextState<'a>,
    ) -> Result<Self, EnvironmentError> {
        check::costs(&costs)?;
        check::dialogues(dialogues)?;
        let actions: Vec<Action> = Action::all(2, VIEWS).collect();
        let spread = [0, 1].map(|j| spread(&costs.map(|cost| cost[j])));
        let price: PerAction = std::array::from_fn(|action| spread[0][action] + spread[1][action]);
        let known = |dialogue: &TrainingDialogue| Known { turns: known(dialogue, &actions, &price) };
        let width = TMO1_WIDTH + if regime.shown.is_some() { RESOURCES } else { 0 };
        Ok(Self {
            dialogues: dialogues.iter().map(known).collect(),
            next_state,
            regime,
            actions,
            costs,
            dialogue: 0,
            turn: 0,
            earlier: Vec::new(),
            history: TmoHistory::default(),
            budget: [1.0; RESOURCES],
            left: [1.0; RESOURCES],
            uses: [[0.0; RESOURCES]; TMO1_ACTIONS],
            observation: vec![0.0; width],
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

    fn turns(&self) -> &[KnownTurn] {
        &self.dialogues[self.dialogue].turns
    }

    fn remember(&mut self, previous: Option<usize>) {
        let previous = previous.map(|action| self.actions[action]);
        let task = self.turns()[self.turn].task;
        self.history.push(TmoTurn { previous, task });
    }

    fn observe(&mut self) {
        let state = match self.next_state {
            NextState::Logged => self.turns()[self.turn].state,
            NextState::Own(_) => self.history.observe(),
        };
        self.observation[..TMO1_WIDTH].copy_from_slice(&state);
        if let Some(scale) = self.regime.shown {
            for (j, shown) in self.observation[TMO1_WIDTH..].iter_mut().enumerate() {
                *shown = scale[j] * self.left[j];
            }
        }
    }
}

impl Environment for Published<'_> {
    fn width(&self) -> usize {
        self.observation.len()
    }
    fn actions(&self) -> usize {
        TMO1_ACTIONS
    }
    fn reset(&mut self, rng: &mut Rng) {
        self.dialogue = rng.below(self.dialogues.len());
        self.turn = 0;
        self.earlier.clear();
        self.history = TmoHistory::default();
        self.budget = self.regime.budgets.draw(&self.costs, rng);
        self.left = self.budget;
        for (used, cost) in self.uses.iter_mut().zip(&self.costs) {
            *used = std::array::from_fn(|j| (cost[j] / self.budget[j]).min(USE_MAX));
        }
        self.remember(None);
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
        let score = match self.next_state {
            NextState::Logged => turn.scores[action],
            NextState::Own(source) => source.scores(self.dialogue, self.turn, &self.earlier)[action],
        };
        let mut reward = score + turn.terms[action];
        self.left.iter_mut().zip(self.costs[action]).for_each(|(left, cost)| *left -= cost);
        if self.regime.zeroed && self.left.iter().any(|left| *left < 0.0) {
            reward = 0.0;
        }
        self.earlier.push(action);
        let done = self.turn + 1 == self.turns().len();
        if !done {
            self.turn += 1;
            self.remember(Some(action));
        }
        self.observe();
        Step { reward, used: self.uses[action], done }
    }
}

/// The turns of a dialogue with what follows from them.
fn known(dialogue: &TrainingDialogue, actions: &[Action], price: &PerAction) -> Vec<KnownTurn> {
    let mut history = TmoHistory::default();
    let mut previous = None;
    let turn = |turn: &TrainingTurn| {
        history.push(TmoTurn { previous, task: turn.task });
        previous = Some(actions[turn.logged]);
        let seen: PerAction = std::array::from_fn(|action| {
            actions[action].views.iter().filter_map(|view| turn.association.get(view)).sum()
        });
        let seen = spread(&seen);
        let terms = std::array::from_fn(|action| WEIGHT * (seen[action] - price[action]));
        KnownTurn { task: turn.task, state: history.observe(), terms, scores: turn.scores }
    };
    dialogue.turns.iter().map(turn).collect()
}

/// Brings numbers to 0…1: the smallest to 0, the largest to 1, all to 0 where they are equal.
fn spread(values: &PerAction) -> PerAction {
    let low = values.iter().copied().fold(f32::INFINITY, f32::min);
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    values.map(|value| if high > low { (value - low) / (high - low) } else { 0.0 })
}

#[cfg(test)]
mod tests;
