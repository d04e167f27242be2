//! Waiting for the cloud as long as the hold lasts, and what happens when it does not answer.

use super::{Pending, Phase, Turn};
use crate::event::{CloudAnswer, CloudRefusal, Event, Observation, Step};
use crate::governor::{Expected, Governor};
use crate::record::{Fallback, Finish};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use trimtab_core::{Action, Candidate, Cost, Hold, Joules, Millis, Placement, Reason};

/// How long an answer may still come after the broker is gone, before the local model steps in.
const LINK_GRACE: Millis = Millis::new(1000);
/// For how much longer a hold is raised that does not last until the answer.
const RAISE: Millis = Millis::new(1000);

/// A bridge was asked.
#[derive(Debug)]
pub(super) struct CloudWait {
    pub(super) hold: Hold,
    pub(super) action: Action,
    pub(super) since: Millis,
    pub(super) deadline: Millis,
    /// When the hold could be used up: what the wait has taken is looked at then.
    pub(super) look: Millis,
    /// The hold did not last and was raised.
    pub(super) raised: bool,
    pub(super) link_lost: bool,
    pub(super) expected: Expected,
    /// What the turn saw, for a second verdict.
    pub(super) around: Box<Observation>,
}

impl CloudWait {
    /// When the hold could be used up at the earliest, the device drawing all it can from now on.
    pub(super) fn hold_lasts_until(&self, now: Millis, energy: Joules, governor: &Governor) -> Millis {
        let held = self.hold.cost().minus(governor.guard());
        let until = self.since.plus(held.latency);
        if !governor.meter().known {
            return until;
        }
        let left = held.energy.minus(energy);
        until.min(now.plus(governor.lasts(left)))
    }
}

impl Turn {
    pub(super) fn on_cloud(
        &mut self,
        now: Millis,
        event: Event,
        mut wait: CloudWait,
        governor: &mut Governor,
    ) -> Vec<Step> {
        match event {
            Event::CloudText { text } => {
                self.record.answer.push_str(&text);
                self.phase = Phase::Cloud(wait);
                vec![Step::Say { text }]
            }
            Event::CloudAnswered(answer) => self.answered(now, *answer, wait, governor),
            Event::CloudRefused(refusal) => {
                let CloudRefusal { reason, detail, money, bytes_up, energy } = *refusal;
                let cost = Cost { money, bytes: bytes_up, energy, latency: now.minus(wait.since) };
                self.settle(now, wait.hold, cost, governor);
                self.record.trouble = Some(detail);
                self.fall_back(now, &reason, &wait.around, governor)
            }
            Event::LedgerFailed { detail, energy } => {
                self.record.trouble = Some(detail);
                if wait.raised {
                    // The request is out.
                    return self.give_up(now, energy, "ledger_failed", wait, governor);
                }
                self.settle(now, wait.hold, Cost { energy, latency: now.minus(wait.since), ..Cost::ZERO }, governor);
                self.refuse(now, "ledger_failed")
            }
            Event::LinkDown => {
                (wait.deadline, wait.link_lost) = (wait.deadline.min(now.plus(LINK_GRACE)), true);
                self.phase = Phase::Cloud(wait);
                Vec::new()
            }
            Event::Tick { energy } if now >= wait.deadline => {
                let cause = if wait.link_lost { "link" } else { "deadline" };
                self.give_up(now, energy, cause, wait, governor)
            }
            Event::Tick { energy } => self.look(now, energy, wait, governor),
            _ => {
                self.phase = Phase::Cloud(wait);
                Vec::new()
            }
        }
    }

    /// Waits on while the hold covers it. A hold that does not last is raised where the budgets allow that and the local
    /// model could still step in; otherwise the wait ends.
    fn look(&mut self, now: Millis, energy: Joules, mut wait: CloudWait, governor: &mut Governor) -> Vec<Step> {
        let used = Cost { latency: now.minus(wait.since), energy, ..Cost::ZERO }.plus(governor.guard());
        let (held, meter) = (wait.hold.cost(), governor.meter());
        let slow = used.latency >= held.latency;
        let hungry = meter.known && used.energy >= held.energy;
        let mut steps = Vec::new();
        if slow || hungry {
            let over = used.minus(held);
            let extra = Cost {
                latency: if slow { over.latency.plus(RAISE) } else { Millis::ZERO },
                energy: if hungry { over.energy.plus(Joules::of(meter.waiting, RAISE)) } else { Joules::ZERO },
                ..Cost::ZERO
            };
            let spare = governor.local_cost(self.opening.max_tokens);
            if let Err(short) = governor.budgets.raise(now, &self.account(), &mut wait.hold, extra, spare) {
                return self.give_up(now, energy, Reason::from(short).name(), wait, governor);
            }
            wait.raised = true;
            steps = self.persist(governor, wait.hold.id(), Some(wait.action));
        }
        wait.look = wait.hold_lasts_until(now, energy, governor);
        self.phase = Phase::Cloud(wait);
        steps
    }

