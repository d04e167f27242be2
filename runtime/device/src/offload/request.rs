//! One request from its outbox to its answer.
//!
//! ```text
//!  outbox ─▶ publish ─┬─ grant ─▶ chunks ─┬─▶ answer · refusal ─▶ done
//!            ▲        └─ tokens ──────────┤
//!            └─ nobody subscribed, link back, bridge asks again ── while bytes and time last
//!                                         └─▶ deadline ─▶ late
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use trimtab_core::budget::HoldId;
use trimtab_core::{Bytes, ConversationId, Millis, TurnId, Usd};
use trimtab_mqtt::{DeliveryError, LinkState, Publication, PublishError};
use trimtab_wire::chunks::Question;
use trimtab_wire::limits::{CONTENT_TYPE_CHUNK, CONTENT_TYPE_UP};
use trimtab_wire::{Answer, Body, Down, Message, NodeName, Refusal, RequestId, Topic, Up, Upload, encode_up};

use super::{HEARD_MAX, LateAnswer, Offload, Route, publication_bytes};
use crate::camera::UploadView;
use crate::clock::Clock;
use trimtab_ledger::{LedgerError, Outgoing};

/// Publications of one request.
const ATTEMPTS_MAX: u16 = 4;
/// Pause before a request that nobody took is published again.
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// What a turn asks of a bridge.
pub(crate) struct Asked {
    pub(crate) turn: TurnId,
    pub(crate) hold: HoldId,
    pub(crate) conversation: ConversationId,
    pub(crate) node: String,
    pub(crate) prompt: String,
    pub(crate) context: Vec<Message>,
    pub(crate) views: Vec<UploadView>,
    pub(crate) max_tokens: u32,
    pub(crate) max_cost: Usd,
    /// What all attempts together may take of the uplink: what the hold reserves.
    pub(crate) max_bytes: Bytes,
    /// In active time.
    pub(crate) deadline: Millis,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What a turn hears of its request. After an answer or a failure nothing follows.
#[derive(Debug)]
pub(crate) enum Heard {
    Text(String),
    Answered { answer: Answer, bytes_up: Bytes },
    Failed { reason: String, detail: String, money: Usd, bytes_up: Bytes },
}

/// Why a request cannot be made at all.
#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error("node {node:?} is no name for a topic: {cause}; the bridge must offer another")]
    Node { node: String, cause: trimtab_wire::NameError },
    #[error("the request breaks a bound: {0}; ask for less, or lower the views' upload size")]
    Wire(#[from] trimtab_wire::WireError),
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    #[error("no randomness for a request id: {0}")]
    Random(getrandom::Error),
}

/// How an attempt to publish went.
enum Sent {
    Yes,
    /// The link is down; it is tried again once it is up.
    LinkDown,
    /// The hold's bytes are used up.
    Dry,
    /// It never will.
    Never(String),
}

struct Run {
    offload: Offload,
    asked: Asked,
    request: RequestId,
    upload: Upload,
    sent: Bytes,
    /// When the large part of the present attempt was begun, and its size so far.
    burst: Option<(Instant, u64)>,
    deliveries: JoinSet<Result<(), DeliveryError>>,
}

pub(super) async fn run(offload: Offload, asked: Asked, heard: mpsc::Sender<Heard>) {
    let deadline = asked.deadline;
    let clock = Arc::clone(&asked.clock);
    let (turn, hold, node) = (asked.turn, asked.hold, asked.node.clone());
    let (mut run, mut said) = match Run::begin(offload.clone(), asked).await {
        Ok(begun) => begun,
        Err(fault) => {
            let reason = match &fault {
                RequestError::Ledger(_) => "ledger_failed",
                RequestError::Node { .. } | RequestError::Wire(_) | RequestError::Random(_) => "request_invalid",
            };
            let failed = Heard::Failed {
                reason: reason.to_owned(),
                detail: fault.to_string(),
                money: Usd::ZERO,
                bytes_up: Bytes::ZERO,
            };
            // A turn that no longer listens has ended by itself.
            let _ = heard.send(failed).await;
            return;
        }
    };
    let end = run.follow(&mut said, &heard, deadline, clock.as_ref()).await;
    let request = run.request;
    match end {
        Some(end) => {
            offload.routes().answered(request);
            if let Err(mpsc::error::SendError(end)) = heard.send(end).await {
                let (money, node) = match end {
                    Heard::Answered { answer, .. } => (answer.cost, answer.node.to_string()),
                    Heard::Failed { money, .. } => (money, node),
                    Heard::Text(_) => return,
                };
                offload
                    .settle(LateAnswer { request: Some(request), turn, hold, node, money, bytes_up: Some(run.sent) })
                    .await;
                return;
            }
            let now = clock.now();
            if let Err(fault) = offload.0.ledger.with(move |store| store.outbox_take(now, request)).await {
                tracing::warn!(%request, fault = %crate::fault_text(&fault), "an answered request stays in the outbox");
            }
        }
        None => {
            // Only now does the account listen in the turn's place; whatever was said in between is still in the queue.
            let route = Route::Late { turn, hold, node: node.clone(), bytes_up: Some(run.sent) };
            offload.routes().open.insert(request, route);
            said.close();
            let now = clock.now();
            if let Err(fault) = offload.0.ledger.with(move |store| store.outbox_late(now, request)).await {
                tracing::warn!(%request, fault = %crate::fault_text(&fault), "a request is not marked as late");
            }
            while let Some(down) = said.recv().await {
                let (money, node) = match down {
                    Down::Answer(answer) => (answer.cost, answer.node.to_string()),
                    Down::Refusal(refusal) => (refusal.cost, node.clone()),
                    Down::Grant(_) | Down::Tokens(_) => continue,
                };
                offload
                    .settle(LateAnswer { request: Some(request), turn, hold, node, money, bytes_up: Some(run.sent) })
                    .await;
            }
        }
    }
}

impl Run {
    async fn begin(offload: Offload, asked: Asked) -> Result<(Self, mpsc::Receiver<Down>), RequestError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(RequestError::Random)?;
        let request = RequestId(id);
        let node =
            NodeName::new(&asked.node).map_err(|cause| RequestError::Node { node: asked.node.clone(), cause })?;
        let question = Question {
            id: request,
            turn: asked.turn,
            node,
            fallback_allowed: false,
            prompt: asked.prompt.clone(),
            messages: asked.context.clone(),
            max_tokens: asked.max_tokens,
            max_cost: asked.max_cost,
            deadline: left(&asked),
        };
        let views = asked.views.iter().map(|view| (view.name().clone(), view.jpeg().to_vec())).collect();
        let upload = Upload::plan(question, views)?;
        let entry = Outgoing {
            request,
            turn: asked.turn,
            hold: asked.hold,
            conversation: asked.conversation,
            node: asked.node.clone(),
            deadline: asked.deadline,
            late: false,
        };
        let now = asked.clock.now();
        offload.0.ledger.with(move |store| store.outbox_put(now, &entry)).await?;
        let (tell, said) = mpsc::channel(HEARD_MAX);
        offload.routes().open.insert(request, Route::Task(tell));
        let run = Self { offload, asked, request, upload, sent: Bytes::ZERO, burst: None, deliveries: JoinSet::new() };
        Ok((run, said))
    }

