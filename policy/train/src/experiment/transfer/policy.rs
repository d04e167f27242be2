//! Policies that choose a class, learnt at one place and judged at both.

use serde::Serialize;
use trimtab_core::Action;

use super::own::{Came, OwnTurn, charges};
use super::{LOG, OWN};
use crate::bootstrap::{Interval, interval};
use crate::dataset::{Class, LoggedTurn};
use crate::estimator::{Kind, Prompts};
use crate::experiment::DRAWS_SEED;
use crate::logged::baseline::{action_of, constant};
use crate::logged::charge::{Charge, Charges};
use crate::logged::evaluation::{Evaluation, Log};
use crate::logged::propensity::Propensity;
use crate::logged::recipe::{Owner, Recipe, chosen};
use crate::logged::values::{ClassValues, fitted, leave_one_dialogue_out};

/// The owner's limit on time and money, each: share of what one view in every turn takes.
const LIMIT_SHARE: f64 = 0.75;
/// Limits that fronts are swept over.
const SHARES: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
/// What is learnt: one class for each task, and one for each question where it is known.
const KINDS: [(&str, Kind); 2] = [("task table", Kind::TaskMeans), ("recipe", Kind::ShrunkClasses)];
const CONSTANTS: [&str; Class::ALL.len()] = ["always local", "always text", "always the best view"];

/// A policy on our own turns.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OnOwn {
    /// What it is.
    pub policy: &'static str,
    /// Where it was learnt; none where nothing was.
    pub fitted_on: Option<&'static str>,
    /// Share of right answers.
    pub right: Interval,
    /// The same policy learnt at home less this one.
    pub loss: Option<Interval>,
    /// Seconds a turn.
    pub latency_s: f64,
    /// USD a turn.
    pub usage_usd: f64,
    /// Joules a turn, on the device.
    pub joules: f64,
}

/// A policy on our own turns, by what the owner allows, least first.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Swept {
    /// Where it was learnt.
    pub fitted_on: &'static str,
    /// One for each limit.
    pub points: Vec<OnOwn>,
}

/// A policy on the logged turns.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OnLog {
    /// What it is.
    pub policy: &'static str,
    /// Where it was learnt; none where nothing was.
    pub fitted_on: Option<&'static str>,
    /// What it would have scored and been charged.
    pub evaluation: Evaluation,
    /// The same policy learnt at home less this one, by snips.
    pub loss: Option<Interval>,
}

/// Both places.
pub(super) struct Places<'a> {
    log: &'a [LoggedTurn],
    /// Each class of each turn of ours, as if logged.
    own_logged: Vec<LoggedTurn>,
    /// The turns of ours, without what came of them.
    own_contexts: Vec<LoggedTurn>,
    judged: Vec<LoggedTurn>,
    judged_own: &'a [OwnTurn],
    log_charges: Charges,
    own_charges: Charges,
    prompts: Prompts,
}

impl<'a> Places<'a> {
    pub(super) fn new(log: &'a [LoggedTurn], own: &'a [OwnTurn], judged: &'a [OwnTurn]) -> Self {
        Self {
            log,
            own_logged: own.iter().flat_map(OwnTurn::logged).collect(),
            own_contexts: own.iter().map(OwnTurn::unscored).collect(),
            judged: judged.iter().map(OwnTurn::unscored).collect(),
            judged_own: judged,
            log_charges: Charges::default(),
            own_charges: charges(own),
            prompts: Prompts::new(),
        }
    }

    fn values(&self, kind: Kind, fitted_on: &str, turns: &[LoggedTurn]) -> Vec<ClassValues> {
        let train = if fitted_on == LOG { self.log } else { &self.own_logged };
        fitted(kind, &train.iter().collect::<Vec<_>>(), turns, &self.prompts)
    }

    /// The choices on our judged turns, within a share of what views cost here.
    fn choose_on_own(&self, kind: Kind, fitted_on: &str, share: f64) -> Vec<Class> {
        let expected = self.values(kind, fitted_on, &self.own_contexts);
        let recipe = Recipe { kind, owner: Owner::Limit(limit(&self.own_charges, &self.own_contexts, share)) };
        let weights = recipe.weights(&self.own_contexts.iter().collect::<Vec<_>>(), &expected, &self.own_charges);
        let values = self.values(kind, fitted_on, &self.judged);
        let choose = |(turn, values): (&LoggedTurn, &ClassValues)| {
            Class::of(chosen(&turn.context, values, &self.own_charges, weights))
        };
        self.judged.iter().zip(&values).map(choose).collect()
    }

