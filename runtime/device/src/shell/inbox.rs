//! What goes on beside the turns: messages from the broker, the state of the link, late answers, and the time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use trimtab_mqtt::{Inbox, Incoming, LinkState};
use trimtab_wire::operator::{Offers, Payload};
use trimtab_wire::{BridgeId, Topic};

use super::{Inner, lock, stopped};
use crate::offload::{Change, LateAnswer, OfferBook};
use crate::operator;
use trimtab_ledger::STAMP_EVERY;

/// How often offers are looked at for their end, and the link's estimate is handed to the governor.
const TICK: Duration = Duration::from_millis(500);
/// How often budgets, energy, memory and link are told to operators.
const TELEMETRY_EVERY: Duration = Duration::from_secs(30);

/// Takes every message, and acknowledges it once its effect is safe.
pub(super) async fn dispatch(inner: Arc<Inner>, mut inbox: Inbox) {
    let mut offers = OfferBook::default();
    let mut stop = inner.stop.subscribe();
    let mut tick = tokio::time::interval(TICK);
    loop {
        let message = tokio::select! {
            message = inbox.recv() => message,
            _ = tick.tick() => {
                let changes = offers.expire(inner.clock.now());
                change(&inner, changes);
                continue;
            }
            () = stopped(&mut stop) => return,
        };
        let Some(message) = message else { return };
        match Topic::parse(&message.topic) {
            Ok(Topic::Offers(_, bridge)) => on_offers(&inner, &mut offers, &bridge, &message),
            Ok(Topic::Response(_, _, request)) => {
                if let Some(offload) = inner.offload()
                    && let Some(late) = offload.on_response(request, &message).await
                {
                    inner.settle_late(late).await;
                }
            }
            Ok(Topic::Desired(_, _, subject)) => operator::on_desired(&inner, subject, &message).await,
            Ok(Topic::Command(_, _, name) | Topic::CommandAll(_, name)) => {
                operator::on_command(&inner, name, &message).await;
            }
            Ok(topic) => tracing::debug!(%topic, "not for a device"),
            Err(fault) => tracing::warn!(%fault, "a message was not understood"),
        }
        message.acknowledge().await;
    }
}

fn on_offers(inner: &Inner, book: &mut OfferBook, bridge: &BridgeId, message: &Incoming) {
    let now = inner.clock.now();
    // A bridge that takes its retained offers back leaves an empty message.
    let changes = if message.payload.is_empty() {
        book.on_offers(now, bridge, None)
    } else {
        match Offers::decode(&message.payload) {
            Ok(offers) if offers.bridge == *bridge => book.on_offers(now, bridge, Some(&offers)),
            Ok(offers) => {
                tracing::warn!(topic = %bridge, payload = %offers.bridge, "offers in another bridge's name were dropped");
                return;
            }
            Err(fault) => {
                tracing::warn!(%bridge, %fault, "offers were not believed");
                return;
            }
        }
    };
    change(inner, changes);
}

fn change(inner: &Inner, changes: Vec<Change>) {
    let mut governor = lock(&inner.governor);
    for change in changes {
        match change {
            Change::Offered(name, profile) => {
                if let Err(fault) = governor.offer(&name, profile) {
                    tracing::warn!(%fault, "an offer was not taken");
                }
            }
            Change::Withdrawn(name) => {
                tracing::info!(node = %name, "no longer offered");
                governor.withdraw(&name);
            }
        }
    }
}

/// Tells governor and operators how the link is; on every new connection the device is born again.
pub(super) async fn follow_link(inner: Arc<Inner>, mut link: watch::Receiver<LinkState>) {
    let mut stop = inner.stop.subscribe();
    let mut tick = tokio::time::interval(TICK);
    let mut telemetry = tokio::time::interval(TELEMETRY_EVERY);
    let mut known = None;
    loop {
        let state = link.borrow_and_update().clone();
        let Some(offload) = inner.offload() else { return };
        offload.set_up(state.is_up());
        lock(&inner.governor).set_link(offload.estimate());
        let epoch = match &state {
            LinkState::Up { epoch, .. } => Some(*epoch),
            LinkState::Down { .. } | LinkState::Ended => None,
        };
        if epoch != known {
            known = epoch;
            match &state {
                LinkState::Up { .. } => {
                    tracing::info!("connected to the broker");
                    operator::say_hello(&inner).await;
                }
                LinkState::Down { reason, .. } => tracing::warn!(%reason, "no broker"),
                LinkState::Ended => tracing::info!("the link has ended"),
            }
        }
        tokio::select! {
            changed = link.changed() => if changed.is_err() { return },
            _ = tick.tick() => {}
            _ = telemetry.tick() => operator::tell_readings(&inner).await,
            () = stopped(&mut stop) => return,
        }
    }
}

/// Settles what came after its turn.
pub(super) async fn settle(inner: Arc<Inner>, mut late: mpsc::Receiver<LateAnswer>) {
    let mut stop = inner.stop.subscribe();
    loop {
        let answer = tokio::select! {
            answer = late.recv() => answer,
            () = stopped(&mut stop) => return,
        };
        let Some(answer) = answer else { return };
        inner.settle_late(answer).await;
    }
}

/// Notes the time in the ledger now and then, and what was learnt meanwhile.
pub(super) async fn keep_time(inner: Arc<Inner>) {
    let mut kept = lock(&inner.governor).coverage();
    let mut stop = inner.stop.subscribe();
    let mut stamp = tokio::time::interval(STAMP_EVERY.duration());
    loop {
        tokio::select! {
            _ = stamp.tick() => {}
            () = stopped(&mut stop) => return,
        }
        let now = inner.clock.now();
        let news = {
            let mut governor = lock(&inner.governor);
            governor.advance(now);
            let known = std::mem::replace(&mut kept, governor.coverage());
            (known != kept).then(|| governor.learnt())
        };
        let noted = inner.ledger.with(move |store| {
            if let Some(learnt) = news {
                store.keep_learnt(now, &learnt)?;
            }
            store.stamp(now)
        });
        if let Err(fault) = noted.await {
            tracing::warn!(fault = %crate::fault_text(&fault), "the time was not noted");
        }
    }
}
