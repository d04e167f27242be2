//! The microcontroller beside the board, seen from the runtime: its joules are the best meter there is, it is shown that the
//! runtime lives, it is told what energy the board may draw, and what it does is passed on to operators.
//!
//! ```text
//!  microcontroller ══ port ══ worker (thread) ── session ──▶ shared ──▶ meter ──▶ budgets
//!        ▲                        ▲                            │
//!        └── heartbeat, budgets ──┴── commands                 └──▶ status, doctor, tele/supervisor
//! ```
//!
//! The heart beats only while the event loop, the governor and the ledger give signs of life; a runtime that hangs or is
//! killed is throttled and then reset by the microcontroller, which needs nobody's leave. What loosens its grip, the release
//! of a trip, is sealed with the board's key: the runtime passes the seal on and never holds the key.

mod account;
mod config;
mod meter;
mod mirror;
mod port;
mod session;
mod shared;
pub(crate) mod status;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use trimtab_core::Millis;
use trimtab_wire::mcu::{NackReason, Tag, TripId};

pub use config::{BAUD, BAUD_RANGE, SupervisorConfig};
pub use meter::SupervisorMeter;
pub use port::PortAddress;

pub(crate) use meter::Peak;
pub(crate) use mirror::{Book, News};

use crate::meter::{Meter, MeterError};
use shared::Shared;
use worker::Worker;

/// From one telemetry to the next.
pub const TELEMETRY_PERIOD: Millis = Millis::new(100);
/// A microcontroller that has said nothing for two periods is taken to be away.
const SILENT_AFTER: Duration = Duration::from_millis(2 * TELEMETRY_PERIOD.get());
/// How long a start waits for the first telemetry: greeting, answer and a period fit in several times.
pub const FIRST_WORD: Duration = Duration::from_millis(1_500);
/// Commands that wait for the thread.
const COMMANDS_MAX: usize = 8;

/// Why a trip was not released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// There is nobody to ask.
    #[error("the supervisor is away; see `trimtab status` for its port")]
    Away,
    /// It does not answer.
    #[error(
        "the supervisor did not answer; look with `trimtab supervisor` whether the trip is released, and try again"
    )]
    Silent,
    /// It refuses.
    #[error("the supervisor refuses: {0}")]
    Refused(NackReason),
}

enum Command {
    Release { trip: TripId, tag: Tag, answer: oneshot::Sender<Result<(), ReleaseError>> },
}

/// A microcontroller. Its port is kept open, and opened again, until this is dropped.
pub struct Supervisor {
    port: String,
    shared: Arc<Shared>,
    commands: SyncSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Begins to look for it; `boot` is the number of the runtime's start.
    pub fn start(config: &SupervisorConfig, boot: u32) -> io::Result<Self> {
        let shared = Arc::new(Shared::new());
        let (commands, taken) = sync_channel(COMMANDS_MAX);
        let worker = Worker { config: config.clone(), boot, shared: Arc::clone(&shared), commands: taken };
        let thread = std::thread::Builder::new().name("supervisor".to_owned()).spawn(move || worker.run())?;
        Ok(Self { port: config.port.to_string(), shared, commands, thread: Some(thread) })
    }

    /// Waits until it has spoken; false after `within`. Blocks.
    #[must_use]
    pub fn speaks_within(&self, within: Duration) -> bool {
        self.shared.wait(within) && self.shared.seen().telemetry.is_some()
    }

    /// It as a meter, with the next best for while it is silent. There is one for good.
    pub(crate) fn meter(&self, peak: Peak, next: Option<Arc<dyn Meter>>) -> Result<SupervisorMeter, MeterError> {
        Ok(self.shared.attach(SupervisorMeter::new(self.port.clone(), peak, next)?))
    }

    /// The runtime is alive.
    pub(crate) fn beat(&self) {
        self.shared.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Hands it the release of a trip.
    pub(crate) async fn release(&self, trip: TripId, tag: Tag) -> Result<(), ReleaseError> {
        let (answer, answered) = oneshot::channel();
        self.commands.try_send(Command::Release { trip, tag, answer }).map_err(|_| ReleaseError::Away)?;
        answered.await.unwrap_or(Err(ReleaseError::Away))
    }

    /// From now on somebody tells what the board notes; `book`: what was told before. Without that the board's log is not
    /// asked for: whoever only looks takes nothing.
    pub(crate) fn follow(&self, book: Book) {
        let (mut mirror, now) = self.shared.mirror();
        mirror.follow(now, book);
    }

    /// Waits for what is to be told next.
    pub(crate) async fn news(&self) -> News {
        loop {
            let next = self.shared.mirror().0.next().cloned();
            match next {
                Some(news) => return news,
                None => self.shared.news.notified().await,
            }
        }
    }

    /// How long ago that was heard.
    pub(crate) fn age(&self, news: &News) -> Duration {
        self.shared.start.elapsed().saturating_sub(news.heard)
    }

    /// It was told: what is to be kept, so that it is never told again.
    pub(crate) fn told(&self) -> Option<Book> {
        self.shared.mirror().0.told().cloned()
    }

    /// Everything that is known of it.
    #[must_use]
    pub fn status(&self) -> Value {
        let seen = self.shared.seen();
        let silent = seen.telemetry.as_ref().is_none_or(|(heard, _)| heard.elapsed() > SILENT_AFTER);
        let mut status = status::status(&self.port, &seen, silent);
        drop(seen);
        status["log"] = status::log(&self.shared.mirror().0);
        status
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Supervisor({})", self.port)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported by the thread itself; there is nothing left to end.
            drop(thread.join());
        }
    }
}
