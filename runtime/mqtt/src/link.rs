//! The handle of a connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rumqttc::{
    AsyncClient, ClientError, Filter, PubAckReason, PublishNotice, PublishNoticeError, PublishResult,
    SubscribeNoticeError, SubscribeReasonCode,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::connect::{Connect, ConnectError};
use crate::message::{Inbox, Publication, Qos};
use crate::poll::{keep_subscribed, poll};
use crate::{FILTERS_PER_PACKET_MAX, INBOX_SLACK, SUBSCRIPTIONS_MAX};

/// Whether the connection is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Connected, and every subscription answered.
    Up {
        /// Largest packet the broker takes, bytes.
        max_packet: usize,
        /// Counts connections, from 1; what was published before this one may have to be published again.
        epoch: u64,
        /// Whether the broker had kept the session.
        resumed: bool,
        /// Filters that the broker refused.
        refused: Arc<[String]>,
    },
    /// Not connected; attempts go on.
    Down {
        /// Since when.
        since: Instant,
        /// Why, as far as known.
        reason: Arc<str>,
    },
    /// Ended by [`Link::disconnect`] or by dropping every handle.
    Ended,
}

impl LinkState {
    /// Whether it is up.
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

/// Why something was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection, or it went before the message did. Nothing was kept.
    #[error("not published to {topic}: the link to the broker is down ({reason}); publish again once it is up")]
    Down {
        /// Where it should have gone.
        topic: String,
        /// Why the link is down.
        reason: String,
    },
    /// The broker takes no packet of that size.
    #[error(
        "not published to {topic}: {bytes} bytes exceed the broker's packet limit of {limit}; send chunks, or raise the broker's limit"
    )]
    TooLarge {
        /// Where it should have gone.
        topic: String,
        /// Size of the packet.
        bytes: usize,
        /// The broker's limit.
        limit: usize,
    },
    /// No topic to publish to.
    #[error("not published: {topic:?} is no topic name")]
    Topic {
        /// What was given.
        topic: String,
    },
}

/// Why a publication did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The broker has nobody to give it to (reason 0x10).
    #[error("nobody is subscribed to the topic")]
    NoSubscriber,
    /// The broker lost the session before it acknowledged; publish again.
    #[error("the session was lost before the broker acknowledged; publish again")]
    SessionLost,
    /// The broker refuses it.
    #[error("the broker refuses it: {reason}")]
    Refused {
        /// Its reason.
        reason: String,
    },
    /// The link has ended.
    #[error("the link ended before the broker acknowledged")]
    Ended,
}

/// Why a subscription is not in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// More filters than [`SUBSCRIPTIONS_MAX`].
    #[error("{filter} is one filter too many; the limit is {SUBSCRIPTIONS_MAX}")]
    TooMany {
        /// Which.
        filter: String,
    },
    /// The broker refuses it.
    #[error("the broker refuses the subscription to {filter}: {reason}; check its access rules")]
    Refused {
        /// Which.
        filter: String,
        /// Its reason.
        reason: String,
    },
    /// No connection now; the filter is kept and subscribed with the next one.
    #[error("{filter} will be subscribed once the link is up")]
    Down {
        /// Which.
        filter: String,
    },
}

/// A publication that the broker has yet to acknowledge. Dropping it loses only the knowledge.
#[derive(Debug)]
#[must_use = "await it where a refusal matters; drop it explicitly where not"]
pub struct Delivery(oneshot::Receiver<Result<PublishResult, PublishNoticeError>>);

impl Delivery {
    /// Waits for the broker's word (QoS 0: until written). It is no proof that a subscriber has acted.
    pub async fn acknowledged(self) -> Result<(), DeliveryError> {
        match self.0.await.unwrap_or(Err(PublishNoticeError::Recv)) {
            Ok(PublishResult::Qos1(ack)) => match ack.reason {
                PubAckReason::Success => Ok(()),
                PubAckReason::NoMatchingSubscribers => Err(DeliveryError::NoSubscriber),
                reason => Err(DeliveryError::Refused { reason: format!("{reason:?}") }),
            },
            Ok(_) => Ok(()),
            Err(PublishNoticeError::V5PubAck(PubAckReason::NoMatchingSubscribers)) => Err(DeliveryError::NoSubscriber),
            Err(PublishNoticeError::SessionReset | PublishNoticeError::Qos0NotFlushed) => {
                Err(DeliveryError::SessionLost)
            }
            Err(PublishNoticeError::Recv) => Err(DeliveryError::Ended),
            Err(refused) => Err(DeliveryError::Refused { reason: refused.to_string() }),
        }
    }
}

