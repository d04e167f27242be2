//! Episodes played to their end, and what came of it.

use serde::{Deserialize, Serialize};
use trimtab_core::budget::{Budget as Limit, Budgets, Spent, Window};
use trimtab_core::shield::{Candidate, NodeGate, Proposal, Surroundings};
use trimtab_core::{Account, Action, Bytes, ConversationId, Cost, HoldId, Joules, Millis, Quote, Shield, Usd};
use trimtab_engine::PolicyError;

use super::{ACTIONS, Costs, Episode, HISTORY, ResponseModel, State, VIEWS, class_of};

/// Parts of a nano-USD by which binary fractions miss a whole number.
const ROUNDING: f64 = 1e-3;
/// Weight of association, latency and usage each.
pub(super) const THIRD: f64 = 1.0 / 3.0;

/// What one conversation may take.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Budget {
    /// Seconds.
    pub seconds: f64,
    /// USD.
    pub usd: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self::PUBLISHED
    }
}

impl Budget {
    /// The paper's evaluation budget: 30 s and 0.05 USD.
    pub const PUBLISHED: Self = Self { seconds: 30.0, usd: 0.05 };

    /// What is left after `spent`.
    #[must_use]
    pub fn less(self, spent: Self) -> Self {
        Self { seconds: self.seconds - spent.seconds, usd: self.usd - spent.usd }
    }

    /// Nothing spent yet.
    pub const NOTHING: Self = Self { seconds: 0.0, usd: 0.0 };

    /// Adds what an action takes.
    #[must_use]
    pub fn plus(self, costs: &Costs, action: usize) -> Self {
        let class = class_of(action);
        Self { seconds: self.seconds + costs.seconds[class], usd: self.usd + costs.usd[class] }
    }
}

/// What a chooser may look at in one turn.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Number of the episode.
    pub episode: usize,
    /// Turn, from 0.
    pub turn: usize,
    /// The state, with the chooser's own actions in it.
    pub state: State,
    /// What is left of the budget.
    pub remaining: Budget,
    /// The response of every action in this state: the estimate itself, for those who plan with it.
    pub responses: &'a [f64; ACTIONS],
}

/// A way to choose.
pub trait Chooser {
    /// A score for each action; the highest is taken, the first of equals. Fails where a policy file cannot be run.
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError>;
}

/// What came of one episode.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Outcome {
    /// Number of the dialogue.
    pub dialogue: u64,
    /// Mean over its turns.
    pub reward: f64,
    /// Mean over its turns.
    pub response: f64,
    /// Mean over its turns of the association captured, not normalised.
    pub association: f64,
    /// Total.
    pub latency_s: f64,
    /// Total.
    pub usage_usd: f64,
    /// One digit a turn.
    pub actions: String,
}

/// Means over episodes.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Evaluation {
    /// Mean over episodes, like the five after it.
    pub reward: f64,
    /// See [`Outcome::response`].
    pub response: f64,
    /// See [`Outcome::association`].
    pub association: f64,
    /// Seconds of an episode.
    pub latency_s: f64,
    /// USD of an episode.
    pub usage_usd: f64,
    /// Share of episodes strictly over the latency budget.
    pub over_latency: f64,
    /// Share of episodes strictly over the usage budget.
    pub over_usage: f64,
    /// Number of episodes.
    pub episodes: usize,
    /// One string of digits for each episode.
    pub actions: Vec<String>,
    /// Number of the dialogue and reward of each episode, for paired comparisons.
    #[serde(skip)]
    pub rewards: Vec<(u64, f64)>,
}

impl Evaluation {
    fn of(outcomes: Vec<Outcome>, budget: Budget) -> Self {
        let count = outcomes.len().max(1) as f64;
        let mean = |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / count;
        Self {
            reward: mean(&|o| o.reward),
            response: mean(&|o| o.response),
            association: mean(&|o| o.association),
            latency_s: mean(&|o| o.latency_s),
            usage_usd: mean(&|o| o.usage_usd),
            over_latency: mean(&|o| f64::from(u8::from(o.latency_s > budget.seconds))),
            over_usage: mean(&|o| f64::from(u8::from(o.usage_usd > budget.usd))),
            episodes: outcomes.len(),
            rewards: outcomes.iter().map(|o| (o.dialogue, o.reward)).collect(),
            actions: outcomes.into_iter().map(|o| o.actions).collect(),
        }
    }
}

/// Plays every episode once.
///
/// # Errors
/// A policy file that cannot be run.
pub fn evaluate(
    episodes: &[Episode],
    model: &dyn ResponseModel,
    costs: &Costs,
    budget: Budget,
    shield: bool,
    chooser: &mut dyn Chooser,
) -> Result<Evaluation, PolicyError> {
    let play = |(number, episode): (usize, &Episode)| {
        play(number, episode, model, costs, budget, shield.then(|| Guard::new(costs, budget)), chooser)
    };
    Ok(Evaluation::of(episodes.iter().enumerate().map(play).collect::<Result<_, _>>()?, budget))
}

