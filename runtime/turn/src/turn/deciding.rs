//! Deciding: list the candidates, have them scored, let the shield choose, begin.

use super::cloud::CloudWait;
use super::{Phase, Turn};
use crate::event::{Event, Observation, SeenView, Step};
use crate::governor::Governor;
use crate::record::{Chosen, RecordedCandidate, RecordedView};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use trimtab_core::limits::{CANDIDATES_MAX, VIEWS_MAX};
use trimtab_core::observation::{TurnContext, ViewFacts, association_gain, default_quality, row, utility};
use trimtab_core::{
    Action, Approved, Bytes, Candidate, Cost, Hold, Joules, Millis, Placement, Resource, TaskKind, TaskMix, Usd,
};

/// The policy is scoring these candidates.
#[derive(Debug)]
pub(super) struct Scoring {
    /// When the views were encoded: the action's hold pays from here on.
    since: Millis,
    observation: Box<Observation>,
    candidates: Vec<Candidate>,
}

impl Turn {
    pub(super) fn on_observing(
        &mut self,
        now: Millis,
        event: Event,
        decision: Hold,
        governor: &mut Governor,
    ) -> Vec<Step> {
        match event {
            Event::Observed(observation) => {
                governor.learn_decision(observation.energy, now.minus(self.record.started));
                self.settle_decision(now, decision, observation.energy, governor);
                self.record.energy_source = observation.energy_source.clone();
                self.propose(now, observation, governor)
            }
            Event::ObserveFailed { detail, energy } => {
                self.settle_decision(now, decision, energy, governor);
                self.record.trouble = Some(detail);
                self.refuse(now, "observe_failed")
            }
            Event::LedgerFailed { detail, energy } => {
                self.settle_decision(now, decision, energy, governor);
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
        let account = self.account();
        let time_left = self.time_left(now);
        let mut remaining = Resource::ALL.map(|resource| governor.budgets.remaining(resource, &account));
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
        let prompt_bytes = self.prompt_bytes();
        let (mut rows, mut candidates) = (Vec::new(), Vec::new());
        for action in Action::all(governor.node_count(), views.len()).take(CANDIDATES_MAX) {
            if !self.opening.only.is_empty() && !self.opening.only.contains(&action) {
                continue;
            }
            let quote = governor.quote(action, prompt_bytes, &observation.views, self.opening.max_tokens);
            rows.push(row(&context, &governor.profile(action.node), action, &quote));
            candidates.push(Candidate { action, quote, score: 0.0 });
        }
        self.record.task_mix = observation.tasks.map(told);
        self.record.task = likeliest(&observation.tasks, observation.unknown);
        self.record.views = observation
            .views
            .iter()
            .map(|view| RecordedView {
                name: view.name.clone(),
                association: told(view.association),
                shows: told(view.shows),
                available: view.available,
            })
            .collect();
        self.phase = Phase::Scoring(Scoring { since: now, observation, candidates });
        vec![Step::Score { rows }]
    }

    pub(super) fn on_scoring(
        &mut self,
        now: Millis,
        event: Event,
        scoring: Scoring,
        governor: &mut Governor,
    ) -> Vec<Step> {
        let Scoring { since, observation, mut candidates } = scoring;
        let (scores, mut reason) = match event {
            Event::Scored(scores) if scores.len() == candidates.len() && !observation.unknown => {
                (Some(scores), String::from("best_score"))
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
                self.phase = Phase::Scoring(Scoring { since, observation, candidates });
                return Vec::new();
            }
        };
        let qualities = match scores {
            Some(scores) => {
                for (candidate, (score, _)) in candidates.iter_mut().zip(&scores) {
                    candidate.score = ranked(*score);
                }
                scores.into_iter().map(|(_, quality)| quality.filter(|quality| quality.is_finite())).collect()
            }
            None => self.score_by_default(&observation, &mut candidates, governor),
        };
        let mut shield = governor.shield;
        if !self.opening.only.is_empty() {
            self.rank_as_asked(&mut candidates);
            reason = String::from("only");
            // What was asked for is run as it was asked for, idle views and all.
            shield.view_threshold = 0.0;
        }
        let around = governor.surroundings(&observation.views, observation.memory_left, self.time_left(now));
        let proposal = self.proposal(&candidates, governor);
        let (verdict, ruled_out) = shield.review(now, &mut governor.budgets, &proposal, &around);
        self.record.candidates = candidates
            .iter()
            .zip(qualities)
            .zip(ruled_out)
            .map(|((candidate, quality), ruled_out)| RecordedCandidate {
                node: governor.node_name(candidate.action.node).to_string(),
                views: candidate.action.views,
                quote: candidate.quote,
                seen: governor.seen(candidate.action),
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
                self.act(now, since, approved, observation, governor)
            }
            Err(refusal) => self.refuse(now, refusal.best.map_or("no_candidate", |reason| reason.name())),
        }
    }

    /// Scores that put the candidates in the order in which they were asked for.
    fn rank_as_asked(&self, candidates: &mut [Candidate]) {
        for candidate in candidates {
            let place = self.opening.only.iter().position(|action| *action == candidate.action);
            candidate.score = -(place.unwrap_or(self.opening.only.len()) as f32);
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

    /// Begins what the shield approved, under its hold, which also pays for the time since the views were encoded.
    fn act(
        &mut self,
        now: Millis,
        since: Millis,
        approved: Approved,
        observation: Box<Observation>,
        governor: &mut Governor,
    ) -> Vec<Step> {
        let (action, quote) = (approved.action(), approved.quote());
        let hold = approved.into_hold();
        self.record.node = governor.node_name(action.node).to_string();
        if action.node.is_local() {
            return self.generate(now, hold, since, self.ends(), governor);
        }
        let mut steps = self.persist(governor, hold.id(), Some(action));
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
        let expected = governor.expected(action, self.prompt_bytes(), &observation.views, self.opening.max_tokens);
        let mut wait = CloudWait {
            expected,
            hold,
            action,
            since,
            deadline,
            look: now,
            raised: false,
            link_lost: false,
            around: observation,
        };
        // What scoring has taken is not told before the first look.
        wait.look = wait.hold_lasts_until(now, governor.drawn(now.minus(since)), governor);
        self.phase = Phase::Cloud(wait);
        steps
    }

    fn settle_decision(&mut self, now: Millis, decision: Hold, energy: Joules, governor: &mut Governor) {
        self.record.decision_energy = energy;
        let latency = now.minus(self.record.started);
        self.settle(now, decision, Cost { energy, latency, money: Usd::ZERO, bytes: Bytes::ZERO }, governor);
    }

    const fn prompt_bytes(&self) -> u64 {
        (self.opening.prompt.len() as u64).saturating_add(self.opening.context_bytes)
    }

    /// Late enough for the cloud to answer, early enough for the local model to step in.
    fn cloud_deadline(&self, now: Millis, governor: &Governor) -> Millis {
        let reserve = governor.local_quote(self.opening.max_tokens).latency;
        self.ends().minus(reserve).max(now)
    }
}

/// A score that a record can tell: what is no number ranks last.
const fn ranked(score: f32) -> f32 {
    if score.is_nan() { f32::MIN } else { score.clamp(f32::MIN, f32::MAX) }
}

/// What a record tells of a figure that may be no number.
const fn told(figure: f32) -> f32 {
    if figure.is_finite() { figure } else { 0.0 }
}

fn view_facts(observation: &Observation) -> Vec<ViewFacts> {
    let facts =
        |view: &SeenView| ViewFacts { association: view.association, shows: view.shows, available: view.available };
    observation.views.iter().take(VIEWS_MAX).map(facts).collect()
}

fn likeliest(tasks: &TaskMix, unknown: bool) -> TaskKind {
    if unknown {
        return TaskKind::Unknown;
    }
    let best = TaskKind::KNOWN.into_iter().zip(tasks).reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(TaskKind::Unknown, |(kind, _)| kind)
}
