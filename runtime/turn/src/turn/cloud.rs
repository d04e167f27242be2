//! Waiting for the cloud, and what happens when it does not answer.

use super::local::LocalRun;
use super::{Phase, Turn};
use crate::event::{CloudAnswer, CloudRefusal, Event, Observation, Step};
use crate::governor::Governor;
use crate::record::{Fallback, Finish};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use trimtab_core::{Action, Candidate, Cost, Hold, Millis, Placement, Proposal};

/// How long an answer may still come after the broker is gone, before the local model steps in.
const LINK_GRACE: Millis = Millis::new(1000);

/// A bridge was asked.
#[derive(Debug)]
pub(super) struct CloudWait {
    pub(super) hold: Hold,
    pub(super) since: Millis,
    pub(super) deadline: Millis,
    pub(super) link_lost: bool,
    /// What the turn saw, for a second verdict.
    pub(super) around: Box<Observation>,
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
            Event::LedgerFailed { detail } => {
                self.settle(now, wait.hold, Cost::ZERO, governor);
                self.record.trouble = Some(detail);
                self.refuse(now, "ledger_failed")
            }
            Event::LinkDown => {
                (wait.deadline, wait.link_lost) = (wait.deadline.min(now.plus(LINK_GRACE)), true);
                self.phase = Phase::Cloud(wait);
                Vec::new()
            }
            Event::Tick if now >= wait.deadline => {
                // What the request will cost is not known yet, so its hold stays open.
                let hold = governor.budgets.leave_open(wait.hold);
                self.record.left_open.push(hold);
                self.pending = Some(hold);
                let cause = if wait.link_lost { "link" } else { "deadline" };
                self.fall_back(now, cause, &wait.around, governor)
            }
            _ => {
                self.phase = Phase::Cloud(wait);
                Vec::new()
            }
        }
    }

    fn answered(&mut self, now: Millis, answer: CloudAnswer, wait: CloudWait, governor: &mut Governor) -> Vec<Step> {
        let took = now.minus(wait.since);
        let cost = Cost { money: answer.money, bytes: answer.bytes_up, energy: answer.energy, latency: took };
        self.settle(now, wait.hold, cost, governor);
        governor.learn_cloud(&answer.node, took, answer.bytes_up, answer.completion_tokens);
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
        let quote = governor.quote(Action::LOCAL, self.opening.prompt.len() as u64, &[], self.opening.max_tokens);
        let candidates = [Candidate { action: Action::LOCAL, quote, score: 0.0 }];
        // The deadline left room for the quote; what it took to get here must not rule the last resort out.
        let time_left = self.time_left(now).max(quote.latency);
        let around = governor.surroundings(&observation.views, observation.memory_left, time_left);
        let proposal =
            Proposal { conversation: self.opening.conversation, candidates: &candidates, guard: governor.guard() };
        let shield = governor.shield;
        let mut steps = if self.record.answer.is_empty() { Vec::new() } else { vec![Step::Void] };
        self.record.answer.clear();
        match shield.review(now, &mut governor.budgets, &proposal, &around).0 {
            Ok(approved) => {
                let hold = approved.into_hold();
                steps.extend(self.persist(governor, &hold, Some(Action::LOCAL)));
                self.record.placement = Placement::Local;
                self.record.node = governor.node_name(Action::LOCAL.node).to_string();
                let (until_energy, until) = (hold.cost().energy.minus(governor.guard().energy), now.plus(time_left));
                steps.push(Step::Generate { until_energy, until, max_tokens: self.opening.max_tokens });
                self.phase =
                    Phase::Local(LocalRun { hold, since: now, until_energy, until, tokens: 0, stopping: None });
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