    /// The choices on the logged turns; at home, without the dialogue that they are judged on.
    fn choose_on_log(&self, kind: Kind, fitted_on: &str) -> Vec<Action> {
        let expected = if fitted_on == LOG {
            leave_one_dialogue_out(self.log, |others, own| fitted(kind, others, own, &self.prompts))
        } else {
            self.values(kind, fitted_on, self.log)
        };
        let recipe = Recipe { kind, owner: Owner::Limit(limit(&self.log_charges, self.log, LIMIT_SHARE)) };
        let weights = recipe.weights(&self.log.iter().collect::<Vec<_>>(), &expected, &self.log_charges);
        let choose =
            |(turn, values): (&LoggedTurn, &ClassValues)| chosen(&turn.context, values, &self.log_charges, weights);
        self.log.iter().zip(&expected).map(choose).collect()
    }

    fn judge_on_own(
        &self,
        policy: &'static str,
        fitted_on: Option<&'static str>,
        choices: &[Class],
        home: Option<&[Class]>,
    ) -> OnOwn {
        let came = |index: usize, choices: &[Class]| self.judged_own[index].came[choices[index].index()];
        let dialogues: Vec<u64> = self.judged_own.iter().map(|turn| turn.dialogue).collect();
        let over = |of: &dyn Fn(usize) -> f64| {
            interval(&dialogues, DRAWS_SEED, |drawn| {
                drawn.iter().map(|index| of(*index)).sum::<f64>() / drawn.len() as f64
            })
        };
        let mean = |of: fn(Came) -> f64| {
            (0..choices.len()).map(|index| of(came(index, choices))).sum::<f64>() / choices.len() as f64
        };
        OnOwn {
            policy,
            fitted_on,
            right: over(&|index| came(index, choices).right),
            loss: home.map(|home| over(&|index| came(index, home).right - came(index, choices).right)),
            latency_s: mean(|came| came.charge.latency_s),
            usage_usd: mean(|came| came.charge.usage_usd),
            joules: mean(|came| came.joules),
        }
    }

    /// Every policy on our own turns, and the best class in hindsight, the cheapest of equals.
    pub(super) fn on_own(&self) -> Vec<OnOwn> {
        let mut found = Vec::new();
        for (name, kind) in KINDS {
            let home = self.choose_on_own(kind, OWN, LIMIT_SHARE);
            let away = self.choose_on_own(kind, LOG, LIMIT_SHARE);
            found.push(self.judge_on_own(name, Some(OWN), &home, None));
            found.push(self.judge_on_own(name, Some(LOG), &away, Some(&home)));
        }
        for (class, name) in Class::ALL.into_iter().zip(CONSTANTS) {
            found.push(self.judge_on_own(name, None, &vec![class; self.judged.len()], None));
        }
        let hindsight = |turn: &OwnTurn| {
            Class::ALL.into_iter().find(|class| turn.came[class.index()].right > 0.0).unwrap_or(Class::Local)
        };
        let best: Vec<Class> = self.judged_own.iter().map(hindsight).collect();
        found.push(self.judge_on_own("best class in hindsight", None, &best, None));
        found
    }

    /// The recipe of both places on our own turns, by limit.
    pub(super) fn fronts(&self) -> Vec<Swept> {
        let (name, kind) = KINDS[1];
        let front = |fitted_on: &'static str| {
            let point = |share: f64| {
                self.judge_on_own(name, Some(fitted_on), &self.choose_on_own(kind, fitted_on, share), None)
            };
            Swept { fitted_on, points: SHARES.into_iter().map(point).collect() }
        };
        [OWN, LOG].into_iter().map(front).collect()
    }

    /// Every policy on the logged turns.
    pub(super) fn on_log(&self) -> Vec<OnLog> {
        let model =
            leave_one_dialogue_out(self.log, |others, own| fitted(Kind::ShrunkMeans, others, own, &self.prompts));
        let log = Log::new(self.log, Propensity::count(self.log), &model, &self.log_charges, DRAWS_SEED);
        let row = |policy, fitted_on, choices: &[Action], home: Option<&[Action]>| OnLog {
            policy,
            fitted_on,
            evaluation: log.evaluate(choices),
            loss: home.map(|home| log.difference(home, choices).snips),
        };
        let mut found = Vec::new();
        for (name, kind) in KINDS {
            let (home, away) = (self.choose_on_log(kind, LOG), self.choose_on_log(kind, OWN));
            found.push(row(name, Some(LOG), &home, None));
            found.push(row(name, Some(OWN), &away, Some(&home)));
        }
        for (class, name) in Class::ALL.into_iter().zip(CONSTANTS) {
            found.push(row(name, None, &constant(class, self.log), None));
        }
        found
    }
}

/// A share of what one view in every turn takes.
fn limit(charges: &Charges, turns: &[LoggedTurn], share: f64) -> Charge {
    let views: Vec<Action> = turns.iter().map(|turn| action_of(Class::Image, &turn.context)).collect();
    let Charge { latency_s, usage_usd } = charges.mean(&views);
    Charge { latency_s: share * latency_s, usage_usd: share * usage_usd }
}