    /// Publishes and listens until there is an end; none at the deadline.
    async fn follow(
        &mut self,
        said: &mut mpsc::Receiver<Down>,
        heard: &mpsc::Sender<Heard>,
        deadline: Millis,
        clock: &dyn Clock,
    ) -> Option<Heard> {
        let mut link = self.offload.0.link.0.watch();
        let mut epoch = None;
        let mut pieces = 0;
        let mut again = Box::pin(tokio::time::sleep(Duration::ZERO));
        let mut waiting_to_send = true;
        let mut dry = false;
        loop {
            let until_deadline = deadline.minus(clock.now());
            if until_deadline.is_zero() {
                return None;
            }
            tokio::select! {
                down = said.recv() => match down? {
                    Down::Grant(grant) => {
                        if self.upload.on_grant(&grant)
                            && let Sent::Never(detail) = self.send_chunks().await
                        {
                            return Some(self.failed("publish_failed", detail, Usd::ZERO));
                        }
                    }
                    Down::Tokens(tokens) => {
                        // After a gap the stream stays silent: the answer carries the whole text.
                        if tokens.seq == pieces {
                            pieces += 1;
                            // The turn may be over; its end is noticed when the answer comes.
                            let _ = heard.send(Heard::Text(tokens.text)).await;
                        }
                    }
                    Down::Answer(answer) => return Some(Heard::Answered { answer, bytes_up: self.sent }),
                    Down::Refusal(refusal) => {
                        if refusal.reason.may_retry() && !self.exhausted() && !dry {
                            waiting_to_send = true;
                            again.as_mut().reset(tokio::time::Instant::now() + RETRY_PAUSE);
                        } else {
                            return Some(self.refused(&refusal));
                        }
                    }
                },
                () = again.as_mut(), if waiting_to_send => {
                    waiting_to_send = false;
                    let state = link.borrow_and_update().clone();
                    if let LinkState::Up { epoch: now, .. } = state {
                        epoch = Some(now);
                        match self.send_request().await {
                            Sent::Yes | Sent::LinkDown => {}
                            Sent::Dry => dry = true,
                            Sent::Never(detail) => return Some(self.failed("publish_failed", detail, Usd::ZERO)),
                        }
                    }
                }
                Some(delivered) = self.deliveries.join_next() => match delivered {
                    Ok(Ok(())) => {
                        if self.deliveries.is_empty() && let Some((begun, bytes)) = self.burst.take() {
                            self.offload.meter().on_acknowledged(bytes, begun.elapsed());
                        }
                    }
                    Ok(Err(DeliveryError::NoSubscriber)) => {
                        if self.exhausted() || dry {
                            let detail = "no bridge listens for requests; start trimtab-bridge for this fleet".to_owned();
                            return Some(self.failed("no_bridge", detail, Usd::ZERO));
                        }
                        waiting_to_send = true;
                        again.as_mut().reset(tokio::time::Instant::now() + RETRY_PAUSE);
                    }
                    Ok(Err(DeliveryError::Refused { reason })) => {
                        let detail = format!("the broker refuses the request: {reason}; check its access rules for this device");
                        return Some(self.failed("broker_refused", detail, Usd::ZERO));
                    }
                    // A lost session shows as a new epoch of the link; the request is published again then.
                    Ok(Err(DeliveryError::SessionLost | DeliveryError::Ended)) | Err(_) => self.burst = None,
                },
                changed = link.changed() => {
                    let state = link.borrow_and_update().clone();
                    match state {
                        // The runtime stops; whether the request was heard is known when the next one gets its answer.
                        LinkState::Ended => return None,
                        LinkState::Up { epoch: now, .. } if epoch != Some(now) && !self.exhausted() && !dry => {
                            waiting_to_send = true;
                            again.as_mut().reset(tokio::time::Instant::now());
                        }
                        LinkState::Up { .. } | LinkState::Down { .. } if changed.is_ok() => {}
                        LinkState::Up { .. } | LinkState::Down { .. } => return None,
                    }
                }
                () = tokio::time::sleep(until_deadline.duration()) => {}
            }
        }
    }

