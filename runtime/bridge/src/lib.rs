//! The bridge: takes requests over MQTT and has OpenAI-compatible upstreams answer them.
//!
//! It is the only part that knows upstreams, their keys and their prices. It enforces what a request allows: its cost
//! before the call (tokens are capped so that the worst case fits) and its deadline during it; and it pays for a request
//! id once: outcomes are kept on disk, and published again when a device asks again. The device is known by the topic it
//! publishes on, which the broker guards; nothing in a payload says who it is from.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod config;
mod counters;
mod desk;
mod endpoint;
mod grey;
mod health;
mod intake;
mod node;
mod sse;
mod store;
pub mod time;
mod upstream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use trimtab_mqtt::{Connect, ConnectError, LastWill, Link, LinkState, Qos};
use trimtab_wire::operator::PayloadError;
use trimtab_wire::{Topic, filters};

pub use config::{ApiKey, BridgeConfig, ConfigError, UpstreamConfig};
pub use counters::Counts;
pub use desk::{ANSWER_EXPIRY, PUBLISH_WAIT_MAX, STREAM_EVERY};
pub use endpoint::{Endpoint, EndpointError, NoAnswer, Said};
pub use health::{FAILURES_MAX, REST_MAX, REST_MIN};
pub use intake::{DRAIN_MAX, OFFERS_VALID, REQUESTS_MAX, REQUESTS_PER_DEVICE_MAX};
pub use store::{KEPT_FOR, KEPT_MAX, StoreError};
pub use upstream::{REPLY_BYTES_MAX, UpstreamError};

use crate::counters::Counters;
use crate::desk::Desk;
use crate::node::Node;
use crate::store::Store;
use crate::time::Now;
use crate::upstream::Upstream;

/// Messages of QoS 1 that the broker may send unacknowledged: every request in flight, and as many chunks.
const RECEIVE_MAX: u16 = 2 * REQUESTS_MAX as u16;

/// Why a bridge does not start.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An upstream.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The state directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The connection to the broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The offers.
    #[error(transparent)]
    Offers(#[from] PayloadError),
}

/// Starts bridges.
pub struct Bridge;

/// A bridge at work. Dropping it ends it at once, as a crash would; [`RunningBridge::stop`] lets it finish.
pub struct RunningBridge {
    desk: Arc<Desk>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Bridge {
    /// Opens the state and starts connecting; returns before the broker is reached. Needs a multi-thread tokio runtime.
    pub async fn start(config: BridgeConfig) -> Result<RunningBridge, BridgeError> {
        Self::start_by(config, Arc::new(Instant::now)).await
    }

    /// The same, with latencies measured by another clock than the system's.
    pub async fn start_by(config: BridgeConfig, now: Now) -> Result<RunningBridge, BridgeError> {
        let config = config.checked()?;
        let nodes = config
            .upstreams
            .iter()
            .map(|upstream| Upstream::new(upstream.clone(), Arc::clone(&now)).map(Node::new))
            .collect::<Result<Vec<_>, _>>()?;
        let store = Store::open(&config.state_dir)?;
        store.forget(desk::unix_ms()).await?;
        let will = LastWill {
            topic: Topic::Offers(config.fleet.clone(), config.bridge.clone()).to_string(),
            payload: intake::offers(&config, &[])?,
            retain: true,
        };
        let connect = Connect {
            client_id: config.bridge.to_string(),
            last_will: Some(will),
            // A member that stays subscribed while it is away would swallow its share of the requests.
            session_expiry: Duration::ZERO,
            receive_max: RECEIVE_MAX,
            ..config.broker.clone()
        };
        let (link, inbox) = Link::start(&connect, &[(filters::requests_shared(&config.fleet), Qos::AtLeastOnce)])?;
        let desk = Arc::new(Desk {
            config,
            link,
            store,
            nodes,
            counters: Counters::default(),
            flights: std::sync::Mutex::default(),
            offers_changed: tokio::sync::Notify::new(),
        });
        let stop = watch::Sender::new(false);
        let task = tokio::spawn(intake::run(Arc::clone(&desk), inbox, stop.subscribe()));
        Ok(RunningBridge { desk, stop, task })
    }
}

impl RunningBridge {
    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        self.desk.counters.read()
    }

    /// Whether the broker is there.
    pub fn link(&self) -> LinkState {
        self.desk.link.state()
    }

    /// Waits until the broker is there, at most `wait`; returns the state then.
    pub async fn up_within(&self, wait: Duration) -> LinkState {
        self.desk.link.up_within(wait).await
    }

    /// Publishes the offers now; they are renewed by themselves as long as time does not leap.
    pub fn announce(&self) {
        self.desk.offers_changed.notify_one();
    }

    /// Takes no more requests, lets those in flight finish (for [`DRAIN_MAX`] at most), withdraws the offers, says
    /// goodbye to the broker.
    pub async fn stop(mut self) -> Counts {
        self.stop.send_replace(true);
        if let Err(fault) = (&mut self.task).await {
            tracing::error!(%fault, "the bridge ended by itself");
        }
        self.counts()
    }
}

impl Drop for RunningBridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}
