//! What comes from the broker, and to whom it goes.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use trimtab_mqtt::{Inbox, Incoming, LinkState, Publication, Qos};
use trimtab_wire::limits::{CHUNKS_IN_FLIGHT_MAX, CONTENT_TYPE_JSON};
use trimtab_wire::operator::{Offer, Offers, Payload, PayloadError};
use trimtab_wire::{DeviceId, Down, RefusalReason, RequestId, Topic, Up, decode_up};

use crate::config::BridgeConfig;
use crate::desk::{Desk, Piece, refusal, unix_ms};

/// Requests in flight.
pub const REQUESTS_MAX: usize = 32;
/// Of one device.
pub const REQUESTS_PER_DEVICE_MAX: usize = 8;
/// For how long offers hold; they are renewed three times as often.
pub const OFFERS_VALID: Duration = Duration::from_secs(60);
/// How long a stopping bridge waits for the requests in flight.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How often old outcomes are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// Pieces of one request that wait for it: what is granted, each twice at most, and its manifest again.
const PIECES_MAX: usize = 2 * CHUNKS_IN_FLIGHT_MAX as usize + 2;
/// Refusals that wait for the broker.
const REPLIES_MAX: usize = 64;

const _: () = assert!(REQUESTS_PER_DEVICE_MAX <= REQUESTS_MAX);

/// Runs until stopped.
pub(crate) async fn run(desk: Arc<Desk>, mut inbox: Inbox, mut stop: watch::Receiver<bool>) {
    let mut requests = JoinSet::new();
    let mut replies = JoinSet::new();
    let mut renew = tokio::time::interval(OFFERS_VALID / 3);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut forget = tokio::time::interval(FORGET_EVERY);
    let mut link = desk.link.watch();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = requests.join_next(), if !requests.is_empty() => log_panic(ended),
            Some(ended) = replies.join_next(), if !replies.is_empty() => log_panic(ended),
            changed = link.changed() => {
                if changed.is_err() {
                    break;
                }
                let up = link.borrow_and_update().is_up();
                if up {
                    publish_offers(&desk).await;
                }
            }
            () = desk.offers_changed.notified() => publish_offers(&desk).await,
            _ = renew.tick() => publish_offers(&desk).await,
            _ = forget.tick() => if let Err(fault) = desk.store.forget(unix_ms()).await {
                tracing::warn!(%fault, "old outcomes are not forgotten");
            },
            incoming = inbox.recv() => match incoming {
                Some(incoming) => take(&desk, incoming, &mut requests, &mut replies).await,
                None => break,
            },
        }
    }
    drain(&desk, requests, replies).await;
}

/// Until the bridge is told to stop, or is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _gone = stop.wait_for(|stop| *stop).await.is_err();
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(fault) = ended {
        tracing::error!(%fault, "a request ended by itself");
    }
}

async fn drain(desk: &Desk, mut requests: JoinSet<()>, mut replies: JoinSet<()>) {
    let finishing = async {
        while let Some(ended) = requests.join_next().await {
            log_panic(ended);
        }
        while let Some(ended) = replies.join_next().await {
            log_panic(ended);
        }
    };
    if tokio::time::timeout(DRAIN_MAX, finishing).await.is_err() {
        tracing::warn!("requests in flight are given up; their outcome will be told as unknown");
    }
    match offers(&desk.config, &[]) {
        Ok(none) => publish_retained(desk, none).await,
        Err(fault) => tracing::error!(%fault, "offers are not withdrawn"),
    }
    desk.link.disconnect(Duration::from_secs(2)).await;
}

async fn take(desk: &Arc<Desk>, incoming: Incoming, requests: &mut JoinSet<()>, replies: &mut JoinSet<()>) {
    match Topic::parse(&incoming.topic) {
        Ok(Topic::Request(fleet, device)) if fleet == desk.config.fleet => {
            desk.counters.add(|c| &c.requests);
            take_request(desk, device, incoming, requests, replies).await;
        }
        Ok(Topic::Chunk(fleet, device, id, n)) if fleet == desk.config.fleet => {
            let flight = desk.flights.lock().unwrap_or_else(PoisonError::into_inner).get(&(device, id)).cloned();
            let piece = Piece::Chunk { n, bytes: incoming.payload.clone() };
            if flight.is_none_or(|flight| flight.try_send(piece).is_err()) {
                tracing::debug!(request = %id, n, "a chunk came that nobody waits for");
            }
            incoming.acknowledge().await;
        }
        Ok(_) | Err(_) => {
            tracing::warn!(topic = %incoming.topic, "a message came on a topic that is not the bridge's");
            incoming.acknowledge().await;
        }
    }
}

