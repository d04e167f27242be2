//! The device: everything real around the turn's state machine. It owns ledger, models, cameras, meter and link, takes
//! prompts, and carries out what the turn asks for. One turn runs at a time; a few wait.

mod ask;
mod chooser;
mod energy;
mod generate;
mod heat;
mod inbox;
mod inspect;
mod observe;
mod overseer;
mod pace;
mod presence;
mod seat;
mod start;
mod status;
mod strain;
mod turn;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use trimtab_core::{Bytes, Cost, TurnId};
use trimtab_engine::Tokenizer;
use trimtab_mqtt::{Link, LinkState};
use trimtab_turn::{Feedback, Governor, Late, TurnRecord};
use trimtab_wire::limits::PROMPT_BYTES_MAX;
use trimtab_wire::mcu::{Tag, TripId};

use crate::clock::Clock;
use crate::config::Config;
use crate::memory::{Admission, Memory, Rung};
use crate::meter::{CpuTime, Uplink};
use crate::offload::{LateAnswer, Offload};
use crate::operator::OperatorBook;
use crate::supervisor::{ReleaseError, Supervisor};
use crate::thermal::Condition;
use trimtab_ledger::{Ledger, LedgerError};

pub use ask::{Ask, AskError, Decided, News, TURNS_WAITING_MAX, TurnStream, action, view_names};
pub use chooser::{Choice, Chooser, FixedRule};
pub use inspect::{Inspection, inspect, inspect_models};
pub use start::{LEDGER_FILE, Parts, StartError};

use chooser::Scorer;
use energy::EnergyReader;
use observe::Eyes;
use presence::Presence;
use seat::LocalSeat;

/// How long a stopping runtime waits for its turn, and then for the broker.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// A running device. Clones share it; it runs until [`Device::stop`].
#[derive(Clone)]
pub struct Device(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) governor: Mutex<Governor>,
    pub(crate) memory: Memory,
    pub(crate) operator: OperatorBook,
    energy: EnergyReader,
    /// The microcontroller that watches this runtime.
    pub(crate) supervisor: Option<Arc<Supervisor>>,
    /// Heat and undervoltage, as they were seen last.
    condition: Mutex<Condition>,
    cpu: CpuTime,
    uplink: Uplink,
    eyes: Eyes,
    scorer: Scorer,
    lm: LocalSeat,
    presence: Presence,
    /// What is given up for want of memory, by its code.
    rung: AtomicU8,
    /// What the encoder takes; given back when the device goes.
    _admitted: Option<Admission>,
    /// What is wrong with this device, as it was found at the start: missing models, a refused policy, no meter.
    faults: Vec<String>,
    link: Option<Link>,
    offload: OnceLock<Offload>,
    /// Stands in for the state of a link that is not there.
    no_link: watch::Sender<LinkState>,
    turns: AtomicU32,
    conversations: AtomicU64,
    overruns: AtomicU64,
    waiting: AtomicUsize,
    one_turn: Semaphore,
    stopping: AtomicBool,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Locks what no panic can leave half-changed for long: every change under these locks is a single call.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the word to stop, or for whoever would say it to be gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The value must not be held while something else is awaited; without a sender nobody needs it any more.
    let _ = stop.wait_for(|stop| *stop).await.map(|_| ());
}

impl Device {
    /// Takes a prompt; the news of its turn come on the stream. Fails at once where too many wait.
    pub fn ask(&self, ask: Ask) -> Result<TurnStream, AskError> {
        let inner = &self.0;
        if inner.stopping.load(Ordering::Acquire) {
            return Err(AskError::Stopping);
        }
        if ask.prompt.trim().is_empty() {
            return Err(AskError::Empty);
        }
        if ask.prompt.len() > PROMPT_BYTES_MAX {
            return Err(AskError::Long { bytes: ask.prompt.len(), limit: PROMPT_BYTES_MAX });
        }
        if inner.rung() == Rung::Refuse {
            return Err(AskError::Memory);
        }
        let place = WaitingPlace::take(inner).ok_or(AskError::Full)?;
        let turn = TurnId { boot: inner.ledger.boot(), number: inner.turns.fetch_add(1, Ordering::Relaxed) + 1 };
        let (tell, news) = mpsc::channel(ask::NEWS_MAX);
        let inner = Arc::clone(inner);
        tokio::spawn(async move {
            // The semaphore is never closed; if it were, the stream would simply end.
            let Ok(_permit) = inner.one_turn.acquire().await else { return };
            drop(place);
            // A turn that was still waiting when the runtime stopped was never begun.
            if inner.stopping.load(Ordering::Acquire) {
                return;
            }
            turn::run(&inner, turn, ask, tell).await;
        });
        Ok(TurnStream { turn, news })
    }

