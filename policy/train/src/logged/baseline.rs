//! What a learnt policy is compared with: the published greedy rule on any estimator, one class for all, and the best table
//! of a class for each task.

use trimtab_core::{Action, TaskKind, ViewSet};

use super::charge::{Charge, Charges};
use super::propensity::Propensity;
use crate::dataset::{Class, Context, LoggedTurn, cloud};
use crate::estimator::Estimator;

/// Weight of association, latency and cost each. Source: the published environment.
pub const TERM: f64 = 1.0 / 3.0;

/// The association that an action uploads, as a share of what all views have; 0 where they have none.
fn uploaded(context: &Context, action: Action) -> f64 {
    let sums = Action::all(2, context.association.len()).map(|action| sum(context, action.views));
    let (least, most) = sums.fold((0.0_f64, 0.0_f64), |(least, most), x| (least.min(x), most.max(x)));
    if most > least { (sum(context, action.views) - least) / (most - least) } else { 0.0 }
}

fn sum(context: &Context, views: ViewSet) -> f64 {
    views.iter().filter_map(|view| context.association.get(view)).map(|score| f64::from(*score)).sum()
}

/// The action of the largest expected score, with the mean association of the training turns and the charges weighed in.
pub struct Greedy<'a> {
    estimator: &'a dyn Estimator,
    /// What every action is given beside its score, in the order of their numbers.
    terms: Vec<(Action, f64)>,
}

impl<'a> Greedy<'a> {
    /// Over the actions of a table of as many views as the first training turn has.
    #[must_use]
    pub fn new(estimator: &'a dyn Estimator, train: &[&LoggedTurn], charges: &Charges) -> Self {
        let views = train.first().map_or(0, |turn| turn.context.association.len());
        let n = train.len().max(1) as f64;
        let term = |action| {
            let association = train.iter().map(|turn| uploaded(&turn.context, action)).sum::<f64>() / n;
            let share = charges.share(action);
            (action, TERM * (association - share.latency_s - share.usage_usd))
        };
        Self { estimator, terms: Action::all(2, views).map(term).collect() }
    }

    /// The action, the lowest number among equals.
    #[must_use]
    pub fn choose(&self, context: &Context) -> Action {
        let mut best = (Action::LOCAL, f64::NEG_INFINITY);
        for (action, term) in &self.terms {
            let worth = self.estimator.predict(context, *action) + term;
            if worth > best.1 {
                best = (*action, worth);
            }
        }
        best.0
    }
}

/// The cheapest action of a class in a turn: one view, that of the highest association, where it has any.
#[must_use]
pub fn action_of(class: Class, context: &Context) -> Action {
    match class {
        Class::Local => Action::LOCAL,
        Class::Text => cloud(ViewSet::EMPTY),
        Class::Image => cloud(context.best_views(1)),
    }
}

/// The same class in every turn.
#[must_use]
pub fn constant(class: Class, turns: &[LoggedTurn]) -> Vec<Action> {
    turns.iter().map(|turn| action_of(class, &turn.context)).collect()
}

/// A class for each task: the table of the highest weighted mean of these very turns within a limit on its mean charge. It is
/// chosen on what it is judged by, so it flatters itself; no prompt-blind policy can look better here. None if none fits.
#[must_use]
pub fn best_table(turns: &[LoggedTurn], charges: &Charges, limit: Charge) -> Option<Vec<Action>> {
    let propensity = Propensity::count(turns);
    let tasks = TaskKind::KNOWN.len();
    let tables = (0..Class::ALL.len().pow(tasks as u32)).map(|number| {
        let class = |task: TaskKind| {
            Class::ALL[number / Class::ALL.len().pow(task.index().unwrap_or(0) as u32) % Class::ALL.len()]
        };
        turns.iter().map(|turn| action_of(class(turn.context.task), &turn.context)).collect::<Vec<Action>>()
    });
    let within = |actions: &Vec<Action>| {
        let mean = charges.mean(actions);
        mean.latency_s <= limit.latency_s && mean.usage_usd <= limit.usage_usd
    };
    let score = |actions: &Vec<Action>| {
        let weighted = turns.iter().zip(actions).map(|(turn, action)| {
            let weight = propensity.weight(turn, Class::of(*action));
            (weight * turn.score, weight)
        });
        let (sum, weight) = weighted.fold((0.0, 0.0), |total, one| (total.0 + one.0, total.1 + one.1));
        if weight > 0.0 { sum / weight } else { f64::NEG_INFINITY }
    };
    tables.filter(within).max_by(|a, b| score(a).total_cmp(&score(b)))
}
