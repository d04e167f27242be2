//! What is published and what comes in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, PublishProperties, QoS};
use tokio::sync::mpsc;

/// How hard the broker tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qos {
    /// Once, or not at all.
    AtMostOnce,
    /// Until acknowledged; receivers must expect repeats.
    AtLeastOnce,
}

impl From<Qos> for QoS {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
        }
    }
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// How hard the broker tries.
    pub qos: Qos,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// MIME type of the payload.
    pub content_type: &'static str,
    /// After which the broker drops it undelivered; whole seconds, rounded up.
    pub expiry: Option<Duration>,
    /// Where an answer is expected.
    pub response_topic: Option<String>,
    /// What an answer must repeat.
    pub correlation: Option<Bytes>,
}

impl Publication {
    /// A message of QoS 1 that is not retained and does not expire.
    pub fn new(topic: impl Into<String>, content_type: &'static str, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: Qos::AtLeastOnce,
            retain: false,
            content_type,
            expiry: None,
            response_topic: None,
            correlation: None,
        }
    }

    /// With QoS 0.
    #[must_use]
    pub fn at_most_once(mut self) -> Self {
        self.qos = Qos::AtMostOnce;
        self
    }

    /// Kept by the broker.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// Dropped by the broker after `expiry`.
    #[must_use]
    pub fn expiring(mut self, expiry: Duration) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// Answered on `topic`, with `correlation` repeated.
    #[must_use]
    pub fn answered_on(mut self, topic: impl Into<String>, correlation: impl Into<Bytes>) -> Self {
        self.response_topic = Some(topic.into());
        self.correlation = Some(correlation.into());
        self
    }

    /// With `correlation` repeated from the question.
    #[must_use]
    pub fn correlated(mut self, correlation: Option<Bytes>) -> Self {
        self.correlation = correlation;
        self
    }

    /// Upper bound of the packet's size, bytes.
    pub(crate) fn packet_bytes(&self) -> usize {
        const PACKET_OVERHEAD_BYTES_MAX: usize = 64;
        let response = self.response_topic.as_ref().map_or(0, String::len);
        let correlation = self.correlation.as_ref().map_or(0, Bytes::len);
        let names = self.topic.len() + self.content_type.len() + response + correlation;
        self.payload.len() + names + PACKET_OVERHEAD_BYTES_MAX
    }

    pub(crate) fn properties(&self) -> PublishProperties {
        let seconds = |span: Duration| u32::try_from(span.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1);
        PublishProperties {
            message_expiry_interval: self.expiry.map(seconds),
            response_topic: self.response_topic.clone(),
            correlation_data: self.correlation.clone(),
            content_type: Some(self.content_type.to_owned()),
            ..PublishProperties::default()
        }
    }
}

/// A message that came in. It must be acknowledged once its effect is safe; until then it counts against the broker's
/// allowance, and after a lost connection a persistent session delivers it again.
#[derive(Debug)]
pub struct Incoming {
    /// Where it was published.
    pub topic: String,
    /// The payload.
    pub payload: Bytes,
    /// MIME type, where the sender gave one.
    pub content_type: Option<String>,
    /// Where the sender expects an answer.
    pub response_topic: Option<String>,
    /// What the answer must repeat.
    pub correlation: Option<Bytes>,
    /// Whether the broker had kept it.
    pub retain: bool,
    pub(crate) receipt: Receipt,
}

/// What an acknowledgement needs.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) client: AsyncClient,
    pub(crate) publish: rumqttc::Publish,
    /// The connection it came by, and the present one: an acknowledgement must not cross over.
    pub(crate) epoch: u64,
    pub(crate) present: Arc<AtomicU64>,
}

impl Incoming {
    /// Tells the broker that the message is dealt with. Without effect on QoS 0 and on a connection that is gone.
    pub async fn acknowledge(&self) {
        let receipt = &self.receipt;
        let quiet = receipt.publish.qos == QoS::AtMostOnce;
        if quiet || receipt.epoch != receipt.present.load(Ordering::Acquire) {
            return;
        }
        if let Err(fault) = receipt.client.ack(&receipt.publish).await {
            tracing::debug!(topic = %self.topic, %fault, "acknowledgement not sent: the link has ended");
        }
    }
}

/// The messages that come in, in the order of their arrival.
#[derive(Debug)]
pub struct Inbox(pub(crate) mpsc::Receiver<Incoming>);

impl Inbox {
    /// The next message; none once the link has ended.
    pub async fn recv(&mut self) -> Option<Incoming> {
        self.0.recv().await
    }
}