async fn take_request(
    desk: &Arc<Desk>,
    device: DeviceId,
    incoming: Incoming,
    requests: &mut JoinSet<()>,
    replies: &mut JoinSet<()>,
) {
    let request = match decode_up(incoming.content_type.as_deref(), &incoming.payload) {
        Ok(Up::Request(request)) => request,
        Err(fault) => {
            desk.counters.add(|c| &c.malformed);
            tracing::warn!(%device, topic = %incoming.topic, %fault, "a request cannot be read");
            // The packet names no request that could be believed; the correlation does, if the device sent one.
            let id = incoming.correlation.as_ref().and_then(|id| <[u8; 16]>::try_from(&id[..]).ok()).map(RequestId);
            if let Some(id) = id {
                refuse(desk, &device, id, RefusalReason::Malformed, &fault.to_string(), replies);
            }
            incoming.acknowledge().await;
            return;
        }
    };
    let key = (device.clone(), request.id);
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let placed = {
        let mut flights = desk.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let of_device = flights.keys().filter(|(other, _)| *other == device).count();
        if let Some(flight) = flights.get(&key) {
            Placed::Attached(flight.clone())
        } else if flights.len() >= REQUESTS_MAX || of_device >= REQUESTS_PER_DEVICE_MAX {
            Placed::NoRoom
        } else {
            flights.insert(key, sender);
            Placed::New
        }
    };
    match placed {
        Placed::Attached(flight) => {
            desk.counters.add(|c| &c.attached);
            if flight.try_send(Piece::Again { attempt: request.attempt }).is_err() {
                tracing::debug!(%device, request = %request.id, "a further attempt came while the call is under way");
            }
            incoming.acknowledge().await;
        }
        Placed::NoRoom => {
            let detail = "the bridge has as many requests in flight as it takes; try later or another bridge";
            refuse(desk, &device, request.id, RefusalReason::Overloaded, detail, replies);
            incoming.acknowledge().await;
        }
        Placed::New => {
            requests.spawn(Arc::clone(desk).serve(device, request, incoming, receiver));
        }
    }
}

enum Placed {
    Attached(mpsc::Sender<Piece>),
    NoRoom,
    New,
}

/// Publishes a refusal beside the loop, so that a slow broker does not hold up the intake.
fn refuse(
    desk: &Arc<Desk>,
    device: &DeviceId,
    id: RequestId,
    reason: RefusalReason,
    detail: &str,
    replies: &mut JoinSet<()>,
) {
    desk.counters.add(|c| &c.refused);
    if replies.len() >= REPLIES_MAX {
        tracing::warn!(%device, request = %id, "a refusal is not told: too many wait for the broker");
        return;
    }
    let (desk, device, packet) = (Arc::clone(desk), device.clone(), Down::Refusal(refusal(reason, detail)));
    replies.spawn(async move { desk.publish_surely(&device, id, &packet).await });
}

/// The payload of the offers topic.
pub(crate) fn offers(config: &BridgeConfig, nodes: &[Offer]) -> Result<Vec<u8>, PayloadError> {
    let offers = Offers {
        bridge: config.bridge.clone(),
        at_unix_ms: unix_ms(),
        valid_ms: OFFERS_VALID.as_millis() as u64,
        nodes: nodes.to_vec(),
    };
    offers.encode()
}

async fn publish_offers(desk: &Desk) {
    let now = Instant::now();
    let nodes: Vec<_> = desk.nodes.iter().map(|node| node.offer(now)).collect();
    match offers(&desk.config, &nodes) {
        Ok(payload) => publish_retained(desk, payload).await,
        Err(fault) => tracing::error!(%fault, "offers are not published"),
    }
}

async fn publish_retained(desk: &Desk, payload: Vec<u8>) {
    if !matches!(desk.link.state(), LinkState::Up { .. }) {
        return;
    }
    let topic = Topic::Offers(desk.config.fleet.clone(), desk.config.bridge.clone());
    let publication = Publication::new(topic, CONTENT_TYPE_JSON, payload).retained().expiring(OFFERS_VALID);
    match desk.link.publish(Publication { qos: Qos::AtLeastOnce, ..publication }).await {
        // The broker's word is not waited for: the offers are renewed soon.
        Ok(delivery) => drop(delivery),
        Err(fault) => tracing::debug!(%fault, "offers are not published"),
    }
}
