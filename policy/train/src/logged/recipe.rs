//! Trains a policy that chooses a class from prompt and context: the class of the highest expected score, less what the owner
//! gives for time and money. The weights are the owner's own, or the ones that keep the training turns within the owner's limits.

use std::cell::OnceCell;

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
/// ones that the weights were found on, and still more where the views are the log's, which uploads more than one.
pub const SHARE: f64 = 0.9;

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
        let mut policy = ClassPolicy::fit(self.kind, train, charges, prompts);
        policy.weights = Training::of(&policy, train).weights(self.owner);
        policy
    }

    /// The weights that the owner asks for where something else expects `values` of the classes of every training turn.
    ///
    /// # Panics
    /// When there are not values of every turn.
    #[must_use]
    pub fn weights(&self, train: &[&LoggedTurn], values: &[ClassValues], charges: &Charges) -> Weights {
        assert_eq!(train.len(), values.len(), "class values for every turn");
        let offers = train.iter().zip(values).map(|(turn, values)| offers(&turn.context, values, charges)).collect();
        Training { turns: train, offers, charges: charges.clone(), greedy: OnceCell::new() }.weights(self.owner)
    }
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
    swept(recipe.kind, &[recipe.owner], turns, charges, prompts).swap_remove(0)
}

/// The choices for several owners, one list each, trained anew without each dialogue; scores are estimated once for all.
#[must_use]
pub fn swept(
    kind: Kind,
    owners: &[Owner],
    turns: &[LoggedTurn],
    charges: &Charges,
    prompts: &Prompts,
) -> Vec<Vec<Action>> {
    let by_turn: Vec<Vec<Action>> = leave_one_dialogue_out(turns, |others, own| {
        let mut policy = ClassPolicy::fit(kind, others, charges, prompts);
        let training = Training::of(&policy, others);
        let mut choices = vec![Vec::with_capacity(owners.len()); own.len()];
        for owner in owners {
            policy.weights = training.weights(*owner);
            choices.iter_mut().zip(own).for_each(|(choices, turn)| choices.push(policy.choose(&turn.context)));
        }
        choices
    });
    (0..owners.len()).map(|owner| by_turn.iter().map(|choices| choices[owner]).collect()).collect()
}

/// A class with what it is expected to score and the charge of its cheapest action.
struct Offer {
    action: Action,
    value: f64,
    share: Charge,
}

impl Offer {
    fn worth(&self, weights: Weights) -> f64 {
        self.value - weights.latency * self.share.latency_s - weights.usage * self.share.usage_usd
    }
}

impl ClassPolicy {
    fn fit(kind: Kind, train: &[&LoggedTurn], charges: &Charges, prompts: &Prompts) -> Self {
        Self {
            estimator: kind.fit_turns(train, prompts),
            shares: ViewShares::count(train.iter().copied()),
            charges: charges.clone(),
            weights: Weights::default(),
        }
    }

    /// The action of the best class; the cheaper class among equals.
    #[must_use]
    pub fn choose(&self, context: &Context) -> Action {
        best(&self.offers(context), self.weights).action
    }

    /// What it expects of each class.
    #[must_use]
    pub fn values(&self, context: &Context) -> ClassValues {
        self.shares.values(&*self.estimator, context)
    }

    /// The weights that it goes by.
    #[must_use]
    pub const fn weights(&self) -> Weights {
        self.weights
    }

    fn offers(&self, context: &Context) -> Vec<Offer> {
        offers(context, &self.values(context), &self.charges)
    }
}

/// The action of the best class in a turn of which these scores are expected; the cheaper class among equals.
#[must_use]
pub fn chosen(context: &Context, values: &ClassValues, charges: &Charges, weights: Weights) -> Action {
    best(&offers(context, values, charges), weights).action
}

/// What each class offers; views only where there are any.
fn offers(context: &Context, values: &ClassValues, charges: &Charges) -> Vec<Offer> {
    let there = |class: &Class| *class != Class::Image || !context.association.is_empty();
    let offer = |class: Class| {
        let action = action_of(class, context);
        Offer { action, value: values[class.index()], share: charges.share(action) }
    };
    Class::ALL.into_iter().filter(there).map(offer).collect()
}

/// The turns that a policy is trained on, with what each of them is offered.
struct Training<'a> {
    turns: &'a [&'a LoggedTurn],
    offers: Vec<Vec<Offer>>,
    charges: Charges,
    greedy: OnceCell<Charge>,
}

impl<'a> Training<'a> {
    fn of(policy: &ClassPolicy, turns: &'a [&'a LoggedTurn]) -> Self {
        let offers = turns.iter().map(|turn| policy.offers(&turn.context)).collect();
        Self { turns, offers, charges: policy.charges.clone(), greedy: OnceCell::new() }
    }

    /// The weights that an owner asks for.
    fn weights(&self, owner: Owner) -> Weights {
        match owner {
            Owner::Weights(weights) => weights,
            Owner::Limit(limit) => self.within(limit),
            Owner::ShareOfGreedy(share) => {
                let greedy = self.greedy.get_or_init(|| self.greedy_charge());
                self.within(Charge { latency_s: share * greedy.latency_s, usage_usd: share * greedy.usage_usd })
            }
        }
    }

    /// What the published greedy on nearest neighbours is charged in turns that its neighbours are not from.
    fn greedy_charge(&self) -> Charge {
        let turns: Vec<LoggedTurn> = self.turns.iter().map(|turn| (*turn).clone()).collect();
        self.charges.mean(&greedy(Kind::Neighbours, &turns, &self.charges, &Prompts::new()))
    }

    /// The weights that keep the mean charge within a limit at the highest expected score; of those that choose alike, the ones
    /// under which the closest choice is least close, so that a small error of an estimate turns none.
    fn within(&self, limit: Charge) -> Weights {
        let tried = |step: usize| if step == 0 { 0.0 } else { TRIED_LEAST * TRIED_FACTOR.powi(step as i32 - 1) };
        let mut found = (Weights { latency: tried(TRIED - 1), usage: tried(TRIED - 1) }, f64::NEG_INFINITY, 0.0);
        for step in 0..TRIED * TRIED {
            let weights = Weights { latency: tried(step / TRIED), usage: tried(step % TRIED) };
            let chosen: Vec<&Offer> = self.offers.iter().map(|offers| best(offers, weights)).collect();
            let mean = self.charges.mean(&chosen.iter().map(|offer| offer.action).collect::<Vec<Action>>());
            let value: f64 = chosen.iter().map(|offer| offer.value).sum();
            if mean.latency_s <= limit.latency_s && mean.usage_usd <= limit.usage_usd && value >= found.1 {
                let closest = self.offers.iter().map(|offers| margin(offers, weights)).fold(f64::INFINITY, f64::min);
                if value > found.1 || closest > found.2 {
                    found = (weights, value, closest);
                }
            }
        }
        found.0
    }
}

/// By how much the best class is worth more than the next; infinite where there is one class.
fn margin(offers: &[Offer], weights: Weights) -> f64 {
    let chosen = best(offers, weights);
    let others = offers.iter().filter(|offer| !std::ptr::eq(*offer, chosen));
    others.map(|offer| chosen.worth(weights) - offer.worth(weights)).fold(f64::INFINITY, f64::min)
}

fn best(offers: &[Offer], weights: Weights) -> &Offer {
    let mut chosen = &offers[0];
    for offer in &offers[1..] {
        if offer.worth(weights) > chosen.worth(weights) {
            chosen = offer;
        }
    }
    chosen
}
