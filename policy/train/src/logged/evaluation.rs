//! Scores a policy's choices on a log.

use serde::{Deserialize, Serialize};
use trimtab_core::Action;

use super::charge::{Charge, Charges};
use super::propensity::Propensity;
use super::values::{ClassValues, fitted, leave_one_dialogue_out};
use crate::bootstrap::{self, Interval};
use crate::dataset::{Class, DatasetError, LoggedTable, LoggedTurn};
use crate::estimator::{Kind, Prompts};

/// What a policy would have scored and been charged, a turn.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Evaluation {
    /// Self-normalised inverse propensity score.
    pub snips: f64,
    /// Lower end of its interval at 95 %.
    pub snips_low: f64,
    /// Upper end.
    pub snips_high: f64,
    /// Doubly robust score.
    pub dr: f64,
    /// Lower end of its interval at 95 %.
    pub dr_low: f64,
    /// Upper end.
    pub dr_high: f64,
    /// Effective sample size.
    pub effective_n: f64,
    /// Turns in which the log took the chosen class.
    pub matched: usize,
    /// Mean simulated seconds a turn.
    pub latency_s: f64,
    /// Mean simulated USD a turn.
    pub usage_usd: f64,
    /// Mean simulated seconds of the logged actions that the score rests on, by their weights: their views are the log's.
    pub matched_latency_s: f64,
    /// Mean simulated USD of the same.
    pub matched_usage_usd: f64,
    /// Turns.
    pub turns: usize,
    /// Dialogues.
    pub dialogues: usize,
}

/// A log to score on, with what its turns have in common.
pub struct Log<'a> {
    turns: &'a [LoggedTurn],
    dialogues: Vec<u64>,
    propensity: Propensity,
    model: &'a [ClassValues],
    charges: &'a Charges,
    seed: u64,
}

/// One policy on a log: a weight for every turn, and the doubly robust term of every turn.
struct Weighed {
    weights: Vec<f64>,
    robust: Vec<f64>,
}

impl<'a> Log<'a> {
    /// `model` has the class values of every turn, fitted without its dialogue; `seed` decides the draws of all intervals.
    ///
    /// # Panics
    /// When `model` is not as long as `turns`.
    #[must_use]
    pub fn new(
        turns: &'a [LoggedTurn],
        propensity: Propensity,
        model: &'a [ClassValues],
        charges: &'a Charges,
        seed: u64,
    ) -> Self {
        assert_eq!(turns.len(), model.len(), "class values for every turn");
        let dialogues = turns.iter().map(|turn| turn.dialogue).collect();
        Self { turns, dialogues, propensity, model, charges, seed }
    }

    fn weigh(&self, choices: &[Vec<Action>]) -> Weighed {
        let there = choices.len() == self.turns.len() && choices.iter().all(|choices| !choices.is_empty());
        assert!(there, "a choice for every turn");
        let mut weighed = Weighed { weights: Vec::new(), robust: Vec::new() };
        for ((turn, choices), values) in self.turns.iter().zip(choices).zip(self.model) {
            let (mut weights, mut robust) = (0.0, 0.0);
            for chosen in choices.iter().map(|choice| Class::of(*choice)) {
                let weight = self.propensity.weight(turn, chosen);
                let expected = values[chosen.index()];
                weights += weight;
                robust += expected + weight * (turn.score - expected);
            }
            weighed.weights.push(weights / choices.len() as f64);
            weighed.robust.push(robust / choices.len() as f64);
        }
        weighed
    }

    fn snips(&self, weighed: &Weighed, drawn: &[usize]) -> f64 {
        let sum = |of: &dyn Fn(usize) -> f64| drawn.iter().map(|index| of(*index)).sum::<f64>();
        sum(&|index| weighed.weights[index] * self.turns[index].score) / sum(&|index| weighed.weights[index])
    }

    /// Evaluates one action a turn.
    ///
    /// # Panics
    /// When there is not one choice for every turn.
    #[must_use]
    pub fn evaluate(&self, choices: &[Action]) -> Evaluation {
        self.evaluate_pooled(&alone(choices))
    }

