//! Turns of a table in which every action was run, as the classes of a log.

use std::path::Path;

use trimtab_core::observation::{TmoHistory, TmoTurn};
use trimtab_core::{Action, Cost, NodeIndex, ViewSet};

use crate::dataset::{Class, Context, LoggedTurn, Tried, Turn};
use crate::experiment::ExperimentError;
use crate::logged::baseline::action_of;
use crate::logged::charge::{Charge, Charges};

const MICRO: f64 = 1e6;
const NANO: f64 = 1e9;

/// What one class came to.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Came {
    /// 1 for a right answer, 0 for a wrong one.
    pub(super) right: f64,
    pub(super) charge: Charge,
    pub(super) joules: f64,
}

/// One turn with what every class came to, in the order of [`Class::ALL`]: the cloud is the node of the highest declared quality,
/// views are the one of the highest association.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct OwnTurn {
    pub(super) dialogue: u64,
    pub(super) context: Context,
    pub(super) came: [Came; Class::ALL.len()],
}

impl OwnTurn {
    /// As if each class had been logged.
    pub(super) fn logged(&self) -> [LoggedTurn; Class::ALL.len()] {
        Class::ALL.map(|class| {
            let Came { right, charge, .. } = self.came[class.index()];
            LoggedTurn {
                dialogue: self.dialogue,
                context: self.context.clone(),
                action: action_of(class, &self.context),
                score: right,
                seconds: charge.latency_s,
                usd: charge.usage_usd,
                propensity: None,
            }
        })
    }

    /// Of nothing but the turn: one logged turn, whose score nothing reads.
    pub(super) fn unscored(&self) -> LoggedTurn {
        let [first, ..] = self.logged();
        first
    }
}

/// The turns in which all classes were run.
pub(super) fn read(turns: &[&Turn], path: &Path) -> Result<Vec<OwnTurn>, ExperimentError> {
    let found: Vec<OwnTurn> = turns.iter().filter_map(|turn| own(turn)).collect();
    if found.is_empty() {
        let what = "no turn in which the local node, the best cloud and that cloud with the best view were all run; \
                    collect such turns with trimtab-lab collect";
        return Err(ExperimentError::Own { path: path.into(), what });
    }
    Ok(found)
}

fn own(turn: &Turn) -> Option<OwnTurn> {
    let clouds = turn.setting.nodes.iter().enumerate().filter(|(_, node)| !node.profile.local);
    let (best, _) = clouds.max_by(|(_, a), (_, b)| a.profile.quality.total_cmp(&b.profile.quality))?;
    let node = NodeIndex::new(best)?;
    let mut history = TmoHistory::default();
    history.push(TmoTurn { previous: None, task: turn.kind });
    let context = Context {
        question: turn.prompt.as_str().into(),
        task: turn.kind,
        number: turn.number,
        association: turn.views.iter().map(|view| view.association).collect(),
        previous: None,
        history,
    };
    let came = |action: Action| turn.tried.iter().find(|tried| tried.action == action).map(of);
    let local = came(Action::LOCAL)?;
    let text = came(Action { node, views: ViewSet::EMPTY })?;
    let image = came(Action { node, views: context.best_views(1) })?;
    Some(OwnTurn { dialogue: turn.dialogue, context, came: [local, text, image] })
}

fn of(tried: &Tried) -> Came {
    let Cost { latency, energy, money, .. } = tried.cost;
    Came {
        right: f64::from(u8::from(tried.right)),
        charge: Charge { latency_s: latency.get() as f64 / 1e3, usage_usd: money.nano() as f64 / NANO },
        joules: energy.micro() as f64 / MICRO,
    }
}

/// Mean charges of the classes.
pub(super) fn charges(turns: &[OwnTurn]) -> Charges {
    let mean = |class: Class| {
        let sum = |of: fn(&Charge) -> f64| turns.iter().map(|turn| of(&turn.came[class.index()].charge)).sum::<f64>();
        let count = turns.len().max(1) as f64;
        Charge { latency_s: sum(|charge| charge.latency_s) / count, usage_usd: sum(|charge| charge.usage_usd) / count }
    };
    Charges::measured(mean(Class::Local), vec![mean(Class::Text), mean(Class::Image)])
}
