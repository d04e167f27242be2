//! The known ways in which a policy of a published layout fails, told from how it plays.
//!
//! | signature | a policy has it if |
//! |---|---|
//! | `always-local`, `always-the-same` | one action is [`SAME_MIN`] of its decisions |
//! | `all-views` | in every task, [`SAME_MIN`] of what it sends to the cloud carries every view, and most turns are sent |
//! | `blind-to-task` | another task of the same turn would change at most [`MOVED_MAX`] of its decisions |
//! | `over-budget` | more than [`OVER_MAX`] of the dialogues break a budget |
//! | `seed-variance` | the rewards of policies that differ in their seed have a standard deviation above [`SPREAD_MAX`] |
//!
//! All but the fourth are told from play within the published budget, which leaves room for every choice.

use serde::Serialize;
use trimtab_engine::PolicyError;

use crate::published::{
    ACTIONS, Budget, Chooser, Costs, Episode, Evaluation, ResponseModel, Scene, TASKS, best, evaluate,
};

/// Share of decisions that is as good as all.
pub const SAME_MIN: f64 = 0.95;
/// Share of decisions that is as good as none.
pub const MOVED_MAX: f64 = 0.01;
/// Share of dialogues over a budget that may be chance.
pub const OVER_MAX: f64 = 0.01;
/// Standard deviation of the reward over seeds that may be chance.
pub const SPREAD_MAX: f64 = 0.05;
/// The action that uploads every view.
const ALL_VIEWS: usize = ACTIONS - 1;

/// A known way to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// Every turn is answered on the device.
    AlwaysLocal,
    /// Every turn gets one and the same other action.
    AlwaysTheSame,
    /// Every view is uploaded, whatever is asked.
    AllViews,
    /// The task does not matter to it.
    BlindToTask,
    /// Dialogues take more than they may.
    OverBudget,
    /// What is learnt hangs on the seed.
    SeedVariance,
}

impl Signature {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AlwaysLocal => "always-local",
            Self::AlwaysTheSame => "always-the-same",
            Self::AllViews => "all-views",
            Self::BlindToTask => "blind-to-task",
            Self::OverBudget => "over-budget",
            Self::SeedVariance => "seed-variance",
        }
    }
}

/// A failure with what shows it and what to do.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Finding {
    /// Which.
    pub signature: Signature,
    /// The figures that show it.
    pub evidence: String,
    /// What to do.
    pub remedy: &'static str,
}

/// What a policy is examined on.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    /// The dialogues that are played.
    pub episodes: &'a [Episode],
    /// Their responses.
    pub responses: &'a dyn ResponseModel,
    /// What actions cost.
    pub costs: &'a Costs,
    /// Budgets that must hold.
    pub budgets: &'a [Budget],
    /// Whether they are played through the device's shield.
    pub shield: bool,
}

/// What is known of one policy.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Diagnosis {
    /// Within the published budget.
    pub reward: f64,
    /// Nothing, if no signature was found.
    pub findings: Vec<Finding>,
}

/// Examines one policy.
///
/// # Errors
/// A policy file that cannot be run.
pub fn diagnose(trial: &Trial<'_>, chooser: &mut dyn Chooser) -> Result<Diagnosis, PolicyError> {
    let mut probe = Probe { chooser, responses: trial.responses, chosen: [[0; ACTIONS]; TASKS], moved: 0 };
    let ample = evaluate(trial.episodes, trial.responses, trial.costs, Budget::PUBLISHED, false, &mut probe)?;
    let mut findings: Vec<Finding> = match probe.the_same() {
        Some(same) => vec![same],
        None => probe.blind().into_iter().collect(),
    };
    findings.extend(probe.all_views());
    let play = |budget: &Budget| {
        evaluate(trial.episodes, trial.responses, trial.costs, *budget, trial.shield, probe.chooser)
            .map(|played| (*budget, played))
    };
    let played = trial.budgets.iter().map(play).collect::<Result<Vec<_>, _>>()?;
    findings.extend(over_budget(&played));
    Ok(Diagnosis { reward: ample.reward, findings })
}

