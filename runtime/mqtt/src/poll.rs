//! The two tasks of a link: one only polls, the other subscribes after each CONNACK.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rumqttc::{ConnectionError, Event, EventLoop, Packet, Publish};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use crate::connect::Connect;
use crate::link::{LinkState, Shared};
use crate::message::{Incoming, Receipt};

/// A connection that lasted this long was a good one: the pauses between attempts start over.
const STABLE_AFTER: Duration = Duration::from_secs(5);
/// What a broker takes where it names no limit: MQTT's own.
const PACKET_BYTES_PROTOCOL_MAX: usize = 268_435_455;

/// Polls until the link ends. Polling is never raced against anything: a poll cut short could strand a message. Only the
/// pause between two connections is.
pub(crate) async fn poll(
    mut event_loop: EventLoop,
    shared: Arc<Shared>,
    inbox: mpsc::Sender<Incoming>,
    mut stop: watch::Receiver<bool>,
) {
    let mut pause = Connect::BACKOFF_MIN;
    let mut connected_at: Option<Instant> = None;
    loop {
        match event_loop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(accepted))) => {
                let limit = accepted.properties.and_then(|properties| properties.max_packet_size);
                let limit = limit.map_or(PACKET_BYTES_PROTOCOL_MAX, |limit| limit as usize);
                *shared.accepted.lock().unwrap_or_else(PoisonError::into_inner) = (limit, accepted.session_present);
                shared.epoch.fetch_add(1, Ordering::AcqRel);
                connected_at = Some(Instant::now());
                shared.connected.notify_one();
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => deliver(&shared, &inbox, publish),
            Ok(_) => {}
            Err(ConnectionError::RequestsDone | ConnectionError::DisconnectTimeout) => break,
            Err(fault) => {
                let reason: Arc<str> = fault.to_string().into();
                tracing::debug!(%reason, "no connection to the broker");
                let since = match &*shared.state.borrow() {
                    LinkState::Down { since, .. } => *since,
                    LinkState::Up { .. } | LinkState::Ended => Instant::now(),
                };
                shared.state.send_replace(LinkState::Down { since, reason });
                if connected_at.take().is_some_and(|at| at.elapsed() >= STABLE_AFTER) {
                    pause = Connect::BACKOFF_MIN;
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stop.wait_for(|stop| *stop) => break,
                }
                pause = (pause * 2).min(shared.backoff_max);
            }
        }
        if *stop.borrow() {
            break;
        }
    }
    shared.state.send_replace(LinkState::Ended);
}

fn deliver(shared: &Arc<Shared>, inbox: &mpsc::Sender<Incoming>, publish: Publish) {
    let Ok(topic) = std::str::from_utf8(&publish.topic).map(str::to_owned) else {
        shared.lost.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let properties = publish.properties.clone().unwrap_or_default();
    let incoming = Incoming {
        topic,
        payload: publish.payload.clone(),
        content_type: properties.content_type,
        response_topic: properties.response_topic,
        correlation: properties.correlation_data,
        retain: publish.retain,
        receipt: Receipt {
            client: shared.client.clone(),
            epoch: shared.epoch.load(Ordering::Acquire),
            present: Arc::clone(&shared.epoch),
            publish,
        },
    };
    match inbox.try_send(incoming) {
        Ok(()) => {}
        Err(TrySendError::Full(incoming)) => {
            shared.lost.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(topic = %incoming.topic, "message lost: the program does not keep up");
        }
        Err(TrySendError::Closed(incoming)) => {
            tracing::debug!(topic = %incoming.topic, "message dropped: nobody reads the inbox");
        }
    }
}

/// Subscribes to every held filter after each CONNACK, and only then calls the link up.
pub(crate) async fn keep_subscribed(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = shared.connected.notified() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let epoch = shared.epoch.load(Ordering::Acquire);
        let filters = shared.filters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut state = shared.state.subscribe();
        state.mark_unchanged();
        // A new connection or the end of this one makes the answer worthless; the loop then waits for the next.
        let refused = tokio::select! {
            refused = shared.subscribe_batch(filters) => refused,
            _ = state.changed() => None,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Some(refused) = refused else { continue };
        for (filter, reason) in &refused {
            tracing::warn!(%filter, %reason, "the broker refuses a subscription; check its access rules");
        }
        let refused: Arc<[String]> = refused.into_iter().map(|(filter, _)| filter).collect();
        let (max_packet, resumed) = *shared.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        shared.state.send_if_modified(|state| {
            let present = shared.epoch.load(Ordering::Acquire) == epoch;
            if present && *state != LinkState::Ended {
                *state = LinkState::Up { max_packet, epoch, resumed, refused };
            }
            present
        });
    }
}
