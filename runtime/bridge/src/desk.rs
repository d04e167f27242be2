//! One request from its manifest to its answer.
//!
//! ```text
//! look up ─known─▶ replay │ outcome unknown
//!    │new
//! plan (limits, cost) ─▶ collect chunks ─▶ record the call ─▶ call, fail over ─▶ record the outcome ─▶ publish
//! ```

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use trimtab_core::{Millis, Usd};
use trimtab_mqtt::{DeliveryError, Incoming, Link, LinkState, Publication, PublishError, Qos, SubscribeError};
use trimtab_wire::limits::{CONTENT_TYPE_DOWN, PIECE_BYTES_MAX};
use trimtab_wire::{
    Answer, Assembler, Body, ChunkError, DeviceId, Down, Grant, Progress, Refusal, RefusalReason, Request, RequestId,
    Tokens, Topic, encode_down, filters,
};

use crate::config::BridgeConfig;
use crate::counters::Counters;
use crate::grey::grey;
use crate::node::{Node, Unfit};
use crate::store::{Known, Store};

/// How often streamed text is passed on.
pub const STREAM_EVERY: Duration = Duration::from_millis(40);
/// How long an answer is tried to be published where the broker is away.
pub const PUBLISH_WAIT_MAX: Duration = Duration::from_secs(600);
/// How long the broker keeps an answer for a device that is away.
pub const ANSWER_EXPIRY: Duration = Duration::from_secs(3600);
/// Longest wait for the broker's word on one publication.
const ACKNOWLEDGE_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest deadline that is honoured; what is beyond it is cut.
const DEADLINE_MAX: Duration = Duration::from_secs(600);

/// What comes for a request while it is in flight.
pub(crate) enum Piece {
    /// A chunk of its body.
    Chunk { n: u32, bytes: Bytes },
    /// Its manifest again, as this attempt.
    Again { attempt: u16 },
}

/// A request in flight, by device and id.
pub(crate) type Flight = (DeviceId, RequestId);

/// What all requests share.
pub(crate) struct Desk {
    pub(crate) config: BridgeConfig,
    pub(crate) link: Link,
    pub(crate) store: Store,
    pub(crate) nodes: Vec<Node>,
    pub(crate) counters: Counters,
    pub(crate) flights: Mutex<HashMap<Flight, mpsc::Sender<Piece>>>,
    /// Rung when a node became available or ceased to be.
    pub(crate) offers_changed: Notify,
}

/// Takes the flight off the list, however its task ends.
struct Landing<'a>(&'a Desk, Flight);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.0.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

pub(crate) fn refusal(reason: RefusalReason, detail: impl Into<String>) -> Refusal {
    let mut detail = detail.into();
    detail.truncate(detail.floor_char_boundary(trimtab_wire::limits::DETAIL_BYTES_MAX));
    Refusal { reason, detail, cost: Usd::ZERO }
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        refusal(unfit.reason, unfit.detail)
    }
}

pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl Desk {
    /// Serves a request to its end; `manifest` is acknowledged only then, so that its outcome is safe before.
    pub(crate) async fn serve(
        self: Arc<Self>,
        device: DeviceId,
        request: Request,
        manifest: Incoming,
        pieces: mpsc::Receiver<Piece>,
    ) {
        let landing = Landing(&self, (device.clone(), request.id));
        let outcome = self.outcome(&device, &request, pieces).await;
        match &outcome {
            Down::Answer(answer) if answer.replayed => self.counters.add(|c| &c.replayed),
            Down::Answer(_) => self.counters.add(|c| &c.answered),
            Down::Refusal(refused) => {
                self.counters.add(|c| &c.refused);
                tracing::info!(%device, request = %request.id, reason = refused.reason.name(), detail = %refused.detail,
                    "refused");
            }
            Down::Grant(_) | Down::Tokens(_) => {}
        }
        // A further attempt from here on is a flight of its own, which finds the outcome in the store.
        drop(landing);
        self.publish_surely(&device, request.id, &outcome).await;
        manifest.acknowledge().await;
    }

    async fn outcome(&self, device: &DeviceId, request: &Request, pieces: mpsc::Receiver<Piece>) -> Down {
        let deadline = Instant::now() + request.deadline.duration().min(DEADLINE_MAX);
        match self.store.look_up(device, request.id).await {
            Err(fault) => return self.store_failed(&fault),
            Ok(Known::Closed(known)) => return replay(known),
            Ok(Known::Called(max_cost)) => return self.outcome_unknown(device, request.id, max_cost).await,
            Ok(Known::Unknown) => {}
        }
        let prepared = tokio::time::timeout_at(deadline, self.prepare(device, request, pieces)).await;
        let views = match prepared {
            Ok(Ok(views)) => views,
            Ok(Err(refused)) => return Down::Refusal(refused),
            Err(_) => {
                let detail = "the request was not complete at its deadline; allow more time or send fewer views";
                return Down::Refusal(refusal(RefusalReason::Deadline, detail));
            }
        };
        if let Err(fault) = self.store.open_call(device, request.id, request.max_cost, unix_ms()).await {
            return self.store_failed(&fault);
        }
        let outcome = self.ask(device, request, &views, deadline).await;
        if let Err(fault) = self.store.close(device, request.id, &outcome).await {
            tracing::error!(%device, request = %request.id, %fault,
                "the outcome is not on the disk: a further attempt will hear that it is unknown");
        }
        outcome
    }

    fn store_failed(&self, fault: &crate::store::StoreError) -> Down {
        tracing::error!(%fault, "the state directory fails; make room, or check its permissions");
        Down::Refusal(refusal(RefusalReason::Overloaded, "the bridge cannot write its state; try another bridge"))
    }

    async fn outcome_unknown(&self, device: &DeviceId, id: RequestId, max_cost: Usd) -> Down {
        let detail =
            "the bridge stopped between the upstream's call and its answer; all that was allowed counts as spent";
        let outcome = Down::Refusal(Refusal { cost: max_cost, ..refusal(RefusalReason::OutcomeUnknown, detail) });
        if let Err(fault) = self.store.close(device, id, &outcome).await {
            tracing::error!(%device, request = %id, %fault, "the outcome is not on the disk");
        }
        outcome
    }

    /// Nodes to try, in order: the one that was asked for, then, where allowed, the others from best to worst.
    fn candidates(&self, request: &Request) -> Vec<&Node> {
        let (named, mut others): (Vec<_>, Vec<_>) =
            self.nodes.iter().partition(|node| node.upstream.config.node == request.node);
        others.sort_by(|a, b| b.upstream.config.quality.total_cmp(&a.upstream.config.quality));
        others.retain(|_| request.fallback_allowed);
        named.into_iter().chain(others).collect()
    }

    /// Refuses what no node can take before anything is uploaded; then collects the views.
    async fn prepare(
        &self,
        device: &DeviceId,
        request: &Request,
        pieces: mpsc::Receiver<Piece>,
    ) -> Result<Vec<Bytes>, Refusal> {
        let mut unfit = None;
        let mut fits = false;
        for node in self.candidates(request) {
            let fault = match node.plan(request, request.max_cost) {
                Ok(_) if node.health().available(std::time::Instant::now()) => {
                    fits = true;
                    continue;
                }
                Ok(_) => circuit_open(node),
                Err(fault) => fault,
            };
            unfit.get_or_insert(fault);
        }
        if !fits {
            let unknown = || Unfit {
                reason: RefusalReason::UnknownNode,
                detail: format!("bridge {} has no node {}; see its offers", self.config.bridge, request.node),
            };
            return Err(unfit.unwrap_or_else(unknown).into());
        }
        let body = self.collect(device, request, pieces).await?;
        let malformed = |detail: String| refusal(RefusalReason::Malformed, detail);
        let views = request.split(&body).ok_or_else(|| malformed("the views do not add up to the body".to_owned()))?;
        request
            .views
            .iter()
            .zip(views)
            .map(|(view, jpeg)| {
                if !jpeg.starts_with(&[0xff, 0xd8]) {
                    return Err(malformed(format!("view {} is no JPEG", view.name)));
                }
                if self.config.blind {
                    return grey(jpeg).map_err(|fault| malformed(format!("view {}: {fault}", view.name)));
                }
                Ok(body.slice_ref(jpeg))
            })
            .collect()
    }

    async fn collect(
        &self,
        device: &DeviceId,
        request: &Request,
        pieces: mpsc::Receiver<Piece>,
    ) -> Result<Bytes, Refusal> {
        let assembler = match (&request.body, Assembler::new(request)) {
            (Body::Inline(bytes), _) => return Ok(bytes.clone().into()),
            (Body::Chunked(_), None) => return Err(refusal(RefusalReason::Malformed, "the manifest is empty")),
            (Body::Chunked(_), Some(assembler)) => assembler,
        };
        let filter = filters::chunks(&self.config.fleet, device, &request.id);
        match self.link.subscribe(&filter, Qos::AtLeastOnce).await {
            // A link that is down subscribes when it comes back, and the grant waits for that as well.
            Ok(()) | Err(SubscribeError::Down { .. }) => {}
            Err(fault @ (SubscribeError::TooMany { .. } | SubscribeError::Refused { .. })) => {
                self.link.unsubscribe(&filter).await;
                tracing::error!(%fault, "no chunks can be taken");
                return Err(refusal(RefusalReason::Overloaded, "the bridge cannot take chunks; try another bridge"));
            }
        }
        let collected = self.assemble(device, request, assembler, pieces).await;
        self.link.unsubscribe(&filter).await;
        collected
    }

    async fn assemble(
        &self,
        device: &DeviceId,
        request: &Request,
        mut assembler: Assembler,
        mut pieces: mpsc::Receiver<Piece>,
    ) -> Result<Bytes, Refusal> {
        let mut attempt = request.attempt;
        self.grant(device, request, attempt, assembler.credit()).await;
        let incomplete = |fault: ChunkError| refusal(RefusalReason::BodyIncomplete, fault.to_string());
        loop {
            let Some(piece) = pieces.recv().await else {
                return Err(refusal(RefusalReason::Draining, "the bridge is stopping; try another bridge"));
            };
            match piece {
                Piece::Again { attempt: again } => {
                    attempt = again;
                    self.grant(device, request, attempt, assembler.credit()).await;
                }
                Piece::Chunk { n, bytes } => match assembler.on_chunk(n, &bytes).map_err(incomplete)? {
                    Progress::Complete => return assembler.finish().map(Bytes::from).map_err(incomplete),
                    Progress::More { credit: Some(credit) } => self.grant(device, request, attempt, credit).await,
                    Progress::More { credit: None } => {}
                },
            }
        }
    }

    async fn grant(&self, device: &DeviceId, request: &Request, attempt: u16, credit: u32) {
        let grant = Down::Grant(Grant { bridge: self.config.bridge.clone(), attempt, credit });
        // Waits for the link, for as long as the request's deadline lets it.
        while let Err(fault) =
            self.publish(device, request.id, &grant, Qos::AtLeastOnce, request.deadline.duration()).await
        {
            match fault {
                Unpublished::Away => self.link_up().await,
                Unpublished::Refused(detail) => {
                    tracing::error!(%device, request = %request.id, %detail, "a grant cannot be published");
                    return;
                }
            }
        }
    }

    async fn ask(&self, device: &DeviceId, request: &Request, views: &[Bytes], deadline: Instant) -> Down {
        let mut spent = Usd::ZERO;
        let mut last = None;
        for node in self.candidates(request) {
            let max_tokens = match node.plan(request, request.max_cost.minus(spent)) {
                Ok(max_tokens) => max_tokens,
                Err(unfit) => {
                    last.get_or_insert_with(|| unfit.into());
                    continue;
                }
            };
            if !node.health().admit(std::time::Instant::now()) {
                last.get_or_insert_with(|| circuit_open(node).into());
                continue;
            }
            match self.call(device, request, views, node, max_tokens, deadline).await {
                Ok(answer) => return Down::Answer(Answer { cost: answer.cost.plus(spent), ..answer }),
                Err(failed) => {
                    spent = spent.plus(failed.refusal.cost);
                    last = Some(failed.refusal);
                    if failed.is_final {
                        break;
                    }
                }
            }
        }
        let last = last.unwrap_or_else(|| refusal(RefusalReason::UnknownNode, "no node can be asked"));
        Down::Refusal(Refusal { cost: spent, ..last })
    }

    async fn call(
        &self,
        device: &DeviceId,
        request: &Request,
        views: &[Bytes],
        node: &Node,
        max_tokens: u32,
        deadline: Instant,
    ) -> Result<Answer, Failed> {
        let name = &node.upstream.config.node;
        let worst = node.worst(request, max_tokens);
        let until = deadline.min(Instant::now() + node.upstream.config.timeout);
        let words = Mutex::new(Words::default());
        let listen = |text: &str| {
            let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
            words.any = true;
            words.text.push_str(text);
        };
        self.counters.add(|c| &c.upstream_calls);
        let calling = node.upstream.call(&request.messages, &request.prompt, views, max_tokens, listen);
        let called = tokio::select! {
            called = tokio::time::timeout_at(until, calling) => called,
            never = self.stream(device, request, &words) => match never {},
        };
        let heard = words.lock().unwrap_or_else(PoisonError::into_inner).any;
        match called {
            Ok(Ok(reply)) => {
                let usage = node.usage(request, max_tokens, &reply);
                let was_available = node.health().available(std::time::Instant::now());
                node.succeeded(&usage, &reply);
                if !was_available {
                    self.offers_changed.notify_one();
                }
                Ok(Answer {
                    text: reply.text,
                    node: name.clone(),
                    usage,
                    cost: node.upstream.config.prices.of(&usage),
                    upstream: Millis::from_duration(reply.total),
                    finish: reply.finish,
                    replayed: false,
                })
            }
            Ok(Err(fault)) => {
                tracing::warn!(node = %name, detail = %fault.detail, "upstream failed");
                if fault.of_node {
                    self.node_failed(node);
                } else {
                    node.health().untold();
                }
                let cost = if fault.charged { worst } else { Usd::ZERO };
                let refused = refusal(fault.reason, format!("node {name} {}", fault.detail));
                // Two voices in one answer are worse than none.
                Err(Failed { refusal: Refusal { cost, ..refused }, is_final: heard })
            }
            Err(_) => {
                let overdue = Instant::now() >= deadline;
                if overdue {
                    node.health().untold();
                } else {
                    self.node_failed(node);
                }
                let (reason, detail) = if overdue {
                    (RefusalReason::Deadline, format!("node {name} had not answered at the deadline"))
                } else {
                    let limit = node.upstream.config.timeout;
                    (RefusalReason::UpstreamSilent, format!("node {name} took longer than {limit:?}; use another node"))
                };
                Err(Failed { refusal: Refusal { cost: worst, ..refusal(reason, detail) }, is_final: overdue || heard })
            }
        }
    }

    fn node_failed(&self, node: &Node) {
        let now = std::time::Instant::now();
        let was_available = node.health().available(now);
        node.health().failed(now);
        if was_available && !node.health().available(now) {
            self.offers_changed.notify_one();
        }
    }

    /// Passes on what is heard, until dropped. What is lost on the way comes again with the whole answer.
    async fn stream(&self, device: &DeviceId, request: &Request, words: &Mutex<Words>) -> Infallible {
        let mut every = tokio::time::interval(STREAM_EVERY);
        let mut seq = 0;
        loop {
            every.tick().await;
            let mut text = std::mem::take(&mut words.lock().unwrap_or_else(PoisonError::into_inner).text);
            while !text.is_empty() {
                let rest = text.split_off(text.floor_char_boundary(PIECE_BYTES_MAX));
                let tokens = Down::Tokens(Tokens { seq, text });
                let expiry = request.deadline.duration();
                if let Err(fault) = self.publish(device, request.id, &tokens, Qos::AtMostOnce, expiry).await {
                    tracing::debug!(%fault, "a piece of an answer was not passed on");
                }
                seq += 1;
                text = rest;
            }
        }
    }

    /// Publishes and waits for the broker's word, over lost connections, for [`PUBLISH_WAIT_MAX`] at most.
    pub(crate) async fn publish_surely(&self, device: &DeviceId, id: RequestId, packet: &Down) {
        let publishing = async {
            loop {
                match self.publish(device, id, packet, Qos::AtLeastOnce, ANSWER_EXPIRY).await {
                    Ok(()) => return,
                    Err(Unpublished::Refused(detail)) => {
                        tracing::error!(%device, request = %id, %detail, "an outcome cannot be published");
                        return;
                    }
                    Err(Unpublished::Away) => self.link_up().await,
                }
            }
        };
        if tokio::time::timeout(PUBLISH_WAIT_MAX, publishing).await.is_err() {
            tracing::error!(%device, request = %id, "an outcome was not published; a further attempt will find it");
        }
    }

    async fn publish(
        &self,
        device: &DeviceId,
        id: RequestId,
        packet: &Down,
        qos: Qos,
        expiry: Duration,
    ) -> Result<(), Unpublished> {
        let bytes = encode_down(packet).map_err(|fault| Unpublished::Refused(fault.to_string()))?;
        let topic = Topic::Response(self.config.fleet.clone(), device.clone(), id);
        let publication = Publication::new(topic, CONTENT_TYPE_DOWN, bytes).expiring(expiry);
        let publication = Publication { qos, ..publication };
        let delivery = self.link.publish(publication).await.map_err(|fault| match fault {
            PublishError::Down { .. } => Unpublished::Away,
            PublishError::TooLarge { .. } | PublishError::Topic { .. } => Unpublished::Refused(fault.to_string()),
        })?;
        if qos == Qos::AtMostOnce {
            drop(delivery);
            return Ok(());
        }
        match tokio::time::timeout(ACKNOWLEDGE_WAIT_MAX, delivery.acknowledged()).await {
            // A device that is away asks again with the same request id when it is back.
            Ok(Ok(()) | Err(DeliveryError::NoSubscriber)) => Ok(()),
            Ok(Err(DeliveryError::Refused { reason })) => Err(Unpublished::Refused(reason)),
            Ok(Err(DeliveryError::SessionLost | DeliveryError::Ended)) | Err(_) => Err(Unpublished::Away),
        }
    }

    async fn link_up(&self) {
        let mut state = self.link.watch();
        let ready = |state: &LinkState| state.is_up();
        if state.wait_for(ready).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Text that came and was not passed on yet.
#[derive(Debug, Default)]
struct Words {
    text: String,
    any: bool,
}

/// A call that gave no answer.
struct Failed {
    refusal: Refusal,
    /// Whether no other node may be tried.
    is_final: bool,
}

#[derive(Debug, thiserror::Error)]
enum Unpublished {
    #[error("the link is down")]
    Away,
    #[error("{0}")]
    Refused(String),
}

fn circuit_open(node: &Node) -> Unfit {
    let name = &node.upstream.config.node;
    Unfit {
        reason: RefusalReason::CircuitOpen,
        detail: format!("node {name} failed repeatedly and rests; use another"),
    }
}

fn replay(known: Down) -> Down {
    match known {
        Down::Answer(answer) => Down::Answer(Answer { replayed: true, ..answer }),
        other @ (Down::Refusal(_) | Down::Grant(_) | Down::Tokens(_)) => other,
    }
}
