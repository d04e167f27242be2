//! The state machine of one turn.

mod cloud;
mod deciding;
mod local;

use crate::event::{Event, Opening, Step};
use crate::governor::Governor;
use crate::record::{Finish, TurnRecord};
use crate::replay::{DIGEST_FIRST, digest};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use cloud::CloudWait;
use core::mem;
use deciding::Scoring;
use local::LocalRun;
use trimtab_core::budget::HoldId;
use trimtab_core::{Account, Action, Candidate, Cost, Hold, Millis, Placement, Proposal, Reason};

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
    /// Of all steps so far, where that is wanted.
    digest: u64,
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
        governor.begin(now, &opening);
        let mut record = TurnRecord::begun(opening.id, opening.conversation, opening.prompt.clone(), now);
        record.conversation_name.clone_from(&opening.conversation_name);
        let record = Box::new(record);
        let mut turn = Self { opening, phase: Phase::Over, record, pending: None, digest: DIGEST_FIRST };
        let conversation = turn.opening.conversation;
        let known = governor.budgets.open_conversation(conversation, turn.opening.spent_before);
        let decision = governor.decision_cost();
        let held = known.and_then(|()| governor.budgets.reserve(now, &turn.account(), decision));
        let steps = match held {
            Ok(decision) => {
                let mut steps = turn.persist(governor, decision.id(), None);
                let Cost { energy, latency, .. } = decision.cost().minus(governor.deciding_guard());
                let until = if governor.limits_latency() { now.plus(latency) } else { turn.ends() };
                steps.push(Step::Observe { until_energy: energy, until });
                turn.phase = Phase::Observing { decision };
                steps
            }
            Err(short) => turn.refuse(now, &format!("decision:{}", Reason::from(short).name())),
        };
        turn.asked(&steps, governor);
        (turn, steps)
    }

    /// Feeds one event; returns what the shell must do, in order. Once the turn is over nothing more is asked for.
    pub fn on(&mut self, now: Millis, event: Event, governor: &mut Governor) -> Vec<Step> {
        if self.is_over() {
            return Vec::new();
        }
        governor.journal.heard(self.opening.id, now, &event);
        let steps = match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Over => Vec::new(),
            Phase::Observing { decision } => self.on_observing(now, event, decision, governor),
            Phase::Scoring(scoring) => self.on_scoring(now, event, scoring, governor),
            Phase::Cloud(wait) => self.on_cloud(now, event, wait, governor),
            Phase::Local(run) => self.on_local(now, event, run, governor),
        };
        self.asked(&steps, governor);
        steps
    }

    /// Notes what is asked of the shell, so that a replay can tell whether it asks the same.
    fn asked(&mut self, steps: &[Step], governor: &mut Governor) {
        if governor.journal.digests() {
            self.digest = digest(self.digest, steps);
        }
        if self.is_over() {
            governor.journal.over(self.opening.id, self.digest);
        }
    }

    /// A digest of everything that was asked of the shell.
    pub(crate) const fn digest(&self) -> u64 {
        self.digest
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