    /// Evaluates several fits of one policy, as the one that acts by any of them: the choices of each turn are those of the fits
    /// that did not see it, and each counts as much.
    ///
    /// # Panics
    /// When there is a turn without a choice.
    #[must_use]
    pub fn evaluate_pooled(&self, choices: &[Vec<Action>]) -> Evaluation {
        let weighed = self.weigh(choices);
        let snips = bootstrap::interval(&self.dialogues, self.seed, |drawn| self.snips(&weighed, drawn));
        let dr = bootstrap::interval(&self.dialogues, self.seed, |drawn| mean(&weighed.robust, drawn));
        let sum: f64 = weighed.weights.iter().sum();
        let squares: f64 = weighed.weights.iter().map(|weight| weight * weight).sum();
        let charges: Vec<Charge> = choices.iter().map(|choices| self.charges.mean(choices)).collect();
        let charge = |of: fn(&Charge) -> f64| charges.iter().map(of).sum::<f64>() / charges.len().max(1) as f64;
        let matched = |of: fn(Charge) -> f64| {
            let charged = self.turns.iter().zip(&weighed.weights);
            charged.map(|(turn, weight)| weight * of(self.charges.of(turn.action))).sum::<f64>() / sum
        };
        Evaluation {
            snips: snips.value,
            snips_low: snips.low,
            snips_high: snips.high,
            dr: dr.value,
            dr_low: dr.low,
            dr_high: dr.high,
            effective_n: if squares > 0.0 { sum * sum / squares } else { 0.0 },
            matched: weighed.weights.iter().filter(|weight| **weight > 0.0).count(),
            latency_s: charge(|charge| charge.latency_s),
            usage_usd: charge(|charge| charge.usage_usd),
            matched_latency_s: matched(|charge| charge.latency_s),
            matched_usage_usd: matched(|charge| charge.usage_usd),
            turns: self.turns.len(),
            dialogues: self.turns.chunk_by(|a, b| a.dialogue == b.dialogue).count(),
        }
    }

    /// How much more `choices` score than `other`, by snips and by dr, both on the same draws.
    ///
    /// # Panics
    /// When there is not one choice of each for every turn.
    #[must_use]
    pub fn difference(&self, choices: &[Action], other: &[Action]) -> Difference {
        self.difference_pooled(&alone(choices), &alone(other))
    }

    /// The same for several fits of each, as in [`Log::evaluate_pooled`].
    ///
    /// # Panics
    /// When there is a turn without a choice of each.
    #[must_use]
    pub fn difference_pooled(&self, choices: &[Vec<Action>], other: &[Vec<Action>]) -> Difference {
        let (own, other) = (self.weigh(choices), self.weigh(other));
        let over = |of: &dyn Fn(&[usize]) -> f64| bootstrap::interval(&self.dialogues, self.seed, of);
        Difference {
            snips: over(&|drawn| self.snips(&own, drawn) - self.snips(&other, drawn)),
            dr: over(&|drawn| mean(&own.robust, drawn) - mean(&other.robust, drawn)),
        }
    }
}

/// By how much one policy scores more than another.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// By self-normalised inverse propensity.
    pub snips: Interval,
    /// Doubly robust.
    pub dr: Interval,
}

/// Evaluates one action for every turn of `test`. Propensities are counted in both parts, so that what was logged has a
/// frequency; the doubly robust model of a dialogue is fitted on all dialogues of both but that one. Refuses a task that `train` does not have.
///
/// # Panics
/// When there is not one choice for every turn of `test`.
pub fn held_out(
    train: &LoggedTable,
    test: &LoggedTable,
    choices: &[Action],
    model: Kind,
    prompts: &Prompts,
    charges: &Charges,
    seed: u64,
) -> Result<Evaluation, DatasetError> {
    test.tasks_known_to(train)?;
    // A dialogue that is in both parts counts once.
    let tested = |dialogue: u64| test.path(dialogue).is_some();
    let only_train: Vec<&LoggedTurn> = train.turns().iter().filter(|turn| !tested(turn.dialogue)).collect();
    let values = leave_one_dialogue_out(test.turns(), |others, own| {
        let known: Vec<&LoggedTurn> = only_train.iter().chain(others).copied().collect();
        fitted(model, &known, own, prompts)
    });
    let propensity = Propensity::count(only_train.into_iter().chain(test.turns()));
    Ok(Log::new(test.turns(), propensity, &values, charges, seed).evaluate(choices))
}

/// One fit that chooses in every turn.
fn alone(choices: &[Action]) -> Vec<Vec<Action>> {
    choices.iter().map(|choice| vec![*choice]).collect()
}

fn mean(values: &[f64], drawn: &[usize]) -> f64 {
    drawn.iter().map(|index| values[*index]).sum::<f64>() / drawn.len() as f64
}
