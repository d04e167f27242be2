//! Carries out the steps of one turn, strictly in order, and feeds back what happens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use trimtab_core::budget::HoldId;
use trimtab_core::observation::TRIMTAB1_WIDTH;
use trimtab_core::{Action, ConversationId, Cost, Joules, Millis, TurnId};
use trimtab_mqtt::LinkState;
use trimtab_turn::{
    CloudAnswer, CloudRefusal, EnergyPhase, Event, Finish, Opening, PhaseEnergy, Step, Turn, TurnRecord,
};
use trimtab_wire::Message;
use trimtab_wire::limits::{CONTEXT_BYTES_MAX, MESSAGES_MAX};
use trimtab_wire::price::MESSAGE_TOKENS_MAX;

use super::ask::{Ask, Decided, News};
use super::energy::Span;
use super::generate::{Generation, generate};
use super::observe::Sight;
use super::{Inner, lock};
use crate::offload::{Asked, Heard, LateAnswer};

/// Events that wait for a turn: tokens of both engines.
const EVENTS_MAX: usize = 256;
/// A turn that its own clock does not wake is looked at this often, so that a clock that leaps is noticed.
const LOOK_EVERY: Millis = Millis::new(250);

/// How long a reader that does not keep up may hold a turn; after that it misses what it does not take.
const READER_WAIT: Duration = Duration::from_secs(2);

/// A request that was sent in this turn.
struct CloudLeg {
    hold: HoldId,
    /// What the meter read when it began.
    began: Joules,
}

struct TurnShell<'a> {
    inner: &'a Arc<Inner>,
    turn: TurnId,
    conversation: ConversationId,
    ask: &'a Ask,
    /// What a bridge gets with the prompt.
    context: Vec<Message>,
    news: mpsc::Sender<News>,
    /// Text that a slow reader has not taken yet.
    unsaid: String,
    events: mpsc::Sender<Event>,
    heard: mpsc::Sender<Heard>,
    sight: Option<Sight>,
    leg: Option<CloudLeg>,
    /// The phase that is going on, and its energy.
    phase: Option<(EnergyPhase, Span<'a>)>,
    /// What the phases before it took.
    phases: Vec<PhaseEnergy>,
    stop: Arc<AtomicBool>,
    decided: Option<Decided>,
    record: Option<Box<TurnRecord>>,
}

/// Bytes that one message takes beyond its text: its role and lengths in the packet, and what a chat template adds, a
/// token counted as a byte.
const MESSAGE_FRAME_BYTES: u64 = MESSAGE_TOKENS_MAX + 16;

fn context_cost(message: &Message) -> u64 {
    message.text.len() as u64 + MESSAGE_FRAME_BYTES
}

/// The newest messages that fit the contract, oldest first.
fn context(messages: &[Message]) -> Vec<Message> {
    let mut left = CONTEXT_BYTES_MAX;
    let fits = |message: &&Message| {
        let fits = message.text.len() <= left;
        left = left.saturating_sub(message.text.len());
        fits
    };
    let said = messages.iter().filter(|message| !message.text.is_empty());
    let mut kept: Vec<Message> = said.rev().take(MESSAGES_MAX).take_while(fits).cloned().collect();
    kept.reverse();
    kept
}

/// How a step went.
enum Done {
    /// On with the batch.
    On,
    /// On with the batch, and this happened.
    Then(Event),
    /// The rest of the batch is dropped; this happened.
    Failed(Event),
}