/// What the handle and its two tasks share.
pub(crate) struct Shared {
    pub(crate) client: AsyncClient,
    pub(crate) state: watch::Sender<LinkState>,
    /// Every filter to hold, in the order of their first subscription.
    pub(crate) filters: Mutex<Vec<(String, Qos)>>,
    /// Rung at every CONNACK.
    pub(crate) connected: Notify,
    pub(crate) epoch: Arc<AtomicU64>,
    /// What the last CONNACK said: packet limit, and whether the session was kept.
    pub(crate) accepted: Mutex<(usize, bool)>,
    pub(crate) lost: AtomicU64,
    /// Publications that the broker has yet to acknowledge.
    pub(crate) underway: watch::Sender<usize>,
    pub(crate) backoff_max: Duration,
}

impl Shared {
    /// Counts a publication until its fate is known.
    fn follow(self: &Arc<Self>, notice: PublishNotice) -> Delivery {
        let (tell, told) = oneshot::channel();
        self.underway.send_modify(|underway| *underway += 1);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let fate = notice.wait_async().await;
            shared.underway.send_modify(|underway| *underway -= 1);
            // Nobody has to want to know.
            let _ = tell.send(fate);
        });
        Delivery(told)
    }
}

/// Ends the tasks when the last handle goes.
struct Guard {
    stop: watch::Sender<bool>,
    client: AsyncClient,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // Wakes the polling task; there is nothing to wake where it has ended already.
        let _ended = self.client.try_disconnect_now();
    }
}

/// A connection that is kept up until [`Link::disconnect`], or until the last clone is dropped.
#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
    guard: Arc<Guard>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Link {
    /// Starts connecting; returns at once. `filters` are subscribed with every connection. Needs a tokio runtime.
    pub fn start(connect: &Connect, filters: &[(String, Qos)]) -> Result<(Self, Inbox), ConnectError> {
        let (client, event_loop) = AsyncClient::builder(connect.options()?).capacity(0).build();
        let down = LinkState::Down { since: Instant::now(), reason: "not connected yet".into() };
        let shared = Arc::new(Shared {
            client,
            state: watch::Sender::new(down),
            filters: Mutex::new(filters.iter().take(SUBSCRIPTIONS_MAX).cloned().collect()),
            connected: Notify::new(),
            epoch: Arc::default(),
            accepted: Mutex::new((0, false)),
            lost: AtomicU64::new(0),
            underway: watch::Sender::new(0),
            backoff_max: connect.backoff_max.max(Connect::BACKOFF_MIN),
        });
        let (sender, receiver) = mpsc::channel(2 * usize::from(connect.receive_max) + INBOX_SLACK);
        let stop = watch::Sender::new(false);
        let tasks = vec![
            tokio::spawn(poll(event_loop, Arc::clone(&shared), sender, stop.subscribe())),
            tokio::spawn(keep_subscribed(Arc::clone(&shared), stop.subscribe())),
        ];
        let guard = Arc::new(Guard { stop, client: shared.client.clone() });
        let link = Self { shared, guard, tasks: Arc::new(Mutex::new(tasks)) };
        Ok((link, Inbox(receiver)))
    }

    /// The state now.
    pub fn state(&self) -> LinkState {
        self.shared.state.borrow().clone()
    }

    /// Follows the state.
    pub fn watch(&self) -> watch::Receiver<LinkState> {
        self.shared.state.subscribe()
    }

    /// Waits until the link is up, at most `wait`; returns the state then.
    pub async fn up_within(&self, wait: Duration) -> LinkState {
        let mut state = self.watch();
        let up = state.wait_for(LinkState::is_up);
        match tokio::time::timeout(wait, up).await {
            Ok(Ok(up)) => up.clone(),
            Ok(Err(_)) | Err(_) => self.state(),
        }
    }

    /// Messages that came in and found no room in the inbox.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Hands a message to the connection. Returns once the connection has taken it; fails, keeping nothing, where the link
    /// is or goes down first.
    pub async fn publish(&self, publication: Publication) -> Result<Delivery, PublishError> {
        let mut state = self.watch();
        let epoch = match &*state.borrow_and_update() {
            LinkState::Up { max_packet, epoch, .. } => {
                let bytes = publication.packet_bytes();
                if bytes > *max_packet {
                    return Err(PublishError::TooLarge { topic: publication.topic, bytes, limit: *max_packet });
                }
                *epoch
            }
            state => return Err(refusal(&publication.topic, state)),
        };
        let properties = publication.properties();
        let Publication { topic, payload, qos, retain, .. } = publication;
        let send = self.shared.client.publish_bytes_with_properties_tracked(
            topic.as_str(),
            qos.into(),
            retain,
            payload,
            properties,
        );
        let gone = state.wait_for(|state| !matches!(state, LinkState::Up { epoch: now, .. } if *now == epoch));
        tokio::select! {
            biased;
            sent = send => match sent {
                Ok(notice) => Ok(self.shared.follow(notice)),
                Err(ClientError::Request(_)) => match self.state() {
                    LinkState::Up { .. } => Err(PublishError::Topic { topic }),
                    state => Err(refusal(&topic, &state)),
                },
                Err(_) => Err(refusal(&topic, &self.state())),
            },
            state = gone => Err(match state {
                Ok(state) => refusal(&topic, &state),
                Err(_) => refusal(&topic, &LinkState::Ended),
            }),
        }
    }

    /// Adds a filter to those held, and subscribes to it now where the link is up.
    pub async fn subscribe(&self, filter: &str, qos: Qos) -> Result<(), SubscribeError> {
        {
            let mut filters = self.shared.filters.lock().unwrap_or_else(PoisonError::into_inner);
            if !filters.iter().any(|(held, _)| held == filter) {
                if filters.len() == SUBSCRIPTIONS_MAX {
                    return Err(SubscribeError::TooMany { filter: filter.to_owned() });
                }
                filters.push((filter.to_owned(), qos));
            }
        }
        let down = || SubscribeError::Down { filter: filter.to_owned() };
        let mut state = self.watch();
        if !state.borrow_and_update().is_up() {
            return Err(down());
        }
        let gone = state.wait_for(|state| !state.is_up());
        tokio::select! {
            biased;
            refused = self.shared.subscribe_batch(vec![(filter.to_owned(), qos)]) => match refused {
                None => Err(down()),
                Some(refused) => match refused.into_iter().next() {
                    None => Ok(()),
                    Some((filter, reason)) => Err(SubscribeError::Refused { filter, reason }),
                },
            },
            _ = gone => Err(down()),
        }
    }

    /// Drops a filter from those held, and unsubscribes from it where the link is up.
    pub async fn unsubscribe(&self, filter: &str) {
        self.shared.filters.lock().unwrap_or_else(PoisonError::into_inner).retain(|(held, _)| held != filter);
        let mut state = self.watch();
        if !state.borrow_and_update().is_up() {
            return;
        }
        let gone = state.wait_for(|state| !state.is_up());
        tokio::select! {
            biased;
            sent = self.shared.client.unsubscribe(filter) => if let Err(fault) = sent {
                tracing::debug!(filter, %fault, "not unsubscribed: the link has ended");
            },
            _ = gone => {}
        }
    }

    /// Says goodbye to the broker, so that no last will is published, after what is under way was acknowledged or `wait`
    /// has passed. Every clone of the link has ended then.
    pub async fn disconnect(&self, wait: Duration) {
        // The client library can wait by itself, but not after an outage: its count of what is under way does not always
        // come down to nothing again.
        let (mut underway, mut state) = (self.shared.underway.subscribe(), self.watch());
        let settled = async {
            tokio::select! {
                _ = underway.wait_for(|underway| *underway == 0) => {}
                _ = state.wait_for(|state| !state.is_up()) => {}
            }
        };
        if tokio::time::timeout(wait, settled).await.is_err() {
            tracing::debug!("some publications were not acknowledged before the goodbye");
        }
        if !self.state().is_up() {
            self.guard.stop.send_replace(true);
        } else if self.shared.client.disconnect_now().await.is_err() {
            tracing::debug!("the connection went before the goodbye");
        }
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let Ok([mut polling, mut subscribing]) = <[_; 2]>::try_from(tasks) else {
            return;
        };
        if tokio::time::timeout(wait, &mut polling).await.is_err() {
            polling.abort();
        }
        self.guard.stop.send_replace(true);
        if tokio::time::timeout(wait, &mut subscribing).await.is_err() {
            subscribing.abort();
        }
        self.shared.state.send_replace(LinkState::Ended);
    }
}

