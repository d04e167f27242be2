//! The state machine of one turn.

mod cloud;
mod deciding;
mod local;

use crate::event::{Event, Opening, Step};
use crate::governor::Governor;
use crate::record::{EnergySource, Finish, TurnRecord};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use cloud::CloudWait;
use core::mem;
use deciding::Scoring;
use local::LocalRun;
use trimtab_core::budget::HoldId;
use trimtab_core::{
    Account, Action, Candidate, Cost, Hold, Joules, Millis, Placement, Proposal, Reason, TaskKind, ViewSet,
};

/// Where a turn stands. Each state carries what only it needs.
#[derive(Debug)]
enum Phase {
    /// Views and prompt are being encoded, under the decision hold.
    Observing { decision: Hold },
    /// The policy is scoring the candidates.
    Scoring(Scoring),
    /// A bridge was asked.
    Cloud(CloudWait),
    /// The local engine is answering.
    Local(LocalRun),
    /// The record is written.
    Over,
}

/// One turn.
#[derive(Debug)]
pub struct Turn {
    opening: Opening,
    phase: Phase,
    record: Box<TurnRecord>,
    /// A request that was given up and whose answer may still come.
    pending: Option<Pending>,
}

/// A request that is not waited for any longer.
#[derive(Debug)]
struct Pending {
    hold: HoldId,
    /// What sending and waiting took; the record has it already.
    waited: Cost,
    /// What its answer may cost.
    owed: Cost,
}

impl Turn {
    /// A prompt has arrived. Without a decision hold the turn is refused before anything is encoded.
    pub fn open(now: Millis, opening: Opening, governor: &mut Governor) -> (Self, Vec<Step>) {
        let record = Box::new(empty_record(now, &opening));
        let mut turn = Self { opening, phase: Phase::Over, record, pending: None };
        let conversation = turn.opening.conversation;
        let known = governor.budgets.open_conversation(conversation, turn.opening.spent_before);
        let decision = governor.decision_cost();
        let held = known.and_then(|()| governor.budgets.reserve(now, &turn.account(), decision));
        let steps = match held {
            Ok(decision) => {
                let persist = turn.persist(governor, decision.id(), None);
                turn.phase = Phase::Observing { decision };
                persist.into_iter().chain([Step::Observe]).collect()
            }
            Err(short) => turn.refuse(now, &format!("decision:{}", Reason::from(short).name())),
        };
        (turn, steps)
    }

    /// Feeds one event; returns what the shell must do, in order. Once the turn is over nothing more is asked for.
    pub fn on(&mut self, now: Millis, event: Event, governor: &mut Governor) -> Vec<Step> {
        match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Over => Vec::new(),
            Phase::Observing { decision } => self.on_observing(now, event, decision, governor),
            Phase::Scoring(scoring) => self.on_scoring(now, event, scoring, governor),
            Phase::Cloud(wait) => self.on_cloud(now, event, wait, governor),
            Phase::Local(run) => self.on_local(now, event, run, governor),
        }
    }

    /// When [`Event::Tick`] is due if nothing happens before.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<Millis> {
        match &self.phase {
            Phase::Cloud(wait) => Some(if wait.look.get() < wait.deadline.get() { wait.look } else { wait.deadline }),
            Phase::Local(LocalRun { until, stopping: None, .. }) => Some(*until),
            Phase::Local(_) | Phase::Observing { .. } | Phase::Scoring(_) | Phase::Over => None,
        }
    }

    /// Whether the record is written.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// The record as far as it goes: from the decision on, where the answer is made and why.
    #[must_use]
    pub const fn record(&self) -> &TurnRecord {
        &self.record
    }

    fn settle(&mut self, now: Millis, hold: Hold, cost: Cost, governor: &mut Governor) {
        let id = hold.id();
        let settlement = governor.budgets.settle(now, hold, cost);
        self.record.cost = self.record.cost.plus(cost);
        self.record.settlements.push((id, settlement));
    }

    /// Whose budgets, and what this turn has used of them so far.
    fn account(&self) -> Account {
        let owed = self.pending.as_ref().map_or(Cost::ZERO, |pending| pending.owed);
        Account { conversation: self.opening.conversation, turn: self.record.cost.plus(owed) }
    }

    fn proposal<'a>(&self, candidates: &'a [Candidate], governor: &Governor) -> Proposal<'a> {
        let spare = governor.local_cost(self.opening.max_tokens);
        let least = governor.least_local();
        Proposal { account: self.account(), candidates, guard: governor.guard(), spare, least }
    }

    fn persist(&self, governor: &Governor, hold: HoldId, action: Option<Action>) -> Vec<Step> {
        let open = governor.budgets.open().iter().find(|open| open.id == hold);
        let step = open.map(|open| Step::Persist {
            hold: *open,
            turn: self.opening.id,
            action,
            prompt: self.opening.prompt.clone(),
        });
        step.into_iter().collect()
    }

    fn refuse(&mut self, now: Millis, reason: &str) -> Vec<Step> {
        self.record.reason =
            if self.record.reason.is_empty() { reason.to_string() } else { format!("{}+{reason}", self.record.reason) };
        self.record.placement = Placement::Refused;
        self.record.finish = Finish::Refused;
        self.close(now)
    }

    fn close(&mut self, now: Millis) -> Vec<Step> {
        self.phase = Phase::Over;
        self.record.ended = now;
        vec![Step::Close { record: self.record.clone() }]
    }

    const fn ends(&self) -> Millis {
        self.record.started.plus(self.opening.time)
    }

    const fn time_left(&self, now: Millis) -> Millis {
        self.ends().minus(now)
    }
}

fn empty_record(now: Millis, opening: &Opening) -> TurnRecord {
    TurnRecord {
        turn: opening.id,
        conversation: opening.conversation,
        conversation_name: opening.conversation_name.clone(),
        prompt: opening.prompt.clone(),
        started: now,
        ended: now,
        task: TaskKind::Unknown,
        task_mix: [0.0; 4],
        views: Vec::new(),
        candidates: Vec::new(),
        chosen: None,
        placement: Placement::Refused,
        node: String::new(),
        views_used: ViewSet::EMPTY,
        view_dropped: ViewSet::EMPTY,
        reason: String::new(),
        trouble: None,
        cost: Cost::ZERO,
        energy_source: EnergySource::Unknown,
        decision_energy: Joules::ZERO,
        phases: Vec::new(),
        settlements: Vec::new(),
        left_open: Vec::new(),
        answer: String::new(),
        action: None,
        finish: Finish::Refused,
        completion_tokens: None,
        fallback: None,
        late: None,
        feedback: Vec::new(),
    }
}
