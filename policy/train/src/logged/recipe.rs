//! Trains a policy that chooses a class from prompt and context: the class of the highest expected score, less what the owner
//! gives for time and money. The weights are the owner's own, or the ones that keep the training turns within the owner's limits.

use serde::{Deserialize, Serialize};
use trimtab_core::Action;

use super::baseline::{Greedy, action_of};
use super::charge::{Charge, Charges};
use super::values::{ClassValues, ViewShares, leave_one_dialogue_out};
use crate::dataset::{Class, Context, LoggedTurn};
use crate::estimator::{Estimator, Kind, Prompts};

/// Score that the whole range of latency is worth to the owner, and the whole range of cost.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Weights {
    /// For the time of the slowest action over that of the fastest.
    pub latency: f64,
    /// For the price of the dearest action over that of the cheapest.
    pub usage: f64,
}

/// What the owner asks for.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// These weights.
    Weights(Weights),
    /// A mean charge of at most this a turn.
    Limit(Charge),
    /// A mean charge of at most this share of what the published greedy on nearest neighbours is charged in the training turns.
    ShareOfGreedy(f64),
}

/// How a policy is trained.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Recipe {
    /// What estimates the scores.
    pub kind: Kind,
    /// What the owner asks for.
    pub owner: Owner,
}

/// Share of the greedy's charge that the recipe keeps within by itself: turns that were left out cost a little more than the
/// ones that the weights were found on.
pub const SHARE: f64 = 0.94;

impl Default for Recipe {
    fn default() -> Self {
        Self { kind: Kind::ShrunkMeans, owner: Owner::ShareOfGreedy(SHARE) }
    }
}

/// Weights that are tried to keep within a limit, for each of latency and cost: none, then from the least up by a factor.
const TRIED: usize = 24;
/// The least of them.
const TRIED_LEAST: f64 = 0.02;
/// The factor.
const TRIED_FACTOR: f64 = 1.28;

/// A trained policy.
pub struct ClassPolicy {
    estimator: Box<dyn Estimator>,
    shares: ViewShares,
    charges: Charges,
    weights: Weights,
}

impl Recipe {
    /// Trains on `train`. Where no weights keep within the limit, the heaviest are taken.
    #[must_use]
    pub fn train(&self, train: &[&LoggedTurn], charges: &Charges, prompts: &Prompts) -> ClassPolicy {
        let mut policy = ClassPolicy {
            estimator: self.kind.fit_turns(train, prompts),
            shares: ViewShares::count(train.iter().copied()),
            charges: charges.clone(),
            weights: Weights::default(),
        };
        let limit = match self.owner {
            Owner::Weights(weights) => {
                policy.weights = weights;
                return policy;
            }
            Owner::Limit(limit) => limit,
            Owner::ShareOfGreedy(share) => {
                let charge = greedy_charge(train, charges);
                Charge { latency_s: share * charge.latency_s, usage_usd: share * charge.usage_usd }
            }
        };
        policy.weights = policy.within(train, limit);
        policy
    }
}

/// What the published greedy on nearest neighbours is charged in turns that its neighbours are not from.
fn greedy_charge(train: &[&LoggedTurn], charges: &Charges) -> Charge {
    let turns: Vec<LoggedTurn> = train.iter().map(|turn| (*turn).clone()).collect();
    charges.mean(&greedy(Kind::Neighbours, &turns, charges, &Prompts::new()))
}

/// The published greedy on an estimator, fitted anew without each dialogue.
#[must_use]
pub fn greedy(kind: Kind, turns: &[LoggedTurn], charges: &Charges, prompts: &Prompts) -> Vec<Action> {
    leave_one_dialogue_out(turns, |others, own| {
        let estimator = kind.fit_turns(others, prompts);
        let greedy = Greedy::new(&*estimator, others, charges);
        own.iter().map(|turn| greedy.choose(&turn.context)).collect()
    })
}

/// A recipe's choices, trained anew without each dialogue.
#[must_use]
pub fn trained(recipe: &Recipe, turns: &[LoggedTurn], charges: &Charges, prompts: &Prompts) -> Vec<Action> {
    leave_one_dialogue_out(turns, |others, own| {
        let policy = recipe.train(others, charges, prompts);
        own.iter().map(|turn| policy.choose(&turn.context)).collect()
    })
}

/// A class with what it is expected to score and the charge of its cheapest action.
struct Offer {
    action: Action,
    value: f64,
    share: Charge,
}

impl ClassPolicy {
    /// The action of the best class; the cheaper class among equals.
    #[must_use]
    pub fn choose(&self, context: &Context) -> Action {
        let values = self.shares.values(&*self.estimator, context);
        best(&self.offers(values, context), self.weights).action
    }

    /// The weights that it goes by.
    #[must_use]
    pub const fn weights(&self) -> Weights {
        self.weights
    }

    fn offers(&self, values: ClassValues, context: &Context) -> Vec<Offer> {
        let offer = |class: Class| {
            let action = action_of(class, context);
            Offer { action, value: values[class.index()], share: self.charges.share(action) }
        };
        Class::ALL
            .into_iter()
            .filter(|class| *class != Class::Image || !context.association.is_empty())
            .map(offer)
            .collect()
    }

    /// The weights that keep the mean charge of the training turns within a limit at the highest expected score.
    fn within(&self, train: &[&LoggedTurn], limit: Charge) -> Weights {
        let offers =
            |turn: &&LoggedTurn| self.offers(self.shares.values(&*self.estimator, &turn.context), &turn.context);
        let turns: Vec<Vec<Offer>> = train.iter().map(offers).collect();
        let tried = |step: usize| if step == 0 { 0.0 } else { TRIED_LEAST * TRIED_FACTOR.powi(step as i32 - 1) };
        let heaviest = Weights { latency: tried(TRIED - 1), usage: tried(TRIED - 1) };
        let mut found = (heaviest, f64::NEG_INFINITY);
        for step in 0..TRIED * TRIED {
            let weights = Weights { latency: tried(step / TRIED), usage: tried(step % TRIED) };
            let chosen: Vec<&Offer> = turns.iter().map(|offers| best(offers, weights)).collect();
            let mean = self.charges.mean(&chosen.iter().map(|offer| offer.action).collect::<Vec<Action>>());
            let value: f64 = chosen.iter().map(|offer| offer.value).sum();
            if mean.latency_s <= limit.latency_s && mean.usage_usd <= limit.usage_usd && value > found.1 {
                found = (weights, value);
            }
        }
        found.0
    }
}

fn best(offers: &[Offer], weights: Weights) -> &Offer {
    let worth =
        |offer: &Offer| offer.value - weights.latency * offer.share.latency_s - weights.usage * offer.share.usage_usd;
    let mut chosen = &offers[0];
    for offer in &offers[1..] {
        if worth(offer) > worth(chosen) {
            chosen = offer;
        }
    }
    chosen
}