fn play(
    number: usize,
    episode: &Episode,
    model: &dyn ResponseModel,
    costs: &Costs,
    budget: Budget,
    mut guard: Option<Guard>,
    chooser: &mut dyn Chooser,
) -> Result<Outcome, PolicyError> {
    let (mut reward, mut response, mut association) = (0.0, 0.0, 0.0);
    let mut spent = Budget::NOTHING;
    let mut actions = String::new();
    let mut state = State::first(episode.tasks[0]);
    for turn in 0..episode.turns() {
        let responses = model.responses(number, turn, state);
        let scene = Scene { episode: number, turn, state, remaining: budget.less(spent), responses: &responses };
        let scores = chooser.scores(&scene)?;
        let action = match &mut guard {
            Some(guard) => guard.review(turn, &scores),
            None => best(&scores),
        };
        reward += value(&responses, &episode.normalised_gain(turn), costs, action);
        response += responses[action];
        association += episode.gain(turn)[action];
        spent = spent.plus(costs, action);
        actions.push(char::from(b'0' + action as u8));
        if turn + 1 < episode.turns() {
            state = state.then(action, episode.tasks[turn + 1]);
        }
    }
    let turns = episode.turns() as f64;
    Ok(Outcome {
        dialogue: episode.id,
        reward: reward / turns,
        response: response / turns,
        association: association / turns,
        latency_s: spent.seconds,
        usage_usd: spent.usd,
        actions,
    })
}

/// The reward of an action in one turn, from the responses and the normalised association of all.
#[must_use]
pub fn value(responses: &[f64; ACTIONS], normalised_gain: &[f64; ACTIONS], costs: &Costs, action: usize) -> f64 {
    responses[action] + THIRD * (normalised_gain[action] - costs.penalty(action))
}

/// The highest, the first of equals; a number that is none ranks last.
#[must_use]
pub fn best(scores: &[f64; ACTIONS]) -> usize {
    let rank = |score: f64| if score.is_nan() { f64::NEG_INFINITY } else { score };
    (1..ACTIONS).fold(0, |best, action| if rank(scores[action]) > rank(scores[best]) { action } else { best })
}

/// The device's own shield over the published actions, in whole milliseconds and nano-USD, each rounded up. A cloud action
/// must leave what the turns still to come would take locally.
struct Guard {
    shield: Shield,
    budgets: Budgets,
    quotes: [Quote; ACTIONS],
    around: Surroundings,
}

impl Guard {
    fn new(costs: &Costs, budget: Budget) -> Self {
        let limits = [
            Limit::latency(Window::Conversation, Millis::new((budget.seconds * 1e3).floor() as u64)),
            Limit::money(Window::Conversation, Usd::from_nano((budget.usd * 1e9 + ROUNDING).floor() as u64)),
        ];
        let mut budgets = Budgets::new(Spent::default(), HoldId(1));
        // Two limits are fewer than there can be.
        let _ = budgets.set_limits(&limits);
        let open = NodeGate { closed: None, images_max: VIEWS as u8 };
        Self {
            shield: Shield { view_threshold: 0.0 },
            budgets,
            quotes: std::array::from_fn(|action| quote(costs, action)),
            around: Surroundings {
                nodes: [open, open].into_iter().collect(),
                views: std::iter::repeat_n(
                    trimtab_core::shield::ViewGate { available: true, upload: true, shows: 1.0 },
                    VIEWS,
                )
                .collect(),
                memory_left: Bytes::MAX,
                time_left: Millis::MAX,
                energy_unknown: false,
            },
        }
    }

    /// The action that the shield allows; local where it allows none. What is taken is settled at once.
    fn review(&mut self, turn: usize, scores: &[f64; ACTIONS]) -> usize {
        let candidates: Vec<Candidate> = Action::all(2, VIEWS)
            .enumerate()
            .map(|(number, action)| Candidate { action, quote: self.quotes[number], score: scores[number] as f32 })
            .collect();
        let to_come = HISTORY.saturating_sub(turn + 1);
        let spare = (0..to_come).fold(Cost::ZERO, |sum, _| sum.plus(self.quotes[0].cost()));
        let account = Account::new(ConversationId(0));
        let proposal = Proposal { account, candidates: &candidates, guard: Cost::ZERO, spare, least: None };
        let (verdict, _) = self.shield.review(Millis::ZERO, &mut self.budgets, &proposal, &self.around);
        match verdict {
            Ok(approved) => {
                let (action, cost) = (approved.index(), approved.quote().cost());
                self.budgets.settle(Millis::ZERO, approved.into_hold(), cost);
                action
            }
            Err(_) => 0,
        }
    }
}

fn quote(costs: &Costs, action: usize) -> Quote {
    let class = class_of(action);
    Quote {
        latency: Millis::new((costs.seconds[class] * 1e3).ceil() as u64),
        energy: Joules::ZERO,
        money: Usd::from_nano((costs.usd[class] * 1e9 - ROUNDING).ceil() as u64),
        bytes: Bytes::ZERO,
        memory: Bytes::ZERO,
    }
}
