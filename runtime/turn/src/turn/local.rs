//! Answering on the device, within the hold.

use super::{Pending, Phase, Turn};
use crate::event::{CloudAnswer, Event, Step};
use crate::governor::{Expected, Governor};
use crate::record::{Finish, Late};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use trimtab_core::{Action, Bytes, Cost, Hold, Joules, Millis, Placement, Usd};

/// The local engine is answering.
#[derive(Debug)]
pub(super) struct LocalRun {
    pub(super) hold: Hold,
    pub(super) since: Millis,
    pub(super) until_energy: Joules,
    pub(super) until: Millis,
    pub(super) tokens: u32,
    pub(super) expected: Expected,
    /// It was told to stop, for this reason.
    pub(super) stopping: Option<Finish>,
}

impl Turn {
    pub(super) fn on_local(
        &mut self,
        now: Millis,
        event: Event,
        mut run: LocalRun,
        governor: &mut Governor,
    ) -> Vec<Step> {
        match event {
            Event::LocalToken { text, energy } => {
                run.tokens = run.tokens.saturating_add(1);
                self.record.answer.push_str(&text);
                let mut steps = vec![Step::Say { text }];
                if run.stopping.is_none() && energy >= run.until_energy {
                    run.stopping = Some(Finish::EnergyCut);
                    steps.push(Step::StopGenerating);
                }
                self.phase = Phase::Local(run);
                steps
            }
            Event::Tick { .. } if run.stopping.is_none() && now >= run.until => {
                run.stopping = Some(Finish::TimeCut);
                self.phase = Phase::Local(run);
                vec![Step::StopGenerating]
            }
            Event::LocalDone { finish, action, energy } => {
                let cost = Cost { energy, latency: now.minus(run.since), ..Cost::ZERO };
                self.settle(now, run.hold, cost, governor);
                self.record.finish = run.stopping.unwrap_or(finish);
                // Of an answer that was cut nothing is done.
                self.record.action = action.filter(|_| self.record.finish == Finish::Stop);
                self.record.completion_tokens = Some(run.tokens);
                let whole = matches!(self.record.finish, Finish::Stop | Finish::Length);
                governor.learn(Action::LOCAL, &run.expected, &cost, !whole);
                governor.learn_speed(run.tokens, &cost);
                self.close(now)
            }
            Event::LocalFailed { detail, energy } => {
                self.settle(now, run.hold, Cost { energy, latency: now.minus(run.since), ..Cost::ZERO }, governor);
                self.record.trouble = Some(detail);
                self.refuse(now, "local_failed")
            }
            Event::LedgerFailed { detail, energy } => {
                self.settle(now, run.hold, Cost { energy, latency: now.minus(run.since), ..Cost::ZERO }, governor);
                self.record.trouble = Some(detail);
                self.refuse(now, "ledger_failed")
            }
            Event::CloudAnswered(answer) => {
                let CloudAnswer { node, money, bytes_up, .. } = *answer;
                self.too_late(now, node, money, bytes_up, governor);
                self.phase = Phase::Local(run);
                Vec::new()
            }
            Event::CloudRefused(refusal) => {
                self.too_late(now, String::new(), refusal.money, refusal.bytes_up, governor);
                self.phase = Phase::Local(run);
                Vec::new()
            }
            _ => {
                self.phase = Phase::Local(run);
                Vec::new()
            }
        }
    }

    /// Begins a local answer, which ends with the hold at the latest, and at `until`. Nobody knows how long the answer
    /// will be, so the hold takes what the longest one needs, as far as the budgets allow.
    pub(super) fn generate(
        &mut self,
        now: Millis,
        mut hold: Hold,
        since: Millis,
        until: Millis,
        governor: &mut Governor,
    ) -> Vec<Step> {
        self.record.placement = Placement::Local;
        let account = self.account();
        let room = governor.budgets.room(&account.with(&hold));
        let extra = governor.longest_local(self.opening.max_tokens).minus(hold.cost()).at_most(room);
        // There is room for as much, so this does not fail.
        let _ = governor.budgets.raise(now, &account, &mut hold, extra, Cost::ZERO);
        let Cost { energy: until_energy, latency, .. } = hold.cost().minus(governor.guard());
        let until = if governor.limits_latency() { until.min(since.plus(latency)) } else { until };
        let mut steps = self.persist(governor, hold.id(), Some(Action::LOCAL));
        steps.push(Step::Generate { until_energy, until, max_tokens: self.opening.max_tokens });
        let expected = governor.expected(Action::LOCAL, 0, &[], self.opening.max_tokens);
        self.phase = Phase::Local(LocalRun { hold, since, until_energy, until, tokens: 0, expected, stopping: None });
        steps
    }

    /// The cloud's answer, or its refusal, came while the local model was already stepping in.
    fn too_late(&mut self, now: Millis, node: String, money: Usd, bytes: Bytes, governor: &mut Governor) {
        let Some(Pending { hold, waited, .. }) = self.pending.take() else {
            return;
        };
        let owed = Cost { money, bytes, ..Cost::ZERO };
        let cost = waited.plus(owed);
        let settlement = governor.budgets.settle_late(now, hold, cost);
        if let Some(settlement) = settlement {
            self.record.settlements.push((hold, settlement));
            self.record.left_open.retain(|open| *open != hold);
            self.record.cost = self.record.cost.plus(owed);
        }
        self.record.late = Some(Late { at: now, node, cost, settled: settlement.is_some() });
    }
}
