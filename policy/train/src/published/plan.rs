//! The exact finite-horizon plan over the published environment: dynamic programming over every state that a conversation of up
//! to five turns can reach, on the fitted estimate of the response and the chances of what comes next.
//!
//! A state's own actions tell what was spent, so a budget needs no state of its own: the value of a state follows from its
//! place in the tree and the first budget. An action is allowed if what is left still pays for answering every turn to come
//! locally; so a plan never breaks its budget.
//!
//! Every turn of a dialogue counts one part in its length, and the length is not known beforehand. The expected reward is
//! therefore the sum over turns `t` of the turn's reward times `Σ P(length = n) / n` over the lengths `n > t`.

use std::num::NonZero;
use std::thread;

use trimtab_engine::PolicyError;

use super::beliefs::Beliefs;
use super::evaluation::{Budget, Chooser, Scene, THIRD, value};
use super::response::Scratch;
use super::state::TASKS;
use super::{ACTIONS, CLASSES, Costs, Episode, HISTORY, Response, State, class_of};

/// Turns that are planned; what a state remembers.
pub const TURNS_PLANNED: usize = HISTORY;
/// Children of a state: each action, then each task.
const CHILDREN: usize = ACTIONS * TASKS;
/// Resolution of the rewards kept for the last turn.
const STEP: f32 = 1.0 / 4096.0;

/// The plan's rewards: what every action of every state is expected to bring in its turn.
#[derive(Clone, Debug)]
pub struct Plan {
    beliefs: Beliefs,
    costs: Costs,
    /// Turns of the longest training episode, as far as they are planned.
    turns: usize,
    /// Weighted reward of each action in each state, turn by turn, for all turns but the last.
    rewards: Vec<Vec<f32>>,
    /// Weighted reward of the best action of each class in each state of the last turn, in [`STEP`]s.
    last: Vec<[i16; CLASSES]>,
}

impl Plan {
    /// Over the states that the estimate, fitted to these episodes, is asked for.
    #[must_use]
    pub fn new(episodes: &[Episode], response: &Response, costs: &Costs) -> Self {
        let beliefs = Beliefs::of(episodes);
        let turns = episodes.iter().map(Episode::turns).max().unwrap_or(1).min(TURNS_PLANNED);
        let mut plan = Self { beliefs, costs: *costs, turns, rewards: Vec::new(), last: Vec::new() };
        let mut scratch = response.scratch();
        for turn in 0..turns - 1 {
            let states = TASKS * CHILDREN.pow(turn as u32);
            let rewards = |index| plan.turn_rewards(response, &mut scratch, turn, state(turn, index));
            let level = (0..states).flat_map(rewards).map(|reward| reward as f32).collect();
            plan.rewards.push(level);
        }
        plan.last = plan.last_turn(response);
        plan
    }

    /// The same at other costs: the estimate is not asked again.
    #[must_use]
    pub fn at(&self, costs: &Costs) -> Self {
        let mut plan = Self { costs: *costs, ..self.clone() };
        let shift = |turn: usize, action: usize| {
            self.beliefs.weight[turn] * THIRD * (self.costs.penalty(action) - costs.penalty(action))
        };
        for (turn, rewards) in plan.rewards.iter_mut().enumerate() {
            let shifts: [f32; ACTIONS] = std::array::from_fn(|action| shift(turn, action) as f32);
            for rewards in rewards.as_chunks_mut::<ACTIONS>().0 {
                rewards.iter_mut().zip(shifts).for_each(|(reward, shift)| *reward += shift);
            }
        }
        let shifts = FIRST_OF_CLASS.map(|action| (shift(self.turns - 1, action) as f32 / STEP).round() as i16);
        for rewards in &mut plan.last {
            rewards.iter_mut().zip(shifts).for_each(|(reward, shift)| *reward = reward.saturating_add(shift));
        }
        plan
    }

    fn turn_rewards(&self, response: &Response, scratch: &mut Scratch, turn: usize, state: State) -> [f64; ACTIONS] {
        let responses = response.with(scratch, state);
        let gain = &self.beliefs.gain[usize::from(state.task())];
        std::array::from_fn(|action| self.beliefs.weight[turn] * value(&responses, gain, &self.costs, action))
    }

    /// The last turn has by far the most states: they are shared out to every core.
    fn last_turn(&self, response: &Response) -> Vec<[i16; CLASSES]> {
        let turn = self.turns - 1;
        let mut last = vec![[i16::MIN; CLASSES]; TASKS * CHILDREN.pow(turn as u32)];
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let share = last.len().div_ceil(workers);
        thread::scope(|scope| {
            for (worker, part) in last.chunks_mut(share).enumerate() {
                scope.spawn(move || {
                    let mut scratch = response.scratch();
                    for (index, best) in part.iter_mut().enumerate() {
                        let rewards =
                            self.turn_rewards(response, &mut scratch, turn, state(turn, worker * share + index));
                        for (action, reward) in rewards.into_iter().enumerate() {
                            let best = &mut best[class_of(action)];
                            *best = (*best).max((reward as f32 / STEP) as i16);
                        }
                    }
                });
            }
        });
        last
    }

