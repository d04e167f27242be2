//! The shield: rules candidates out, takes the best of the rest, and reserves its cost. To approve is to reserve.

use crate::action::{Action, ViewSet};
use crate::budget::{Account, Budgets, Hold, Resource, Short, Window};
use crate::limits::{CANDIDATES_MAX, NODES_MAX, VIEWS_MAX};
use crate::quote::{Cost, Quote};
use crate::units::{Bytes, Millis};
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// One action with its quote and the policy's score.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Candidate {
    /// Node and views.
    pub action: Action,
    /// Upper bounds of what it takes.
    pub quote: Quote,
    /// The higher, the better; a number that is none ranks last.
    pub score: f32,
}

/// Why a candidate was ruled out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A budget has too little left.
    Budget {
        /// Of what.
        resource: Resource,
        /// In which window.
        window: Window,
    },
    /// It would not fit under the memory ceiling.
    MemoryCeiling,
    /// The camera's `upload = "never"`.
    Privacy {
        /// Which view.
        view: u8,
    },
    /// The view has no fresh frame.
    ViewMissing {
        /// Which view.
        view: u8,
    },
    /// More views than the node takes.
    ImageLimit,
    /// The broker is not connected.
    LinkDown,
    /// The node is not offered, or its circuit is open.
    NodeDown,
    /// The model is not loaded.
    ModelMissing,
    /// It would take longer than the turn may.
    Deadline,
    /// An energy budget is set and there is no meter.
    NoMeter,
    /// Too many holds are open.
    Busy,
}

impl Reason {
    /// Short name, as in headers and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Budget { resource: Resource::Energy, .. } => "energy_budget",
            Self::Budget { resource: Resource::Money, .. } => "money_budget",
            Self::Budget { resource: Resource::Bytes, .. } => "bytes_budget",
            Self::Budget { resource: Resource::Latency, .. } => "latency_budget",
            Self::MemoryCeiling => "memory_ceiling",
            Self::Privacy { .. } => "privacy",
            Self::ViewMissing { .. } => "view_missing",
            Self::ImageLimit => "image_limit",
            Self::LinkDown => "link_down",
            Self::NodeDown => "node_down",
            Self::ModelMissing => "model_missing",
            Self::Deadline => "deadline",
            Self::NoMeter => "no_meter",
            Self::Busy => "busy",
        }
    }
}

/// One node as the shield sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeGate {
    /// Why nothing may go there now, if so.
    pub closed: Option<Reason>,
    /// Most views in one request.
    pub images_max: u8,
}

/// One view as the shield sees it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ViewGate {
    /// There is a fresh frame.
    pub available: bool,
    /// It may leave the device.
    pub upload: bool,
    /// How likely it shows what the prompt asks about, 0..=1.
    pub shows: f32,
}

/// Everything outside the budgets that limits a turn.
#[derive(Clone, PartialEq, Debug)]
pub struct Surroundings {
    /// The nodes, the local one first.
    pub nodes: Vec<NodeGate, NODES_MAX>,
    /// The views, in camera order.
    pub views: Vec<ViewGate, VIEWS_MAX>,
    /// What may still be allocated.
    pub memory_left: Bytes,
    /// What is left of the turn's time.
    pub time_left: Millis,
    /// An energy budget is set, there is no meter, and estimates are not allowed.
    pub energy_unknown: bool,
}

/// What the policy proposes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Proposal<'a> {
    /// Whose budgets, and what the turn has used of them.
    pub account: Account,
    /// What could be done.
    pub candidates: &'a [Candidate],
    /// Added to the quote in the hold: what can be spent before a stop takes effect.
    pub guard: Cost,
    /// What a cloud action must leave in every budget, so that the local model can still step in.
    pub spare: Cost,
    /// The least hold under which a local answer is worth beginning: where a budget has too little left for a whole one and
    /// nothing else may be done, it gets what is left and is cut there. None: it gets its quote or nothing.
    pub least: Option<Cost>,
}

/// What was ruled out and why, candidate by candidate, in the order of the proposal.
pub type RuledOut = Vec<Option<Reason>, CANDIDATES_MAX>;

/// An action that may be taken: the only way to get a hold for one. It has no public constructor.
#[derive(PartialEq, Debug)]
pub struct Approved {
    index: usize,
    action: Action,
    quote: Quote,
    hold: Hold,
    dropped: ViewSet,
    instead: Option<Reason>,
}

impl Approved {
    /// Its place in the proposal.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }
    /// What may be done.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }
    /// Its quote.
    #[must_use]
    pub const fn quote(&self) -> Quote {
        self.quote
    }
    /// Views of the best-scored candidate that were dropped because they are unlikely to add anything.
    #[must_use]
    pub const fn dropped(&self) -> ViewSet {
        self.dropped
    }
    /// What ruled out the candidate that the policy liked best, if it was another one.
    #[must_use]
    pub const fn instead(&self) -> Option<Reason> {
        self.instead
    }
    /// What is reserved.
    pub const fn hold(&self) -> &Hold {
        &self.hold
    }
    /// Gives the hold up for settlement.
    pub fn into_hold(self) -> Hold {
        self.hold
    }
}

/// Nothing is left that may be done.
#[derive(Clone, PartialEq, Debug)]
pub struct Refusal {
    /// What ruled out the candidate that the policy liked best; none if there was no candidate at all.
    pub best: Option<Reason>,
}

/// The rules that do not change from turn to turn.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Shield {
    /// Views less likely than this to show what the prompt asks about are dropped. Calibrated in training, 0 keeps all.
    pub view_threshold: f32,
}

