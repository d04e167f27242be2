//! The state machine of one turn.

use crate::event::{CloudAnswer, CloudRefusal, Event, Observation, Opening, Step};
use crate::governor::Governor;
use crate::record::{Chosen, EnergySource, Fallback, Finish, Late, RecordedCandidate, RecordedView, TurnRecord};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use trimtab_core::budget::HoldId;
use trimtab_core::limits::CANDIDATES_MAX;
use trimtab_core::observation::{TurnContext, ViewFacts, association_gain, default_quality, row, utility};
use trimtab_core::{
    Action, Approved, Bytes, Candidate, Cost, Hold, Joules, Millis, Placement, Proposal, Reason, Resource, TaskKind,
    TaskMix, Usd, ViewSet,
};

/// How long an answer may still come after the broker is gone, before the local model steps in.
const LINK_GRACE: Millis = Millis::new(1000);

/// Where a turn stands. Each state carries what only it needs.
#[derive(Debug)]
enum Phase {
    /// Views and prompt are being encoded, under the decision hold.
    Observing { decision: Hold },
    /// The policy is scoring these candidates.
    Scoring { observation: Box<Observation>, candidates: Vec<Candidate> },
    /// A bridge was asked.
    Cloud { hold: Hold, since: Millis, deadline: Millis, link_lost: bool, around: Box<Observation> },
    /// The local engine is answering.
    Local { hold: Hold, since: Millis, until_energy: Joules, until: Millis, tokens: u32, stopping: Option<Finish> },
    /// The record is written.
    Over,
}

/// One turn.
#[derive(Debug)]
pub struct Turn {
    opening: Opening,
    phase: Phase,
    record: Box<TurnRecord>,
    /// The hold of a request whose answer may still come, with the node that was asked.
    pending: Option<(HoldId, String)>,
}

