//! The way to the cloud: requests over MQTT, answers by request id, offers, and what the traffic says of the link.
//!
//! A request is durable in the ledger's outbox before it is published, and stays there until its answer came. Nobody
//! trusts an acknowledgement of the broker: a request is done when its answer is here. While its turn waits, what the
//! bridge says goes to the turn; afterwards the answer is **late**: it settles the hold that was left open, also after a
//! restart. A second answer to one request is counted and dropped.

mod estimate;
mod offers;
mod request;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use trimtab_core::budget::HoldId;
use trimtab_core::observation::LinkEstimate;
use trimtab_core::{Bytes, TurnId, Usd};
use trimtab_mqtt::{Delivery, DeliveryError, Incoming, Link, Publication, Qos};
use trimtab_wire::{DeviceId, Down, FleetId, RequestId, decode_down};

use crate::meter::Uplink;
use estimate::LinkMeter;
use trimtab_ledger::Ledger;

pub(crate) use offers::{Change, OfferBook};
pub(crate) use request::{Asked, Heard};

/// What of one request's answer may wait for its turn.
const HEARD_MAX: usize = 256;
/// Requests whose answers are remembered, to tell a second answer from one to a request that was never made.
const ANSWERED_MAX: usize = 256;
/// Late answers that wait to be settled.
pub(crate) const LATE_MAX: usize = 64;

/// An answer, or a refusal with a cost, that came after its turn was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LateAnswer {
    /// Still in the outbox; none where it was taken out already.
    pub(crate) request: Option<RequestId>,
    pub(crate) turn: TurnId,
    pub(crate) hold: HoldId,
    pub(crate) node: String,
    pub(crate) money: Usd,
    /// What the request took of the uplink; none where only the runtime that sent it knew.
    pub(crate) bytes_up: Option<Bytes>,
}

/// Who hears what a bridge says about a request.
#[derive(Debug)]
enum Route {
    /// The task that sent it.
    Task(mpsc::Sender<Down>),
    /// Nobody but the account: the turn is over.
    Late { turn: TurnId, hold: HoldId, node: String, bytes_up: Option<Bytes> },
}

#[derive(Debug)]
struct Inner {
    link: Wire,
    fleet: FleetId,
    device: DeviceId,
    ledger: Ledger,
    uplink: Uplink,
    routes: Mutex<Routes>,
    meter: Mutex<LinkMeter>,
    late: mpsc::Sender<LateAnswer>,
    duplicates: AtomicU64,
    strays: AtomicU64,
}

#[derive(Debug, Default)]
struct Routes {
    open: HashMap<RequestId, Route>,
    answered: HashSet<RequestId>,
    /// The same in the order of their answers, so that the oldest can be forgotten.
    order: VecDeque<RequestId>,
}

impl Routes {
    fn answered(&mut self, request: RequestId) {
        self.open.remove(&request);
        if self.answered.insert(request) {
            self.order.push_back(request);
        }
        if self.order.len() > ANSWERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.answered.remove(&oldest);
        }
    }
}

/// The offload client of a device; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Offload(Arc<Inner>);

/// [`Link`] with the `Debug` that a handle needs.
struct Wire(Link);

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({:?})", self.0.state())
    }
}

/// What an offload client is made of.
pub(crate) struct Way {
    pub(crate) link: Link,
    pub(crate) fleet: FleetId,
    pub(crate) device: DeviceId,
    pub(crate) ledger: Ledger,
    pub(crate) uplink: Uplink,
    pub(crate) prior: LinkEstimate,
    pub(crate) measure: bool,
    pub(crate) late: mpsc::Sender<LateAnswer>,
}

impl Offload {
    pub(crate) fn new(way: Way) -> Self {
        Self(Arc::new(Inner {
            link: Wire(way.link),
            fleet: way.fleet,
            device: way.device,
            ledger: way.ledger,
            uplink: way.uplink,
            routes: Mutex::default(),
            meter: Mutex::new(LinkMeter::new(way.prior, way.measure)),
            late: way.late,
            duplicates: AtomicU64::new(0),
            strays: AtomicU64::new(0),
        }))
    }

    /// Waits for the answers to requests of an earlier runtime; all of them are late.
    pub(crate) async fn resume(&self) -> Result<usize, trimtab_ledger::LedgerError> {
        let open = self.0.ledger.with(|store| store.outbox()).await?;
        let count = open.len();
        let mut routes = self.routes();
        for entry in open {
            let route = Route::Late { turn: entry.turn, hold: entry.hold, node: entry.node, bytes_up: None };
            routes.open.insert(entry.request, route);
        }
        Ok(count)
    }

    /// Sends a request and reports what comes of it on `heard`, until its answer or its deadline; then only the account
    /// listens.
    pub(crate) fn ask(&self, asked: Asked, heard: mpsc::Sender<Heard>) {
        tokio::spawn(request::run(self.clone(), asked, heard));
    }