    fn exhausted(&self) -> bool {
        self.upload.request().attempt >= ATTEMPTS_MAX
    }

    /// Publishes the request, or its manifest; every publication after the first is a new attempt.
    async fn send_request(&mut self) -> Sent {
        if !self.sent.is_zero() {
            self.upload.retry(left(&self.asked));
        }
        let inline = match &self.upload.request().body {
            Body::Inline(bytes) => bytes.len() as u64,
            Body::Chunked(manifest) => u64::from(manifest.total),
        };
        let payload = match encode_up(&Up::Request(self.upload.request().clone())) {
            Ok(payload) => payload,
            Err(fault) => return Sent::Never(fault.to_string()),
        };
        let topic = Topic::Request(self.offload.0.fleet.clone(), self.offload.0.device.clone());
        let publication = Publication::new(topic, CONTENT_TYPE_UP, payload).expiring(left(&self.asked).duration());
        // A chunked body has to fit as well, or sending its manifest is in vain.
        let needed = match &self.upload.request().body {
            Body::Inline(_) => publication_bytes(&publication),
            Body::Chunked(_) => publication_bytes(&publication).plus(Bytes::new(inline)),
        };
        if self.sent.plus(needed) > self.asked.max_bytes {
            return if self.sent.is_zero() {
                let limit = self.asked.max_bytes;
                Sent::Never(format!("the request takes {needed}, its hold reserves {limit}; raise the budget on bytes"))
            } else {
                Sent::Dry
            };
        }
        self.publish(publication).await
    }

    async fn send_chunks(&mut self) -> Sent {
        loop {
            let (fleet, device) = (self.offload.0.fleet.clone(), self.offload.0.device.clone());
            let Some(chunk) = self.upload.next_chunk() else { return Sent::Yes };
            let topic = Topic::Chunk(fleet, device, self.request, chunk.n);
            let publication = Publication::new(topic, CONTENT_TYPE_CHUNK, chunk.bytes.to_vec());
            let needed = publication_bytes(&publication);
            if self.sent.plus(needed) > self.asked.max_bytes {
                return Sent::Dry;
            }
            match self.publish(publication.expiring(left(&self.asked).duration())).await {
                Sent::Yes => {}
                other => return other,
            }
        }
    }

    async fn publish(&mut self, publication: Publication) -> Sent {
        let bytes = publication_bytes(&publication);
        let begun = Instant::now();
        let patience = left(&self.asked).duration();
        let published = tokio::time::timeout(patience, self.offload.0.link.0.publish(publication)).await;
        // Where the connection stalls until the deadline, nobody knows how much of it went out: all of it counts.
        if matches!(published, Ok(Ok(_)) | Err(_)) {
            self.offload.0.uplink.add(bytes);
            self.sent = self.sent.plus(bytes);
        }
        match published {
            Ok(Ok(delivery)) => {
                let (_, total) = self.burst.get_or_insert((begun, 0));
                *total += bytes.get();
                self.deliveries.spawn(delivery.acknowledged());
                Sent::Yes
            }
            Err(_) | Ok(Err(PublishError::Down { .. })) => Sent::LinkDown,
            Ok(Err(fault @ (PublishError::TooLarge { .. } | PublishError::Topic { .. }))) => {
                Sent::Never(fault.to_string())
            }
        }
    }

    fn refused(&self, refusal: &Refusal) -> Heard {
        let node = &self.asked.node;
        let detail = format!("node {node}: {}", refusal.detail);
        self.failed(refusal.reason.name(), detail, refusal.cost)
    }

    fn failed(&self, reason: &str, detail: String, money: Usd) -> Heard {
        Heard::Failed { reason: reason.to_owned(), detail, money, bytes_up: self.sent }
    }
}

/// What is left until the deadline; at least a millisecond, since the contract has no deadline of zero.
fn left(asked: &Asked) -> Millis {
    asked.deadline.minus(asked.clock.now()).max(Millis::new(1))
}
