//! Shows the microcontroller that the runtime lives, and operators what the microcontroller does.

use std::sync::Arc;
use std::time::Duration;

use trimtab_ledger::Setting;
use trimtab_mqtt::LinkState;

use super::{Device, Inner, stopped};
use crate::operator;
use crate::supervisor::{Book, Supervisor};

/// How often life is shown: several times within what the microcontroller waits for.
const BEAT_EVERY: Duration = Duration::from_millis(200);
/// Pause after a line that the broker did not acknowledge; doubled up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Name under which the ledger keeps what was told.
const TOLD: &str = "supervisor";

/// Beats for as long as the event loop, the governor and the ledger give signs of life.
pub(super) async fn live(inner: Arc<Inner>) {
    let Some(supervisor) = &inner.supervisor else { return };
    let device = Device::of(&inner);
    let mut stop = inner.stop.subscribe();
    let mut told = None;
    let mut beat = tokio::time::interval(BEAT_EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = stopped(&mut stop) => return,
        }
        let trouble = match device.alive().await {
            Ok(()) => {
                supervisor.beat();
                None
            }
            Err(fault) => Some(crate::fault_text(&fault)),
        };
        // Said once, and not at every beat that is missing.
        if let Some(fault) = trouble.as_ref().filter(|_| trouble != told) {
            tracing::error!(%fault, "no sign of life for the supervisor");
        }
        told = trouble;
    }
}

/// Tells operators what the microcontroller notes: each line once, and in order. What was told is kept before the next is told, so that a
/// runtime that is killed tells at most one line again; its board and number tell.
pub(super) async fn tell(inner: Arc<Inner>) {
    let Some(supervisor) = &inner.supervisor else { return };
    let mut stop = inner.stop.subscribe();
    supervisor.follow(kept(&inner).await);
    // Above whatever an earlier start of the runtime has counted.
    let mut counter = u64::from(inner.ledger.boot()) << 32;
    let mut pause = PAUSE.0;
    loop {
        let told = tokio::select! {
            told = tell_next(&inner, supervisor) => told,
            () = stopped(&mut stop) => return,
        };
        if told {
            pause = PAUSE.0;
            if let Some(book) = supervisor.told() {
                counter += 1;
                keep(&inner, &book, counter).await;
            }
        } else {
            // An access list that forbids the topic looks just so.
            if pause == PAUSE.0 {
                tracing::warn!(
                    "the broker acknowledged no event of the supervisor's: they wait, and are told again and again"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE.1),
                () = stopped(&mut stop) => return,
            }
        }
    }
}

/// Waits for the next line and tells it. Without a broker the runtime's own log is where it is told.
async fn tell_next(inner: &Inner, supervisor: &Supervisor) -> bool {
    let news = supervisor.news().await;
    if inner.link.is_some() {
        // A link that ended for good fails below.
        let _ = inner.link_watch().wait_for(LinkState::is_up).await.map(|_| ());
        if !operator::tell_supervisor(inner, &news, supervisor.age(&news)).await {
            return false;
        }
    }
    let (board, number, event) = (&news.board, news.entry.number, &news.entry.event);
    if news.anew {
        tracing::warn!(%board, "the supervisor's log started anew: what it had not told before is lost");
    }
    if news.lost_before > 0 {
        tracing::warn!(%board, "{} events were overwritten before they could be read", news.lost_before);
    }
    tracing::info!(%board, number, ?event, missed = news.missed, "the supervisor noted");
    true
}

/// What was told before. Where that cannot be read, an event told twice is better than one that nobody hears of.
async fn kept(inner: &Inner) -> Book {
    let fault = match inner.ledger.with(|store| store.setting(TOLD)).await {
        Ok(None) => return Book::default(),
        Ok(Some(setting)) => match serde_json::from_value(setting.value) {
            Ok(book) => return book,
            Err(fault) => fault.to_string(),
        },
        Err(fault) => crate::fault_text(&fault),
    };
    tracing::warn!(%fault, "what was told of the supervisor's log cannot be read: all that the board keeps is told again");
    Book::default()
}

async fn keep(inner: &Inner, book: &Book, counter: u64) {
    let (now, value) = (inner.clock.now(), serde_json::json!(book));
    let setting = Setting { counter, value };
    if let Err(fault) = inner.ledger.with(move |store| store.set(now, TOLD, &setting)).await {
        tracing::warn!(fault = %crate::fault_text(&fault), "after a restart an event of the supervisor's is told again");
    }
}