    /// The answer is not waited for any longer. What the request will cost is not known yet, so its hold stays open; what
    /// sending and waiting took is.
    fn give_up(
        &mut self,
        now: Millis,
        energy: Joules,
        cause: &str,
        wait: CloudWait,
        governor: &mut Governor,
    ) -> Vec<Step> {
        let waited = Cost { latency: now.minus(wait.since), energy, ..Cost::ZERO };
        if !wait.link_lost {
            governor.learn(wait.action, &wait.expected, &waited, true);
        }
        let Cost { money, bytes, .. } = wait.hold.cost();
        let owed = Cost { money, bytes, ..Cost::ZERO };
        let hold = governor.budgets.leave_open(now, wait.hold, waited.plus(owed));
        self.record.cost = self.record.cost.plus(waited);
        self.record.left_open.push(hold);
        self.pending = Some(Pending { hold, waited, owed });
        let mut steps = self.persist(governor, hold, Some(wait.action));
        steps.extend(self.fall_back(now, cause, &wait.around, governor));
        steps
    }

    fn answered(&mut self, now: Millis, answer: CloudAnswer, wait: CloudWait, governor: &mut Governor) -> Vec<Step> {
        let took = now.minus(wait.since);
        let cost = Cost { money: answer.money, bytes: answer.bytes_up, energy: answer.energy, latency: took };
        self.settle(now, wait.hold, cost, governor);
        governor.learn(wait.action, &wait.expected, &cost, false);
        governor.learn_tokens(&answer.node, answer.completion_tokens);
        let mut steps = Vec::new();
        match answer.text.strip_prefix(self.record.answer.as_str()) {
            Some("") => {}
            Some(rest) => steps.push(Step::Say { text: rest.to_string() }),
            None => steps.extend([Step::Void, Step::Say { text: answer.text.clone() }]),
        }
        self.record.node = answer.node;
        self.record.answer = answer.text;
        self.record.finish = answer.finish;
        self.record.completion_tokens = Some(answer.completion_tokens);
        steps.extend(self.close(now));
        steps
    }

    /// The local model steps in, if it may: a fresh verdict over the local candidate alone.
    fn fall_back(&mut self, now: Millis, cause: &str, observation: &Observation, governor: &mut Governor) -> Vec<Step> {
        self.record.fallback = Some(Fallback { cause: cause.to_string(), at: now });
        self.record.reason = format!("{}+fallback:{cause}", self.record.reason);
        let quote = governor.local_quote(self.opening.max_tokens);
        let candidates = [Candidate { action: Action::LOCAL, quote, score: 0.0 }];
        // The deadline left room for the quote; what it took to get here must not rule the last resort out.
        let time_left = self.time_left(now).max(quote.latency);
        let around = governor.surroundings(&observation.views, observation.memory_left, time_left);
        let proposal = self.proposal(&candidates, governor);
        let shield = governor.shield;
        let mut steps = if self.record.answer.is_empty() { Vec::new() } else { vec![Step::Void] };
        self.record.answer.clear();
        match shield.review(now, &mut governor.budgets, &proposal, &around).0 {
            Ok(approved) => {
                let hold = approved.into_hold();
                self.record.node = governor.node_name(Action::LOCAL.node).to_string();
                steps.extend(self.generate(now, hold, now, now.plus(time_left), governor));
            }
            Err(refusal) => {
                let why = refusal.best.map_or("no_candidate", |reason| reason.name());
                self.record.reason = format!("{}+{why}", self.record.reason);
                self.record.placement = Placement::Refused;
                self.record.finish = Finish::Lost;
                steps.extend(self.close(now));
            }
        }
        steps
    }
}