/// Runs one turn to its record.
pub(super) async fn run(inner: &Arc<Inner>, id: TurnId, ask: Ask, news: mpsc::Sender<News>) {
    let conversation = ConversationId::of(&ask.conversation);
    let now = inner.clock.now();
    let past = inner.ledger.with(move |store| store.past(conversation, now)).await;
    // What a conversation has spent cannot be guessed: without the ledger it counts as everything, and the turn's first hold
    // says what is wrong with the file.
    let (turns, spent_before) = match past {
        Ok(past) => (u16::try_from(past.turns).unwrap_or(u16::MAX), past.spent),
        Err(fault) => {
            tracing::error!(fault = %crate::fault_text(&fault), "a conversation's past cannot be read");
            (0, Cost::MAX)
        }
    };
    let context = context(&ask.context);
    let opening = Opening {
        id,
        context_bytes: context.iter().map(context_cost).sum(),
        conversation,
        conversation_name: ask.conversation.clone(),
        prompt: ask.prompt.clone(),
        turns_before: ask.turns_before.unwrap_or(0).max(turns),
        time: ask.time.unwrap_or(inner.config.turn.time),
        max_tokens: ask.max_tokens.unwrap_or(inner.config.turn.max_tokens),
        only: ask.only.clone(),
        spent_before,
    };
    let (events, mut happened) = mpsc::channel(EVENTS_MAX);
    let (heard, mut hear) = mpsc::channel(EVENTS_MAX);
    let mut shell = TurnShell {
        inner,
        turn: id,
        conversation,
        ask: &ask,
        context,
        news,
        unsaid: String::new(),
        events,
        heard,
        sight: None,
        leg: None,
        phase: None,
        phases: Vec::new(),
        stop: Arc::new(AtomicBool::new(false)),
        decided: None,
        record: None,
    };
    let (mut turn, steps) = Turn::open(inner.clock.now(), opening, &mut lock(&inner.governor));
    let mut queue = VecDeque::new();
    shell.carry_out(steps, &turn, &mut queue).await;
    let mut link = inner.link_watch();
    while !turn.is_over() {
        let event = match queue.pop_front() {
            Some(event) => event,
            None => {
                let wait = turn.next_deadline().map_or(LOOK_EVERY, |at| at.minus(inner.clock.now()).min(LOOK_EVERY));
                tokio::select! {
                    Some(event) = happened.recv() => event,
                    Some(heard) = hear.recv() => shell.translate(heard),
                    state = link.changed() => {
                        if state.is_err() {
                            link = inner.never();
                        }
                        let down = !link.borrow_and_update().is_up();
                        if down { Event::LinkDown } else { continue }
                    }
                    () = tokio::time::sleep(wait.duration()) => Event::Tick { energy: shell.cloud_energy() },
                }
            }
        };
        let now = inner.clock.now();
        // A deadline that has passed is told before whatever else happened.
        let overdue = !matches!(event, Event::Tick { .. }) && turn.next_deadline().is_some_and(|at| at <= now);
        if overdue {
            let tick = Event::Tick { energy: shell.cloud_energy() };
            let steps = turn.on(now, tick, &mut lock(&inner.governor));
            shell.carry_out(steps, &turn, &mut queue).await;
        }
        let steps = turn.on(now, event, &mut lock(&inner.governor));
        shell.carry_out(steps, &turn, &mut queue).await;
    }
    // What was said after the last word of the turn is late.
    hear.close();
    while let Some(heard) = hear.recv().await {
        shell.too_late(heard).await;
    }
    shell.finish().await;
}

