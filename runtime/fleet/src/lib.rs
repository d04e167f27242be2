//! The operator's side of a fleet: reads what devices report, and asks, over the same topics that any MQTT client can use.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod amount;
pub mod show;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, timeout_at};
use trimtab_mqtt::{
    Connect, ConnectError, DeliveryError, Inbox, Link, LinkState, Publication, PublishError, Qos, SubscribeError,
};
use trimtab_wire::limits::CONTENT_TYPE_JSON;
use trimtab_wire::operator::{
    AskCommand, AskResult, BudgetDesired, BudgetReported, CommandAnswer, Decision, Limit, Payload, PayloadError, Status,
};
use trimtab_wire::{CommandName, DeviceId, FleetId, Subject, Topic, filters};

/// Retained messages have come when nothing more came for this long.
pub const SETTLED_AFTER: Duration = Duration::from_millis(700);
/// Devices that one list shows.
pub const DEVICES_MAX: usize = 10_000;
/// Longest goodbye to the broker.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// Why an operator's wish was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The connection cannot even be tried.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The broker cannot be reached.
    #[error("broker {host}:{port} does not take the connection ({reason}); check its address and the certificates")]
    Away {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Why.
        reason: String,
    },
    /// The broker refuses to tell.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The wish could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The wish did not arrive.
    #[error("device {device}: {cause}; see `trimtab-fleet list` for those that are online")]
    Undelivered {
        /// Which.
        device: DeviceId,
        /// Why.
        cause: DeliveryError,
    },
    /// Nothing came back.
    #[error("device {device} did not answer within {waited:?}; see `trimtab-fleet list` whether it is online")]
    Silent {
        /// Which.
        device: DeviceId,
        /// How long was waited.
        waited: Duration,
    },
    /// The device declined.
    #[error("device {device}: {said}")]
    Declined {
        /// Which.
        device: DeviceId,
        /// Its reason.
        said: String,
    },
    /// The device or the operator wrote what cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The connection ended.
    #[error("the connection to the broker ended")]
    Ended,
}

/// A connected operator.
pub struct Operator {
    fleet: FleetId,
    link: Link,
    inbox: Inbox,
    wait: Duration,
    /// The newest wish's version: two wishes in one millisecond must differ.
    version: u64,
}

impl Operator {
    /// Connects within `wait`, which also bounds every answer later.
    pub async fn connect(fleet: FleetId, connect: &Connect, wait: Duration) -> Result<Self, FleetError> {
        let (link, inbox) = Link::start(connect, &[])?;
        let away = |reason: String| FleetError::Away { host: connect.host.clone(), port: connect.port, reason };
        match link.up_within(wait).await {
            LinkState::Up { .. } => Ok(Self { fleet, link, inbox, wait, version: 0 }),
            LinkState::Down { reason, .. } => Err(away(reason.to_string())),
            LinkState::Ended => Err(FleetError::Ended),
        }
    }

    /// Says goodbye.
    pub async fn disconnect(self) {
        self.link.disconnect(GOODBYE_MAX).await;
    }

    /// The retained status of every device, by id.
    pub async fn list(&mut self) -> Result<BTreeMap<DeviceId, Result<Status, PayloadError>>, FleetError> {
        self.link.subscribe(&filters::statuses(&self.fleet), Qos::AtLeastOnce).await?;
        let mut devices = BTreeMap::new();
        while devices.len() < DEVICES_MAX {
            let Some((topic, payload)) = self.next_until(Instant::now() + SETTLED_AFTER).await? else { break };
            if let Topic::Status(_, device) = topic {
                devices.insert(device, Status::decode(&payload));
            }
        }
        Ok(devices)
    }

    /// Starts to follow decisions, of one device or of all.
    pub async fn follow(&mut self, device: Option<&DeviceId>) -> Result<(), FleetError> {
        Ok(self.link.subscribe(&filters::decisions(&self.fleet, device), Qos::AtMostOnce).await?)
    }

    /// The next decision that is followed; waits for as long as it takes.
    pub async fn next_decision(&mut self) -> Result<(DeviceId, Result<Decision, PayloadError>), FleetError> {
        loop {
            if let (Topic::Telemetry(_, device, _), payload) = self.next().await? {
                return Ok((device, Decision::decode(&payload)));
            }
        }
    }