fn refusal(topic: &str, state: &LinkState) -> PublishError {
    let reason = match state {
        LinkState::Up { .. } => "the connection was replaced".to_owned(),
        LinkState::Down { reason, .. } => reason.to_string(),
        LinkState::Ended => "it was ended".to_owned(),
    };
    PublishError::Down { topic: topic.to_owned(), reason }
}

impl Shared {
    /// Subscribes to a few filters; returns those the broker refused with its reason, none where the connection went first.
    pub(crate) async fn subscribe_batch(&self, filters: Vec<(String, Qos)>) -> Option<Vec<(String, String)>> {
        let mut refused = Vec::new();
        for batch in filters.chunks(FILTERS_PER_PACKET_MAX) {
            let asked = batch.iter().map(|(filter, qos)| Filter::new(filter.as_str(), (*qos).into()));
            let notice = self.client.subscribe_many_tracked(asked).await.ok()?;
            let codes = match notice.wait_async().await {
                Ok(ack) => ack.return_codes,
                Err(SubscribeNoticeError::V5SubAckFailure(codes)) => codes,
                Err(SubscribeNoticeError::Recv | SubscribeNoticeError::SessionReset) => {
                    return None;
                }
            };
            for ((filter, _), code) in batch.iter().zip(codes) {
                if !matches!(code, SubscribeReasonCode::Success(_)) {
                    refused.push((filter.clone(), format!("{code:?}")));
                }
            }
        }
        Some(refused)
    }
}