    /// What every state is worth when a conversation starts with this budget.
    #[must_use]
    pub fn within(&self, budget: Budget) -> Planned<'_> {
        let values = (0..self.turns - 1).map(|turn| vec![f32::NAN; TASKS * CHILDREN.pow(turn as u32)]).collect();
        let mut planned = Planned { plan: self, budget, values };
        for task in 0..TASKS {
            planned.fill(0, task, Budget::NOTHING);
        }
        planned
    }
}

/// A plan for one budget.
#[derive(Clone, Debug)]
pub struct Planned<'a> {
    plan: &'a Plan,
    budget: Budget,
    /// Of each state that the budget lets a conversation reach; not a number for the others.
    values: Vec<Vec<f32>>,
}

impl Planned<'_> {
    /// What the reward of a turn counts in a conversation of unknown length.
    #[must_use]
    pub fn weight(&self, turn: usize) -> f64 {
        self.plan.beliefs.weight[turn]
    }

    /// Turns that are planned.
    #[must_use]
    pub const fn turns(&self) -> usize {
        self.plan.turns
    }

    fn allowed(&self, turn: usize, spent: Budget) -> bool {
        let (costs, left) = (&self.plan.costs, self.budget.less(spent));
        let to_come = (TURNS_PLANNED - 1 - turn) as f64;
        left.seconds >= to_come * costs.seconds[0] && left.usd >= to_come * costs.usd[0]
    }

    /// Values a state and all that can follow it.
    fn fill(&mut self, turn: usize, index: usize, spent: Budget) -> f32 {
        if turn + 1 == self.plan.turns {
            return self.last(index, spent);
        }
        let task = index % TASKS;
        let mut best = f32::NEG_INFINITY;
        for action in 0..ACTIONS {
            let after = spent.plus(&self.plan.costs, action);
            // A local answer is always allowed: what it takes was set aside by the turns before it.
            if action > 0 && !self.allowed(turn, after) {
                continue;
            }
            let mut total = self.plan.rewards[turn][index * ACTIONS + action];
            for next in 0..TASKS {
                let chance = self.plan.beliefs.next[task][next] as f32;
                total += chance * self.fill(turn + 1, child(index, action, next), after);
            }
            best = best.max(total);
        }
        self.values[turn][index] = best;
        best
    }

    fn last(&self, index: usize, spent: Budget) -> f32 {
        let rewards = &self.plan.last[index];
        let fits = |class: &usize| {
            let action = FIRST_OF_CLASS[*class];
            *class == 0 || self.allowed(self.plan.turns - 1, spent.plus(&self.plan.costs, action))
        };
        let best = (0..CLASSES).filter(fits).map(|class| rewards[class]).max();
        f32::from(best.unwrap_or(0)) * STEP
    }

    /// What each action of a state is worth from now on; minus infinity for one that the budget does not allow, and for all
    /// if the state cannot be reached.
    #[must_use]
    pub fn worth(&self, response: &Response, state: State) -> [f64; ACTIONS] {
        let actions: Vec<usize> = state.actions().collect();
        let turn = actions.len().min(TURNS_PLANNED - 1);
        let spent = actions.iter().fold(Budget::NOTHING, |spent, action| spent.plus(&self.plan.costs, *action));
        let index = index_of(state);
        // A turn later than any that training has seen counts as the last of them.
        let rewards = self.plan.turn_rewards(response, &mut response.scratch(), turn.min(self.plan.turns - 1), state);
        std::array::from_fn(|action| {
            let after = spent.plus(&self.plan.costs, action);
            if action > 0 && !self.allowed(turn, after) {
                return f64::NEG_INFINITY;
            }
            let to_come: f64 = if turn + 1 >= self.plan.turns {
                0.0
            } else {
                let chances = self.plan.beliefs.next[usize::from(state.task())];
                let worth = |next: usize| {
                    let below = child(index, action, next);
                    let value = if turn + 2 == self.plan.turns {
                        self.last(below, after)
                    } else {
                        self.values[turn + 1][below]
                    };
                    chances[next] * f64::from(value)
                };
                (0..TASKS).map(worth).sum()
            };
            rewards[action] + to_come
        })
    }
}

const FIRST_OF_CLASS: [usize; CLASSES] = [0, 1, 2, 5, 8];

/// Number of a state among those of its turn: its tasks and actions as digits.
fn index_of(state: State) -> usize {
    let tasks = state.tasks();
    let mut index = tasks.first().map_or(0, |task| usize::from(*task));
    for (action, task) in state.actions().zip(&tasks[1..]) {
        index = child(index, action, usize::from(*task));
    }
    index
}

const fn child(index: usize, action: usize, next: usize) -> usize {
    (index * ACTIONS + action) * TASKS + next
}

/// The state of that number.
fn state(turn: usize, index: usize) -> State {
    let mut digits = Vec::with_capacity(turn);
    let mut rest = index;
    for _ in 0..turn {
        digits.push((rest / TASKS % ACTIONS, (rest % TASKS) as u8));
        rest /= CHILDREN;
    }
    digits.iter().rev().fold(State::first(rest as u8), |state, (action, task)| state.then(*action, *task))
}

/// Acts by a plan: the planner itself, without a network.
#[derive(Clone, Debug)]
pub struct Planner<'a> {
    /// For the budget.
    pub planned: Planned<'a>,
    /// What it was fitted on.
    pub response: &'a Response,
}

impl Chooser for Planner<'_> {
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        Ok(self.planned.worth(self.response, scene.state))
    }
}