impl Turn {
    /// A prompt has arrived. Without a decision hold the turn is refused before anything is encoded.
    pub fn open(now: Millis, opening: Opening, governor: &mut Governor) -> (Self, Vec<Step>) {
        let record = Box::new(empty_record(now, &opening));
        let mut turn = Self { opening, phase: Phase::Over, record, pending: None };
        let conversation = turn.opening.conversation;
        let known = governor.budgets.open_conversation(conversation, turn.opening.spent_before);
        let held = known.and_then(|()| governor.budgets.reserve(now, conversation, governor.decision_cost()));
        let steps = match held {
            Ok(decision) => {
                let persist = turn.persist(governor, &decision, None);
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
            Phase::Scoring { observation, candidates } => {
                self.on_scoring(now, event, observation, candidates, governor)
            }
            Phase::Cloud { hold, since, deadline, link_lost, around } => {
                self.on_cloud(now, event, CloudWait { hold, since, deadline, link_lost, around }, governor)
            }
            Phase::Local { hold, since, until_energy, until, tokens, stopping } => {
                self.on_local(now, event, LocalRun { hold, since, until_energy, until, tokens, stopping }, governor)
            }
        }
    }

    /// When [`Event::Tick`] is due if nothing happens before.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<Millis> {
        match &self.phase {
            Phase::Cloud { deadline, .. } => Some(*deadline),
            Phase::Local { until, stopping: None, .. } => Some(*until),
            Phase::Local { .. } | Phase::Observing { .. } | Phase::Scoring { .. } | Phase::Over => None,
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

    fn on_observing(&mut self, now: Millis, event: Event, decision: Hold, governor: &mut Governor) -> Vec<Step> {
        match event {
            Event::Observed(observation) => {
                governor.learn_decision(observation.energy);
                self.settle_decision(now, decision, observation.energy, governor);
                self.record.energy_source = observation.energy_source.clone();
                self.propose(now, observation, governor)
            }
            Event::ObserveFailed { detail, energy } => {
                self.settle_decision(now, decision, energy, governor);
                self.record.trouble = Some(detail);
                self.refuse(now, "observe_failed")
            }
            Event::LedgerFailed { detail } => {
                self.settle_decision(now, decision, Joules::ZERO, governor);
                self.record.trouble = Some(detail);
                self.refuse(now, "ledger_failed")
            }
            _ => {
                self.phase = Phase::Observing { decision };
                Vec::new()
            }
        }
    }

    /// Lists every candidate with its quote, and asks for scores.
    fn propose(&mut self, now: Millis, observation: Box<Observation>, governor: &Governor) -> Vec<Step> {
        let views: Vec<ViewFacts> = view_facts(&observation);
        let conversation = self.opening.conversation;
        let time_left = self.time_left(now);
        let mut remaining = Resource::ALL.map(|resource| governor.budgets.remaining(resource, conversation));
        if let Some(last) = remaining.last_mut() {
            *last = last.min(time_left.share_of(self.opening.time));
        }
        let context = TurnContext {
            prompt: observation.prompt,
            tasks: observation.tasks,
            unknown: observation.unknown,
            turns_before: self.opening.turns_before,
            remaining,
            link: *governor.link(),
            memory_headroom: observation.memory_headroom,
            preference: *governor.preference(),
            views: &views,
        };
        let prompt_bytes = self.opening.prompt.len() as u64;
        let (mut rows, mut candidates) = (Vec::new(), Vec::new());
        for action in Action::all(governor.node_count(), views.len()).take(CANDIDATES_MAX) {
            if self.opening.only.is_some_and(|only| only != action) {
                continue;
            }
            let quote = governor.quote(action, prompt_bytes, &observation.views, self.opening.max_tokens);
            rows.push(row(&context, &governor.profile(action.node), action, &quote));
            candidates.push(Candidate { action, quote, score: 0.0 });
        }
        self.record.task_mix = observation.tasks;
        self.record.task = likeliest(&observation.tasks, observation.unknown);
        self.record.views = observation
            .views
            .iter()
            .map(|view| RecordedView {
                name: view.name.clone(),
                association: view.association,
                shows: view.shows,
                available: view.available,
            })
            .collect();
        self.phase = Phase::Scoring { observation, candidates };
        vec![Step::Score { rows }]
    }

    fn on_scoring(
        &mut self,
        now: Millis,
        event: Event,
        observation: Box<Observation>,
        mut candidates: Vec<Candidate>,
        governor: &mut Governor,
    ) -> Vec<Step> {
        let (scores, mut reason) = match event {
            Event::Scored(scores) if scores.len() == candidates.len() && !observation.unknown => {
                (Some(scores), String::from(if self.opening.only.is_some() { "only" } else { "best_score" }))
            }
            Event::Scored(_) if observation.unknown => (None, String::from("out_of_distribution")),
            Event::Scored(scores) => {
                self.record.trouble = Some(format!(
                    "policy gave {} scores for {} candidates: install another",
                    scores.len(),
                    candidates.len()
                ));
                (None, String::from("default_rule"))
            }
            Event::Unscored { why } => {
                self.record.trouble = Some(why);
                (None, String::from("default_rule"))
            }
            _ => {
                self.phase = Phase::Scoring { observation, candidates };
                return Vec::new();
            }
        };
        let qualities = match scores {
            Some(scores) => {
                for (candidate, (score, _)) in candidates.iter_mut().zip(&scores) {
                    candidate.score = *score;
                }
                scores.into_iter().map(|(_, quality)| quality).collect()
            }
            None => self.score_by_default(&observation, &mut candidates, governor),
        };
        let around = governor.surroundings(&observation.views, observation.memory_left, self.time_left(now));
        let proposal =
            Proposal { conversation: self.opening.conversation, candidates: &candidates, guard: governor.guard() };
        let shield = governor.shield;
        let (verdict, ruled_out) = shield.review(now, &mut governor.budgets, &proposal, &around);
        self.record.candidates = candidates
            .iter()
            .zip(qualities)
            .zip(ruled_out)
            .map(|((candidate, quality), ruled_out)| RecordedCandidate {
                node: governor.node_name(candidate.action.node).to_string(),
                views: candidate.action.views,
                quote: candidate.quote,
                score: candidate.score,
                quality,
                ruled_out,
            })
            .collect();
        match verdict {
            Ok(approved) => {
                if let Some(instead) = approved.instead() {
                    reason = if reason == "best_score" {
                        instead.name().to_string()
                    } else {
                        format!("{reason}+{}", instead.name())
                    };
                }
                self.record.reason = reason;
                self.record.view_dropped = approved.dropped();
                self.record.chosen = Some(Chosen {
                    candidate: approved.index(),
                    hold: approved.hold().id(),
                    reserved: approved.hold().cost(),
                });
                self.act(now, approved, observation, governor)
            }
            Err(refusal) => self.refuse(now, refusal.best.map_or("no_candidate", |reason| reason.name())),
        }
    }

    /// The documented rule for a device without a policy and for prompts unlike everything seen in training.
    fn score_by_default(
        &self,
        observation: &Observation,
        candidates: &mut [Candidate],
        governor: &Governor,
    ) -> Vec<Option<f32>> {
        let views = view_facts(observation);
        let score = |candidate: &mut Candidate| {
            let Action { node, views: set } = candidate.action;
            let quality = default_quality(&views, &governor.profile(node), set);
            candidate.score = utility(governor.preference(), quality, association_gain(&views, set), &candidate.quote);
            None
        };
        candidates.iter_mut().map(score).collect()
    }

    /// Begins what the shield approved, under its hold.
    fn act(
        &mut self,
        now: Millis,
        approved: Approved,
        observation: Box<Observation>,
        governor: &Governor,
    ) -> Vec<Step> {
        let (action, quote) = (approved.action(), approved.quote());
        let hold = approved.into_hold();
        let mut steps = self.persist(governor, &hold, Some(action));
        self.record.node = governor.node_name(action.node).to_string();
        if action.node.is_local() {
            self.record.placement = Placement::Local;
            let (until_energy, until) = (hold.cost().energy.minus(governor.guard().energy), self.ends());
            steps.push(Step::Generate { until_energy, until, max_tokens: self.opening.max_tokens });
            self.phase = Phase::Local { hold, since: now, until_energy, until, tokens: 0, stopping: None };
        } else {
            self.record.placement = Placement::Cloud;
            self.record.views_used = action.views;
            let deadline = self.cloud_deadline(now, governor);
            steps.push(Step::Offload {
                node: self.record.node.clone(),
                views: action.views.iter().collect(),
                max_cost: quote.money,
                deadline,
                max_tokens: self.opening.max_tokens,
                hold: hold.id(),
            });
            self.phase = Phase::Cloud { hold, since: now, deadline, link_lost: false, around: observation };
        }
        steps
    }

    fn on_cloud(&mut self, now: Millis, event: Event, mut wait: CloudWait, governor: &mut Governor) -> Vec<Step> {
        match event {
            Event::CloudText { text } => {
                self.record.answer.push_str(&text);
                self.phase = wait.into();
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
                self.phase = wait.into();
                Vec::new()
            }
            Event::Tick if now >= wait.deadline => {
                // What the request will cost is not known yet, so its hold stays open.
                let hold = governor.budgets.leave_open(wait.hold);
                self.record.left_open.push(hold);
                self.pending = Some((hold, self.record.node.clone()));
                let cause = if wait.link_lost { "link" } else { "deadline" };
                self.fall_back(now, cause, &wait.around, governor)
            }
            _ => {
                self.phase = wait.into();
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
                self.phase = Phase::Local { hold, since: now, until_energy, until, tokens: 0, stopping: None };
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

    fn on_local(&mut self, now: Millis, event: Event, mut run: LocalRun, governor: &mut Governor) -> Vec<Step> {
        match event {
            Event::LocalToken { text, energy } => {
                run.tokens = run.tokens.saturating_add(1);
                self.record.answer.push_str(&text);
                let mut steps = vec![Step::Say { text }];
                if run.stopping.is_none() && energy >= run.until_energy {
                    run.stopping = Some(Finish::EnergyCut);
                    steps.push(Step::StopGenerating);
                }
                self.phase = run.into();
                steps
            }
            Event::Tick if run.stopping.is_none() && now >= run.until => {
                run.stopping = Some(Finish::TimeCut);
                self.phase = run.into();
                vec![Step::StopGenerating]
            }
            Event::LocalDone { finish, energy } => {
                let took = now.minus(run.since);
                self.settle(now, run.hold, Cost { energy, latency: took, ..Cost::ZERO }, governor);
                self.record.finish = run.stopping.unwrap_or(finish);
                self.record.completion_tokens = Some(run.tokens);
                if self.record.finish == Finish::Stop {
                    governor.learn_local(took, run.tokens);
                }
                self.close(now)
            }
            Event::LocalFailed { detail, energy } => {
                self.settle(now, run.hold, Cost { energy, latency: now.minus(run.since), ..Cost::ZERO }, governor);
                self.record.trouble = Some(detail);
                self.refuse(now, "local_failed")
            }
            Event::LedgerFailed { detail } => {
                self.settle(now, run.hold, Cost::ZERO, governor);
                self.record.trouble = Some(detail);
                self.refuse(now, "ledger_failed")
            }
            Event::CloudAnswered(answer) => {
                self.too_late(now, *answer, governor);
                self.phase = run.into();
                Vec::new()
            }
            _ => {
                self.phase = run.into();
                Vec::new()
            }
        }
    }

    /// The cloud's answer came while the local model was already stepping in.
    fn too_late(&mut self, now: Millis, answer: CloudAnswer, governor: &mut Governor) {
        let Some((hold, _)) = self.pending.take() else {
            return;
        };
        let cost = Cost { money: answer.money, bytes: answer.bytes_up, energy: answer.energy, latency: Millis::ZERO };
        let settlement = governor.budgets.settle_late(now, hold, cost);
        if let Some(settlement) = settlement {
            self.record.settlements.push((hold, settlement));
            self.record.left_open.retain(|open| *open != hold);
            self.record.cost = self.record.cost.plus(cost);
        }
        self.record.late = Some(Late { at: now, node: answer.node, cost, settled: settlement.is_some() });
    }

    fn settle_decision(&mut self, now: Millis, decision: Hold, energy: Joules, governor: &mut Governor) {
        self.record.decision_energy = energy;
        let latency = now.minus(self.record.started);
        self.settle(now, decision, Cost { energy, latency, money: Usd::ZERO, bytes: Bytes::ZERO }, governor);
    }

    fn settle(&mut self, now: Millis, hold: Hold, cost: Cost, governor: &mut Governor) {
        let id = hold.id();
        let settlement = governor.budgets.settle(now, hold, cost);
        self.record.cost = self.record.cost.plus(cost);
        self.record.settlements.push((id, settlement));
    }

    fn persist(&self, governor: &Governor, hold: &Hold, action: Option<Action>) -> Vec<Step> {
        let open = governor.budgets.open().iter().find(|open| open.id == hold.id());
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

    /// Late enough for the cloud to answer, early enough for the local model to step in.
    fn cloud_deadline(&self, now: Millis, governor: &Governor) -> Millis {
        let reserve = governor.local().map_or(Millis::ZERO, |local| local.quote(self.opening.max_tokens).latency);
        self.ends().minus(reserve).max(now)
    }
}

struct CloudWait {
    hold: Hold,
    since: Millis,
    deadline: Millis,
    link_lost: bool,
    around: Box<Observation>,
}

impl From<CloudWait> for Phase {
    fn from(wait: CloudWait) -> Self {
        let CloudWait { hold, since, deadline, link_lost, around } = wait;
        Self::Cloud { hold, since, deadline, link_lost, around }
    }
}

struct LocalRun {
    hold: Hold,
    since: Millis,
    until_energy: Joules,
    until: Millis,
    tokens: u32,
    stopping: Option<Finish>,
}

impl From<LocalRun> for Phase {
    fn from(run: LocalRun) -> Self {
        let LocalRun { hold, since, until_energy, until, tokens, stopping } = run;
        Self::Local { hold, since, until_energy, until, tokens, stopping }
    }
}

fn view_facts(observation: &Observation) -> Vec<ViewFacts> {
    let facts = |view: &crate::event::SeenView| ViewFacts {
        association: view.association,
        shows: view.shows,
        available: view.available,
    };
    observation.views.iter().take(trimtab_core::limits::VIEWS_MAX).map(facts).collect()
}

fn likeliest(tasks: &TaskMix, unknown: bool) -> TaskKind {
    if unknown {
        return TaskKind::Unknown;
    }
    let best = TaskKind::KNOWN.into_iter().zip(tasks).reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(TaskKind::Unknown, |(kind, _)| kind)
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
        settlements: Vec::new(),
        left_open: Vec::new(),
        answer: String::new(),
        finish: Finish::Refused,
        completion_tokens: None,
        fallback: None,
        late: None,
        feedback: Vec::new(),
    }
}