impl TurnShell<'_> {
    async fn carry_out(&mut self, steps: Vec<Step>, turn: &Turn, queue: &mut VecDeque<Event>) {
        for step in steps {
            match self.execute(step, turn).await {
                Done::On => {}
                Done::Then(event) => queue.push_back(event),
                Done::Failed(event) => {
                    queue.push_front(event);
                    return;
                }
            }
        }
    }

    async fn execute(&mut self, step: Step, turn: &Turn) -> Done {
        match step {
            Step::Persist { hold, turn, action, prompt } => {
                let kept = self.inner.ledger.with(move |store| store.persist_hold(&hold, turn, action, &prompt)).await;
                match kept {
                    Ok(()) => Done::On,
                    Err(fault) => Done::Failed(Event::LedgerFailed { detail: crate::fault_text(&fault) }),
                }
            }
            Step::Observe => Done::Then(self.observe().await),
            Step::Score { rows } => Done::Then(self.score(rows).await),
            Step::Offload { node, views, max_cost, deadline, max_tokens, hold } => {
                self.tell_decision(turn).await;
                self.begin(EnergyPhase::Offload);
                self.leg = Some(CloudLeg { hold, began: self.inner.energy.now() });
                let Some(offload) = self.inner.offload() else {
                    let detail = "no broker is configured: set [mqtt] host".to_owned();
                    return Done::Failed(self.refusal("link_down", detail));
                };
                let uploads = self.sight.as_ref().map(|sight| sight.uploads(&views)).unwrap_or_default();
                if uploads.len() != views.len() {
                    let detail =
                        "a view that was chosen may not be uploaded: check the camera's upload setting".to_owned();
                    return Done::Failed(self.refusal("view_missing", detail));
                }
                let reserved = lock(&self.inner.governor)
                    .budgets()
                    .open()
                    .iter()
                    .find(|open| open.id == hold)
                    .map(|open| open.cost);
                let asked = Asked {
                    turn: self.turn,
                    hold,
                    conversation: self.conversation,
                    node,
                    prompt: self.ask.prompt.clone(),
                    context: self.context.clone(),
                    views: uploads,
                    max_tokens,
                    max_cost,
                    max_bytes: reserved.unwrap_or_default().bytes,
                    deadline,
                    clock: Arc::clone(&self.inner.clock),
                };
                offload.ask(asked, self.heard.clone());
                Done::On
            }
            Step::Generate { until_energy, until, max_tokens } => {
                self.tell_decision(turn).await;
                self.begin(EnergyPhase::Generate);
                self.generate(until_energy, until, max_tokens)
            }
            Step::StopGenerating => {
                self.stop.store(true, Ordering::Relaxed);
                Done::On
            }
            Step::Say { text } => {
                self.unsaid.push_str(&text);
                self.say_what_fits();
                Done::On
            }
            Step::Void => {
                // What was not said yet is not said any more.
                self.unsaid.clear();
                self.tell(News::Void).await;
                Done::On
            }
            Step::Close { record } => {
                self.close(record).await;
                Done::On
            }
        }
    }

    /// The phase before it is over, and this one begins.
    fn begin(&mut self, phase: EnergyPhase) {
        self.end();
        self.phase = Some((phase, self.inner.energy.span()));
    }

    fn end(&mut self) {
        if let Some((phase, span)) = self.phase.take() {
            let took = span.close();
            self.phases.push(PhaseEnergy { phase, total: took.total, above_idle: took.above_idle });
        }
    }

    async fn observe(&mut self) -> Event {
        let inner = Arc::clone(self.inner);
        let prompt = self.ask.prompt.clone();
        self.begin(EnergyPhase::Encode);
        let before = self.inner.energy.now();
        let seen = tokio::task::spawn_blocking(move || inner.eyes.look(&inner, &prompt)).await;
        self.end();
        match seen {
            Ok(Ok((sight, observation))) => {
                self.sight = Some(sight);
                let mut observation = observation;
                observation.energy = self.inner.energy.now().minus(before);
                Event::Observed(Box::new(observation))
            }
            Ok(Err(detail)) => Event::ObserveFailed { detail, energy: self.inner.energy.now().minus(before) },
            Err(fault) => {
                let detail = format!("encoding broke off ({fault}); please report this");
                Event::ObserveFailed { detail, energy: self.inner.energy.now().minus(before) }
            }
        }
    }

    async fn score(&self, rows: Vec<[f32; TRIMTAB1_WIDTH]>) -> Event {
        let views = self.sight.as_ref().map_or(0, Sight::len);
        let actions: Vec<(Action, String)> = {
            let governor = lock(&self.inner.governor);
            let name = |action: &Action| match action.node.get().checked_sub(1) {
                None => "local".to_owned(),
                Some(index) => governor.nodes().get(index).map(|node| node.name.clone()).unwrap_or_default(),
            };
            Action::all(governor.nodes().len() + 1, views)
                .filter(|action| self.ask.only.is_empty() || self.ask.only.contains(action))
                .map(|action| (action, name(&action)))
                .take(rows.len())
                .collect()
        };
        let inner = Arc::clone(self.inner);
        let scored = tokio::task::spawn_blocking(move || {
            let _counted = inner.cpu.enter();
            inner.scorer.score(&rows, actions)
        });
        scored
            .await
            .unwrap_or_else(|fault| Event::Unscored { why: format!("scoring broke off ({fault}); please report this") })
    }

    fn generate(&self, until_energy: Joules, until: Millis, max_tokens: u32) -> Done {
        let Some(model) = self.inner.lm.clone() else {
            let detail = "no local model is loaded: set [models] lm".to_owned();
            return Done::Failed(Event::LocalFailed { detail, energy: Joules::ZERO });
        };
        let bounds = Generation {
            cores_elsewhere: self.inner.config.models.lm_cores_elsewhere(),
            prompt: self.ask.prompt.clone(),
            until_energy,
            until,
            max_tokens,
            stop: Arc::clone(&self.stop),
        };
        let (inner, events) = (Arc::clone(self.inner), self.events.clone());
        let before = inner.energy.now();
        let after = (Arc::clone(self.inner), self.events.clone());
        let answering = tokio::task::spawn_blocking(move || {
            if !generate(&*model, &inner.energy, inner.clock.as_ref(), &inner.cpu, &bounds, &events) {
                inner.presence.look_now();
            }
        });
        // The turn waits for an end: where the engine broke off without one, it is told here.
        tokio::spawn(async move {
            if let Err(fault) = answering.await {
                let (inner, events) = after;
                let detail = format!("the local model broke off ({fault}); please report this");
                // A turn that is gone waits for nothing.
                let _ = events.send(Event::LocalFailed { detail, energy: inner.energy.now().minus(before) }).await;
            }
        });
        Done::On
    }

    /// What sending and waiting has taken so far.
    fn cloud_energy(&self) -> Joules {
        self.leg.as_ref().map_or(Joules::ZERO, |leg| self.inner.energy.now().minus(leg.began))
    }

    fn translate(&self, heard: Heard) -> Event {
        match heard {
            Heard::Text(text) => Event::CloudText { text },
            Heard::Answered { answer, bytes_up } => Event::CloudAnswered(Box::new(CloudAnswer {
                text: answer.text,
                node: answer.node.to_string(),
                money: answer.cost,
                bytes_up,
                completion_tokens: answer.usage.completion_tokens,
                upstream: answer.upstream,
                finish: match answer.finish {
                    trimtab_wire::Finish::Stop => Finish::Stop,
                    trimtab_wire::Finish::Length | trimtab_wire::Finish::Filtered => Finish::Length,
                },
                energy: self.cloud_energy(),
            })),
            Heard::Failed { reason, detail, money, bytes_up } => Event::CloudRefused(Box::new(CloudRefusal {
                reason,
                detail,
                money,
                bytes_up,
                energy: self.cloud_energy(),
            })),
        }
    }

    fn refusal(&self, reason: &str, detail: String) -> Event {
        let failed = Heard::Failed {
            reason: reason.to_owned(),
            detail,
            money: trimtab_core::Usd::ZERO,
            bytes_up: trimtab_core::Bytes::ZERO,
        };
        self.translate(failed)
    }

    /// Settles what came between the turn's last word and the end of its listening.
    async fn too_late(&self, heard: Heard) {
        let Some(leg) = &self.leg else { return };
        let (money, node, bytes) = match heard {
            Heard::Answered { answer, bytes_up } => (answer.cost, answer.node.to_string(), bytes_up),
            Heard::Failed { money, bytes_up, .. } => (money, String::new(), bytes_up),
            Heard::Text(_) => return,
        };
        let late = LateAnswer { request: None, turn: self.turn, hold: leg.hold, node, money, bytes_up: Some(bytes) };
        self.inner.settle_late(late).await;
    }

    /// Tells who answers, before the first byte of the answer.
    async fn tell_decision(&mut self, turn: &Turn) {
        let decided = Decided::of(turn.record());
        self.decided = Some(decided.clone());
        self.tell(News::Decided(decided)).await;
    }

    /// Hands text on as far as the reader keeps up; the rest waits here, joined.
    fn say_what_fits(&mut self) {
        if self.unsaid.is_empty() {
            return;
        }
        if let Ok(place) = self.news.try_reserve() {
            place.send(News::Text(std::mem::take(&mut self.unsaid)));
        }
    }

    /// A reader that went away is no reason to stop: the turn goes on to its record.
    async fn tell(&mut self, news: News) {
        if !self.unsaid.is_empty() {
            let text = std::mem::take(&mut self.unsaid);
            let _ = self.news.send_timeout(News::Text(text), READER_WAIT).await;
        }
        let _ = self.news.send_timeout(news, READER_WAIT).await;
    }

    async fn close(&mut self, mut record: Box<TurnRecord>) {
        self.end();
        record.phases = std::mem::take(&mut self.phases);
        let kept = record.clone();
        if let Err(fault) = self.inner.ledger.with(move |store| store.close(&kept)).await {
            // Its holds stay open in the ledger and count as spent: nothing is lost but the record.
            tracing::error!(turn = %self.turn, fault = %crate::fault_text(&fault), "a turn's record was not written");
        }
        self.record = Some(record);
    }

    /// One line of log, one message of telemetry, and the last news.
    async fn finish(mut self) {
        let Some(record) = self.record.take() else { return };
        tracing::info!(
            turn = %record.turn,
            placement = record.placement.name(),
            node = %record.node,
            views = ?super::ask::view_names(&record, record.views_used),
            reason = %record.reason,
            latency = %record.cost.latency,
            energy = %record.cost.energy,
            money = %record.cost.money,
            bytes = %record.cost.bytes,
            "decided"
        );
        crate::operator::tell_decision(self.inner, &record).await;
        self.tell(News::Over(record)).await;
    }
}

/// The state of a link that is not there.
pub(super) fn no_link() -> LinkState {
    LinkState::Ended
}