    /// Takes what a bridge said about a request; returns a late answer, which the account has to settle.
    pub(crate) async fn on_response(&self, request: RequestId, message: &Incoming) -> Option<LateAnswer> {
        let down = match decode_down(message.content_type.as_deref(), &message.payload) {
            Ok(down) => down,
            Err(fault) => {
                tracing::warn!(%request, %fault, "a bridge's packet was not believed");
                return None;
            }
        };
        enum Next {
            Tell(mpsc::Sender<Down>),
            Settle(LateAnswer),
            Drop,
        }
        let next = {
            let routes = self.routes();
            let last = matches!(down, Down::Answer(_) | Down::Refusal(_));
            match routes.open.get(&request) {
                Some(Route::Task(task)) => Next::Tell(task.clone()),
                Some(Route::Late { turn, hold, node, bytes_up }) => {
                    let late = |money, node: String| LateAnswer {
                        request: Some(request),
                        turn: *turn,
                        hold: *hold,
                        node,
                        money,
                        bytes_up: *bytes_up,
                    };
                    let late = match &down {
                        Down::Answer(answer) => Some(late(answer.cost, answer.node.to_string())),
                        Down::Refusal(refusal) => Some(late(refusal.cost, node.clone())),
                        Down::Grant(_) | Down::Tokens(_) => None,
                    };
                    late.map_or(Next::Drop, Next::Settle)
                }
                None => {
                    if last && routes.answered.contains(&request) {
                        self.0.duplicates.fetch_add(1, Ordering::Relaxed);
                    } else if last {
                        self.0.strays.fetch_add(1, Ordering::Relaxed);
                        tracing::debug!(%request, "an answer to no request of this ledger");
                    }
                    Next::Drop
                }
            }
        };
        match next {
            Next::Tell(task) => {
                self.tell(request, task, down).await;
                None
            }
            Next::Settle(late) => {
                self.routes().answered(request);
                Some(late)
            }
            Next::Drop => None,
        }
    }

    async fn tell(&self, request: RequestId, task: mpsc::Sender<Down>, down: Down) {
        let piece = matches!(down, Down::Tokens(_));
        let told = if piece {
            // A lost piece costs only the stream: the answer carries the whole text.
            task.try_send(down).is_ok()
        } else {
            task.send(down).await.is_ok()
        };
        if !told && !piece {
            tracing::debug!(%request, "a request ended while its answer came");
        }
    }

    /// Hands a late answer to the account, once.
    async fn settle(&self, late: LateAnswer) {
        if let Some(request) = late.request {
            self.routes().answered(request);
        }
        if self.0.late.send(late).await.is_err() {
            tracing::debug!("a late answer came while the runtime stopped; the broker delivers it again");
        }
    }

    /// Answers that came a second time.
    pub(crate) fn duplicates(&self) -> u64 {
        self.0.duplicates.load(Ordering::Relaxed)
    }

    /// Answers to requests that this ledger does not know.
    pub(crate) fn strays(&self) -> u64 {
        self.0.strays.load(Ordering::Relaxed)
    }

    /// Requests that wait for an answer, late ones included.
    pub(crate) fn waiting(&self) -> usize {
        self.routes().open.len()
    }

    pub(crate) fn set_up(&self, up: bool) {
        self.meter().set_up(up);
    }

    pub(crate) fn estimate(&self) -> LinkEstimate {
        self.meter().estimate()
    }

    /// Publishes where only the account of bytes and the link estimate care for the outcome: telemetry and reports.
    pub(crate) async fn tell_operator(&self, publication: Publication) {
        let acknowledged = publication.qos == Qos::AtLeastOnce;
        // Without an acknowledgement of the broker there is no round trip to be seen.
        if let Some(sent) = self.hand_over(publication).await.filter(|_| acknowledged) {
            let this = self.clone();
            tokio::spawn(async move { this.see_through(sent).await });
        }
    }

    /// Publishes what must arrive at the broker; false if that is not certain.
    pub(crate) async fn deliver(&self, publication: Publication) -> bool {
        match self.hand_over(publication).await {
            Some(sent) => self.see_through(sent).await,
            None => false,
        }
    }

    async fn hand_over(&self, publication: Publication) -> Option<Sent> {
        let bytes = publication_bytes(&publication);
        let topic = publication.topic.clone();
        let begun = Instant::now();
        // A connection that stalls must not hold up the turn that is told of.
        match tokio::time::timeout(TOLD_WITHIN, self.0.link.0.publish(publication)).await {
            Ok(Ok(delivery)) => {
                self.0.uplink.add(bytes);
                return Some(Sent { bytes: bytes.get(), begun, delivery });
            }
            Ok(Err(fault)) => tracing::debug!(%topic, %fault, "not told"),
            Err(_) => tracing::debug!(%topic, "not told: the connection stalls"),
        }
        None
    }

    /// Waits for the broker's word; true if it has the message, whether anybody listens or not.
    async fn see_through(&self, sent: Sent) -> bool {
        let waited = tokio::time::timeout(ACKNOWLEDGED_WITHIN, sent.delivery.acknowledged()).await;
        // Also the word that nobody listens has been there and back.
        let arrived = matches!(waited, Ok(Ok(()) | Err(DeliveryError::NoSubscriber)));
        if arrived {
            self.meter().on_acknowledged(sent.bytes, sent.begun.elapsed());
        }
        arrived
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.0.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meter(&self) -> MutexGuard<'_, LinkMeter> {
        self.0.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the connection has taken.
struct Sent {
    bytes: u64,
    begun: Instant,
    delivery: Delivery,
}

/// How long telemetry and reports may wait for the connection.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// After this an acknowledgement says nothing about the link any more.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// What a publication takes of the uplink: payload, topic and properties, without TCP's own headers.
fn publication_bytes(publication: &Publication) -> Bytes {
    let response = publication.response_topic.as_ref().map_or(0, String::len);
    let names = publication.topic.len() + publication.content_type.len() + response;
    Bytes::new((publication.payload.len() + names) as u64)
}
