//! An MQTT 5 broker in this process, on loopback, that keeps nothing on disk.

use mqtt5::broker::config::StorageConfig;
use mqtt5::broker::{BrokerConfig, BrokerShutdownHandle, MqttBroker};
use std::net::SocketAddr;
use tokio::task::JoinHandle;

/// Largest packet, bytes: a chunk with its envelope fits several times over.
pub const BROKER_PACKET_BYTES_MAX: usize = 1 << 20;
/// Most clients: device, bridge, operator and a few that look on.
pub const BROKER_CLIENTS_MAX: usize = 16;

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
#[error("broker on loopback did not start: {cause}; free some ports or file descriptors and start again")]
pub struct BrokerError {
    cause: String,
}

/// A running broker; it stops when dropped.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    shutdown: ShutdownOnDrop,
    running: JoinHandle<()>,
}

struct ShutdownOnDrop(BrokerShutdownHandle);

impl std::fmt::Debug for ShutdownOnDrop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShutdownOnDrop")
    }
}

impl Drop for ShutdownOnDrop {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

impl Broker {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// The port cannot be bound.
    pub async fn start() -> Result<Self, BrokerError> {
        let failed = |cause: String| BrokerError { cause };
        let config = BrokerConfig::new()
            .with_bind_address(([127, 0, 0, 1], 0))
            .with_max_clients(BROKER_CLIENTS_MAX)
            .with_max_packet_size(BROKER_PACKET_BYTES_MAX)
            .with_sys_topics_enabled(false)
            .with_storage(StorageConfig::new().with_persistence(false));
        let mut broker = MqttBroker::with_config(config).await.map_err(|error| failed(error.to_string()))?;
        let address = broker.local_addr().ok_or_else(|| failed("it has no address".into()))?;
        let shutdown = ShutdownOnDrop(broker.shutdown_handle());
        let mut ready = broker.ready_receiver();
        let running = tokio::spawn(async move {
            if let Err(error) = broker.run().await {
                tracing::error!(%error, "broker stopped");
            }
        });
        ready.wait_for(|ready| *ready).await.map_err(|error| failed(error.to_string()))?;
        Ok(Self { address, shutdown, running })
    }
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
    /// Stops and waits until it has.
    pub async fn stop(self) {
        let Self { shutdown, running, .. } = self;
        drop(shutdown);
        // A broker task that panicked has nothing left to stop.
        let _ended = running.await;
    }
}