impl Shield {
    /// Rules out, chooses, reserves. The second value says what was ruled out, whatever the verdict.
    pub fn review(
        &self,
        now: Millis,
        budgets: &mut Budgets,
        proposal: &Proposal<'_>,
        around: &Surroundings,
    ) -> (Result<Approved, Refusal>, RuledOut) {
        budgets.advance(now);
        let ruled_out: RuledOut = proposal
            .candidates
            .iter()
            .take(CANDIDATES_MAX)
            .map(|candidate| self.objection(budgets, proposal, around, candidate))
            .collect();
        let rank = |index: usize| {
            proposal
                .candidates
                .get(index)
                .map_or(f32::NEG_INFINITY, |c| if c.score.is_nan() { f32::NEG_INFINITY } else { c.score })
        };
        let best_of = |admissible: &dyn Fn(usize) -> bool| {
            (0..ruled_out.len())
                .filter(|index| admissible(*index))
                .reduce(|best, next| if rank(next) > rank(best) { next } else { best })
        };
        let favourite = best_of(&|_| true);
        let objection_to = |index: Option<usize>| index.and_then(|index| ruled_out.get(index).copied().flatten());
        let Some(chosen) = best_of(&|index| matches!(ruled_out.get(index), Some(None))) else {
            let refusal = Refusal { best: objection_to(favourite) };
            return (self.cut_short(now, budgets, proposal, &ruled_out).ok_or(refusal), ruled_out);
        };
        let (index, dropped) = self.without_idle_views(proposal, around, &ruled_out, chosen);
        let Some(candidate) = proposal.candidates.get(index) else {
            return (Err(Refusal { best: None }), ruled_out);
        };
        let verdict = match budgets.reserve(now, &proposal.account, candidate.quote.cost().plus(proposal.guard)) {
            Ok(hold) => Ok(Approved {
                index,
                action: candidate.action,
                quote: candidate.quote,
                hold,
                dropped,
                instead: if favourite == Some(chosen) { None } else { objection_to(favourite) },
            }),
            Err(short) => Err(Refusal { best: Some(short.into()) }),
        };
        (verdict, ruled_out)
    }

    /// A local answer that only a budget forbids, under a hold of what that budget has left.
    fn cut_short(
        &self,
        now: Millis,
        budgets: &mut Budgets,
        proposal: &Proposal<'_>,
        ruled_out: &RuledOut,
    ) -> Option<Approved> {
        let index = proposal.candidates.iter().position(|candidate| candidate.action.node.is_local())?;
        let objection @ Reason::Budget { .. } = ruled_out.get(index).copied().flatten()? else {
            return None;
        };
        let Candidate { action, quote, .. } = *proposal.candidates.get(index)?;
        let cost = quote.cost().plus(proposal.guard).at_most(budgets.room(&proposal.account));
        if proposal.least?.minus(cost) != Cost::ZERO {
            return None;
        }
        let hold = budgets.reserve(now, &proposal.account, cost).ok()?;
        Some(Approved { index, action, quote, hold, dropped: ViewSet::EMPTY, instead: Some(objection) })
    }

    /// Why this candidate may not be taken, if so. Rules of the world come first, so that a budget is named only where it
    /// alone decides.
    fn objection(
        &self,
        budgets: &Budgets,
        proposal: &Proposal<'_>,
        around: &Surroundings,
        candidate: &Candidate,
    ) -> Option<Reason> {
        let Action { node, views } = candidate.action;
        let Some(gate) = around.nodes.get(node.get()) else {
            return Some(Reason::NodeDown);
        };
        if gate.closed.is_some() {
            return gate.closed;
        }
        if views.len() > usize::from(gate.images_max) {
            return Some(Reason::ImageLimit);
        }
        for view in views.iter() {
            match around.views.get(view) {
                Some(gate) if !gate.upload => return Some(Reason::Privacy { view: view as u8 }),
                Some(gate) if gate.available => {}
                _ => return Some(Reason::ViewMissing { view: view as u8 }),
            }
        }
        if candidate.quote.memory > around.memory_left {
            return Some(Reason::MemoryCeiling);
        }
        if candidate.quote.latency > around.time_left {
            return Some(Reason::Deadline);
        }
        if around.energy_unknown {
            return Some(Reason::NoMeter);
        }
        let spare = if node.is_local() { Cost::ZERO } else { proposal.spare };
        let needed = candidate.quote.cost().plus(proposal.guard).plus(spare);
        budgets.check(&proposal.account, &needed).err().map(Reason::from)
    }

    /// The same node with fewer views, where some are unlikely to add anything and what remains is admissible. A set in
    /// which no view is likely to is left alone: then the association says nothing about which to drop.
    fn without_idle_views(
        &self,
        proposal: &Proposal<'_>,
        around: &Surroundings,
        ruled_out: &RuledOut,
        chosen: usize,
    ) -> (usize, ViewSet) {
        let Some(candidate) = proposal.candidates.get(chosen) else {
            return (chosen, ViewSet::EMPTY);
        };
        let Action { node, views } = candidate.action;
        let idle = |view: &usize| around.views.get(*view).is_none_or(|gate| gate.shows < self.view_threshold);
        let dropped = views.iter().filter(idle).fold(ViewSet::EMPTY, |set, view| set.with(view));
        if dropped.is_empty() || dropped == views {
            return (chosen, ViewSet::EMPTY);
        }
        let kept = Action { node, views: dropped.iter().fold(views, |set, view| set.without(view)) };
        let fewer = proposal.candidates.iter().position(|other| other.action == kept);
        match fewer {
            Some(index) if matches!(ruled_out.get(index), Some(None)) => (index, dropped),
            _ => (chosen, ViewSet::EMPTY),
        }
    }
}

impl From<Short> for Reason {
    fn from(short: Short) -> Self {
        match short {
            Short::Budget { resource, window, .. } => Self::Budget { resource, window },
            Short::Holds | Short::Conversations => Self::Busy,
        }
    }
}