    /// Has a device answer a prompt.
    pub async fn ask(
        &mut self,
        device: &DeviceId,
        prompt: &str,
        conversation: Option<&str>,
    ) -> Result<AskResult, FleetError> {
        let id = format!("{:x}", unix_nanos());
        let command = AskCommand {
            id: id.clone(),
            prompt: prompt.to_owned(),
            conversation: conversation.map(str::to_owned),
            max_tokens: None,
            expires_unix_ms: Some(unix_nanos_to_ms(unix_nanos()) + self.wait.as_millis() as u64),
        };
        let answers = Topic::CommandAnswer(self.fleet.clone(), device.clone(), CommandName::Ask);
        self.link.subscribe(&answers.to_string(), Qos::AtLeastOnce).await?;
        let topic = Topic::Command(self.fleet.clone(), device.clone(), CommandName::Ask);
        let publication = Publication::new(topic, CONTENT_TYPE_JSON, command.encode()?)
            .expiring(self.wait)
            .answered_on(answers.clone(), id.clone().into_bytes());
        self.deliver(device, publication).await?;
        let until = Instant::now() + self.wait;
        while let Some((topic, payload)) = self.next_until(until).await? {
            if topic != answers {
                continue;
            }
            let answer = CommandAnswer::decode(&payload)?;
            if answer.id != id {
                continue;
            }
            if !answer.ok {
                let said = answer.error.unwrap_or_else(|| "it declined and did not say why".to_owned());
                return Err(FleetError::Declined { device: device.clone(), said });
            }
            return Ok(AskResult::from_value(answer.result)?);
        }
        Err(self.silent(device))
    }

    /// What a device reports about its budgets.
    pub async fn budgets(&mut self, device: &DeviceId) -> Result<BudgetReported, FleetError> {
        self.budgets_where(device, |_| true).await
    }

    /// Sets limits, and waits until the device reports them in force.
    pub async fn set_budgets(&mut self, device: &DeviceId, limits: &[Limit]) -> Result<BudgetReported, FleetError> {
        let version = unix_nanos_to_ms(unix_nanos()).max(self.version + 1);
        self.version = version;
        let desired = BudgetDesired { version, limits: limits.to_vec() };
        let topic = Topic::Desired(self.fleet.clone(), device.clone(), Subject::Budget);
        let publication = Publication::new(topic, CONTENT_TYPE_JSON, desired.encode()?).retained();
        match self.deliver(device, publication).await {
            // A device that is away reads the retained wish when it is back.
            Ok(()) | Err(FleetError::Undelivered { cause: DeliveryError::NoSubscriber, .. }) => {}
            Err(fault) => return Err(fault),
        }
        let reported = self.budgets_where(device, |reported| reported.version == version).await?;
        match reported.rejected {
            Some(said) => Err(FleetError::Declined { device: device.clone(), said }),
            None => Ok(reported),
        }
    }

    async fn budgets_where(
        &mut self,
        device: &DeviceId,
        fits: impl Fn(&BudgetReported) -> bool,
    ) -> Result<BudgetReported, FleetError> {
        let reports = Topic::Reported(self.fleet.clone(), device.clone(), Subject::Budget);
        self.link.subscribe(&reports.to_string(), Qos::AtLeastOnce).await?;
        let until = Instant::now() + self.wait;
        while let Some((topic, payload)) = self.next_until(until).await? {
            if topic == reports {
                let reported = BudgetReported::decode(&payload)?;
                if fits(&reported) {
                    return Ok(reported);
                }
            }
        }
        Err(self.silent(device))
    }

    async fn deliver(&self, device: &DeviceId, publication: Publication) -> Result<(), FleetError> {
        let delivery = self.link.publish(publication).await?;
        let undelivered = |cause| FleetError::Undelivered { device: device.clone(), cause };
        match tokio::time::timeout(self.wait, delivery.acknowledged()).await {
            Ok(word) => word.map_err(undelivered),
            Err(_) => Err(self.silent(device)),
        }
    }

    fn silent(&self, device: &DeviceId) -> FleetError {
        FleetError::Silent { device: device.clone(), waited: self.wait }
    }

    async fn next_until(&mut self, until: Instant) -> Result<Option<(Topic, Vec<u8>)>, FleetError> {
        timeout_at(until, self.next()).await.map_or(Ok(None), |next| next.map(Some))
    }

    /// The next message on a topic of the tree; others are passed over.
    async fn next(&mut self) -> Result<(Topic, Vec<u8>), FleetError> {
        loop {
            let incoming = self.inbox.recv().await.ok_or(FleetError::Ended)?;
            incoming.acknowledge().await;
            if let Ok(topic) = Topic::parse(&incoming.topic) {
                return Ok((topic, incoming.payload.to_vec()));
            }
        }
    }
}

fn unix_nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

fn unix_nanos_to_ms(nanos: u128) -> u64 {
    u64::try_from(nanos / 1_000_000).unwrap_or(u64::MAX)
}