/// Looks at the rewards of policies that differ in their seed alone.
#[must_use]
pub fn seed_variance(rewards: &[f64]) -> Option<Finding> {
    let count = rewards.len() as f64;
    let mean = rewards.iter().sum::<f64>() / count;
    let spread = (rewards.iter().map(|reward| (reward - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    let low = rewards.iter().copied().fold(f64::INFINITY, f64::min);
    let high = rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // One policy alone has no spread: not a number, which is above nothing.
    (spread > SPREAD_MAX).then(|| Finding {
        signature: Signature::SeedVariance,
        evidence: format!("rewards of {count} policies from {low:.3} to {high:.3}, standard deviation {spread:.3}"),
        remedy: "train on more steps or dialogues, or take the planner, which has no luck in what it explores; report the \
                 worst seed, and choose a policy on dialogues that it is not reported on",
    })
}

/// Plays as a policy does, and counts what it chooses and whether it would choose otherwise for another task.
struct Probe<'a> {
    chooser: &'a mut dyn Chooser,
    responses: &'a dyn ResponseModel,
    /// Decisions by task and action.
    chosen: [[usize; ACTIONS]; TASKS],
    /// Decisions that some other task would change.
    moved: usize,
}

impl Chooser for Probe<'_> {
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        let scores = self.chooser.scores(scene)?;
        let (task, action) = (scene.state.task(), best(&scores));
        self.chosen[usize::from(task)][action] += 1;
        for other in (0..TASKS as u8).filter(|other| *other != task) {
            let state = scene.state.with_task(other);
            let responses = self.responses.responses(scene.episode, scene.turn, state);
            if best(&self.chooser.scores(&Scene { state, responses: &responses, ..*scene })?) != action {
                self.moved += 1;
                break;
            }
        }
        Ok(scores)
    }
}

impl Probe<'_> {
    fn decisions(&self) -> usize {
        self.chosen.as_flattened().iter().sum()
    }

    fn the_same(&self) -> Option<Finding> {
        let of = |action: usize| self.chosen.iter().map(|row| row[action]).sum::<usize>();
        let action = (0..ACTIONS).find(|action| share(of(*action), self.decisions()) >= SAME_MIN)?;
        let evidence = format!("action {action} in {} of {} decisions", of(action), self.decisions());
        Some(if action == 0 {
            Finding {
                signature: Signature::AlwaysLocal,
                evidence,
                remedy: "the cloud's costs outweigh what it is seen to gain: lower --lambda or train at a wider budget, train \
                         on more steps so that cloud actions are tried, and check that logged cloud answers score higher",
            }
        } else {
            Finding {
                signature: Signature::AlwaysTheSame,
                evidence,
                remedy: "learning has settled before other actions were tried: train on more steps or with another seed, or \
                         take the planner; a constant needs no policy",
            }
        })
    }

    fn all_views(&self) -> Option<Finding> {
        let rows = || self.chosen.iter().filter(|row| row.iter().any(|count| *count > 0));
        let sent = |row: &[usize; ACTIONS]| row[1..].iter().sum::<usize>();
        let whole = |row: &[usize; ACTIONS]| sent(row) > 0 && share(row[ALL_VIEWS], sent(row)) >= SAME_MIN;
        let (all, cloud): (usize, usize) = (rows().map(|row| row[ALL_VIEWS]).sum(), rows().map(sent).sum());
        (share(cloud, self.decisions()) > 0.5 && rows().all(whole)).then(|| Finding {
            signature: Signature::AllViews,
            evidence: format!("{all} of {cloud} cloud calls carry every view, in each of {} tasks", rows().count()),
            remedy: "views seem to cost nothing: check that usage is priced by the number of views and that association is \
                     normalised over the actions of a turn, and train at a tighter --usage-budget",
        })
    }

    fn blind(&self) -> Option<Finding> {
        (share(self.moved, self.decisions()) <= MOVED_MAX).then(|| Finding {
            signature: Signature::BlindToTask,
            evidence: format!("another task would change {} of {} decisions", self.moved, self.decisions()),
            remedy: "the task is in the state but not in the policy: check that the tasks of training and test are told apart \
                     in the data, and train on more steps or dialogues of every task",
        })
    }
}

/// Budgets that were broken, with how each was played.
fn over_budget(played: &[(Budget, Evaluation)]) -> Option<Finding> {
    let broken = |(_, played): &&(Budget, Evaluation)| played.over_latency.max(played.over_usage) > OVER_MAX;
    let figures: Vec<String> = played
        .iter()
        .filter(broken)
        .map(|(budget, played)| {
            let (latency, usage) = (100.0 * played.over_latency, 100.0 * played.over_usage);
            format!("{} s, {} USD: {latency:.0} % over in time, {usage:.0} % in cost", budget.seconds, budget.usd)
        })
        .collect();
    if figures.is_empty() {
        return None;
    }
    let rigid = played.len() > 1 && played.iter().all(|(_, other)| other.actions == played[0].1.actions);
    let (how, remedy) = if rigid {
        (
            "; it plays alike under every budget",
            "the policy does not heed what remains: take the planner or an rc- learner, which see it, and run it under the \
             shield, which holds any budget",
        )
    } else {
        (
            "",
            "the budget is too weak in training: raise --lambda, take --constraint dual, train at the tight budget or draw \
             tighter ones, and run it under the shield, which holds any budget",
        )
    };
    Some(Finding { signature: Signature::OverBudget, evidence: figures.join("; ") + how, remedy })
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
