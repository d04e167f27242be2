//! Shows the microcontroller that the runtime lives, and operators what the microcontroller does.

use std::sync::Arc;
use std::time::Duration;

use super::{Device, Inner, stopped};
use crate::operator;

/// How often life is shown: several times within what the microcontroller waits for.
const BEAT_EVERY: Duration = Duration::from_millis(200);

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

/// Tells operators every event of the microcontroller's.
pub(super) async fn tell(inner: Arc<Inner>) {
    let Some(supervisor) = &inner.supervisor else { return };
    let mut stop = inner.stop.subscribe();
    loop {
        let events = tokio::select! {
            events = supervisor.events() => events,
            () = stopped(&mut stop) => return,
        };
        for event in &events {
            operator::tell_supervisor(&inner, event).await;
        }
    }
}
