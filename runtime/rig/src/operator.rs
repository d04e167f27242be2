//! An operator beside the device: wishes over MQTT, and what the device reports back.

use std::net::SocketAddr;
use std::time::Duration;
use trimtab_mqtt::{Connect, ConnectError, Inbox, Link, Publication, PublishError, Qos};
use trimtab_wire::limits::CONTENT_TYPE_JSON;
use trimtab_wire::operator::{BudgetDesired, BudgetReported, Limit, Payload, PayloadError};
use trimtab_wire::topics::Subject;
use trimtab_wire::{DeviceId, FleetId, Topic};

/// Longest wait for a device's report.
pub const REPORT_WAIT_MAX: Duration = Duration::from_secs(10);
const CLIENT_ID: &str = "operator";

/// Why a wish did not come true.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The wish cannot be written.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The wish cannot be sent.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The device refuses it.
    #[error("budget wish {version} was rejected by the device: {why}")]
    Rejected {
        /// Which wish.
        version: u64,
        /// The device's reason.
        why: String,
    },
    /// No report came.
    #[error("budget wish {version} was not answered within {REPORT_WAIT_MAX:?}: check that the device is connected")]
    Silent {
        /// Which wish.
        version: u64,
    },
}

/// A connection of its own to the broker.
pub(crate) struct Operator {
    link: Link,
    inbox: Inbox,
    fleet: FleetId,
    device: DeviceId,
    version: u64,
}

impl Operator {
    pub(crate) fn connect(broker: SocketAddr, fleet: FleetId, device: DeviceId) -> Result<Self, OperatorError> {
        let connect = Connect::new(CLIENT_ID, &broker.ip().to_string(), broker.port());
        let reported = Topic::Reported(fleet.clone(), device.clone(), Subject::Budget).to_string();
        let (link, inbox) = Link::start(&connect, &[(reported, Qos::AtLeastOnce)])?;
        Ok(Self { link, inbox, fleet, device, version: 0 })
    }

    /// Publishes limits that replace those of the same resources and windows; returns once the device reports them.
    pub(crate) async fn wish_budgets(&mut self, limits: &[Limit]) -> Result<BudgetReported, OperatorError> {
        self.version += 1;
        let version = self.version;
        let payload = BudgetDesired { version, limits: limits.to_vec() }.encode()?;
        let topic = Topic::Desired(self.fleet.clone(), self.device.clone(), Subject::Budget);
        let wish = async {
            self.link.up_within(REPORT_WAIT_MAX).await;
            let wish = Publication::new(topic.to_string(), CONTENT_TYPE_JSON, payload).retained();
            // The report says more than the broker's acknowledgement.
            drop(self.link.publish(wish).await?);
            while let Some(incoming) = self.inbox.recv().await {
                incoming.acknowledge().await;
                let reported = BudgetReported::decode(&incoming.payload)?;
                if reported.version == version {
                    return match reported.rejected {
                        Some(why) => Err(OperatorError::Rejected { version, why }),
                        None => Ok(reported),
                    };
                }
            }
            Err(OperatorError::Silent { version })
        };
        let silent = Err(OperatorError::Silent { version });
        tokio::time::timeout(REPORT_WAIT_MAX, wish).await.unwrap_or(silent)
    }

    pub(crate) async fn stop(self) {
        self.link.disconnect(Duration::from_secs(1)).await;
    }
}