    /// The ledger record of a turn, as JSON; where there is none the fault says why.
    pub async fn explain(&self, turn: TurnId) -> Result<serde_json::Value, LedgerError> {
        self.0.explain(turn).await
    }

    /// The ledger record of a turn; none if there is no such turn.
    pub async fn record(&self, turn: TurnId) -> Result<Option<TurnRecord>, LedgerError> {
        self.0.ledger.with(move |store| store.record(turn)).await
    }

    /// Adds a score to a turn's record; false if there is no such turn.
    pub async fn feedback(&self, turn: TurnId, score: f32, source: &str) -> Result<bool, LedgerError> {
        let feedback = Feedback { score, source: source.to_owned() };
        match self.0.ledger.with(move |store| store.add_feedback(turn, feedback)).await {
            Ok(()) => Ok(true),
            Err(LedgerError::NoTurn { .. } | LedgerError::Dropped { .. }) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// The present state, as JSON.
    pub async fn status(&self) -> serde_json::Value {
        self.0.status().await
    }

    /// A conversation name that was not used before.
    #[must_use]
    pub fn new_conversation(&self) -> String {
        let number = self.0.conversations.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{}-{number}", self.0.ledger.boot())
    }

    /// Tokens of a text by the tokenizer at hand; zero without a model.
    #[must_use]
    pub fn tokens_of(&self, text: &str) -> u32 {
        let by_encoder = |tokenizer: &Tokenizer| tokenizer.encode(text).len();
        let counted = self.0.lm.model().and_then(|model| model.count_tokens(text));
        let counted = counted.or_else(|| self.0.eyes.tokenizer().map(by_encoder)).unwrap_or(0);
        u32::try_from(counted).unwrap_or(u32::MAX)
    }

    /// The ledger: records, for those who collect data.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// Looks at or changes what all turns share: budgets, preference, nodes, link. Not for long, since turns wait meanwhile.
    pub fn with_governor<T>(&self, act: impl FnOnce(&mut Governor) -> T) -> T {
        act(&mut lock(&self.0.governor))
    }

    /// Another memory ceiling for the turns to come; none lifts it.
    pub fn set_memory_ceiling(&self, ceiling: Option<Bytes>) {
        self.0.memory.set_ceiling(ceiling);
    }

    /// The cameras, in the order of the views: recorded ones can be stepped.
    #[must_use]
    pub fn cameras(&self) -> &[crate::camera::Camera] {
        self.0.eyes.cameras()
    }

    /// Whether a request may name the actions that its turn may take.
    #[must_use]
    pub fn explores(&self) -> bool {
        self.0.config.api.explore
    }

    /// Returns when the governor can be had and the ledger answers: without both there is no turn. Fails where the ledger is gone.
    pub async fn alive(&self) -> Result<(), LedgerError> {
        self.with_governor(|_| ());
        self.0.ledger.with(|_| Ok(())).await
    }

    /// Hands the microcontroller the release of a trip, sealed with its key.
    pub async fn release_trip(&self, trip: TripId, tag: Tag) -> Result<(), ReleaseError> {
        match &self.0.supervisor {
            Some(supervisor) => supervisor.release(trip, tag).await,
            None => Err(ReleaseError::Away),
        }
    }

    /// What was found wrong at the start; the device runs all the same, and says so in its status.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.0.faults
    }

    /// Waits until the broker is connected and at least `nodes` cloud nodes are offered; false after `wait`.
    pub async fn ready_within(&self, nodes: usize, wait: Duration) -> bool {
        const LOOK: Duration = Duration::from_millis(10);
        let ready = async {
            loop {
                let there = self.with_governor(|governor| {
                    governor.link().up && governor.nodes().iter().filter(|node| node.closed.is_none()).count() >= nodes
                });
                if there {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(wait, ready).await.is_ok()
    }

    /// Takes no more prompts, lets the present turn end, says goodbye to the broker and stamps the ledger.
    pub async fn stop(&self) {
        let inner = &self.0;
        inner.stopping.store(true, Ordering::Release);
        // Whoever holds it longer is cut off; its holds stay open in the ledger.
        let last = tokio::time::timeout(STOP_WITHIN, inner.one_turn.acquire()).await;
        if let Some(link) = &inner.link {
            crate::operator::say_goodbye(inner).await;
            link.disconnect(STOP_WITHIN).await;
        }
        inner.stop.send_replace(true);
        let tasks = std::mem::take(&mut *lock(&inner.tasks));
        for task in tasks {
            if let Err(fault) = task.await {
                tracing::warn!(%fault, "a task of the device ended badly");
            }
        }
        let now = inner.clock.now();
        if let Err(fault) = inner.ledger.with(move |store| store.stamp(now)).await {
            tracing::warn!(fault = %crate::fault_text(&fault), "the ledger was not stamped");
        }
        drop(last);
    }
}

impl Device {
    /// The device that this belongs to.
    pub(crate) fn of(inner: &Arc<Inner>) -> Self {
        Self(Arc::clone(inner))
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Device({})", self.0.config.id)
    }
}

impl Inner {
    pub(crate) fn offload(&self) -> Option<&Offload> {
        self.offload.get()
    }

    pub(crate) async fn explain(&self, turn: TurnId) -> Result<serde_json::Value, LedgerError> {
        let record = self.ledger.with(move |store| store.wanted(turn)).await?;
        // A record came from JSON and goes back to it.
        Ok(serde_json::to_value(record).unwrap_or_default())
    }

    pub(crate) fn overruns(&self) -> u64 {
        self.overruns.load(Ordering::Relaxed)
    }

    fn link_watch(&self) -> watch::Receiver<LinkState> {
        self.link.as_ref().map_or_else(|| self.never(), Link::watch)
    }

    /// A state that never changes.
    fn never(&self) -> watch::Receiver<LinkState> {
        self.no_link.subscribe()
    }

    /// Settles the hold of an answer that came after its turn, and notes it in the turn's record. The hold says what the
    /// request took here; where another runtime sent it, that counts as reserved.
    pub(crate) async fn settle_late(&self, late: LateAnswer) {
        let now = self.clock.now();
        let (cost, settlement) = lock(&self.governor).late_answer(now, late.hold, late.money, late.bytes_up);
        if settlement.is_some_and(|settlement| settlement.overrun != Cost::ZERO) {
            self.overruns.fetch_add(1, Ordering::Relaxed);
        }
        let (turn, hold) = (late.turn, late.hold);
        tracing::info!(%turn, node = %late.node, money = %late.money, settled = settlement.is_some(), "late answer");
        let note = Late { at: now, node: late.node, cost, settled: settlement.is_some() };
        let request = late.request;
        let kept = self.ledger.with(move |store| {
            let noted = store.record_late(turn, hold, &note);
            if let Some(request) = request {
                store.outbox_take(now, request)?;
            }
            noted
        });
        if let Err(fault) = kept.await {
            tracing::warn!(%turn, fault = %crate::fault_text(&fault), "a late answer was not noted");
        }
    }

    pub(crate) fn count_overruns(&self, record: &TurnRecord) {
        let overruns = record.settlements.iter().filter(|(_, settlement)| settlement.overrun != Cost::ZERO).count();
        self.overruns.fetch_add(overruns as u64, Ordering::Relaxed);
    }
}

/// One of the places in which turns wait.
struct WaitingPlace(Arc<Inner>);

impl WaitingPlace {
    fn take(inner: &Arc<Inner>) -> Option<Self> {
        // The running turn has left its place already.
        let taken = inner.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, |waiting| {
            (waiting < TURNS_WAITING_MAX).then_some(waiting + 1)
        });
        taken.is_ok().then(|| Self(Arc::clone(inner)))
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
