//! A running device, as its local API shows it.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use trimtab_core::{Millis, NodeProfile, Preference};
use trimtab_device::api::MODEL;
use trimtab_device::client::{Client, ClientError};
use trimtab_device::config::TURN_TIME_MAX;
use trimtab_turn::TurnRecord;

use super::RobotError;
use crate::dataset::Node;

/// Name of the local node.
pub(super) const LOCAL: &str = "local";
/// How often a busy device is asked again.
pub const BUSY_TRIES_MAX: u32 = 60;
/// Pause before it is asked again.
const BUSY_PAUSE: Duration = Duration::from_secs(2);
/// Longest wait for a response: the longest turn, and some time around it.
const WAIT_MAX: Duration = Duration::from_millis(TURN_TIME_MAX.get() + 30_000);
/// What the name of the encoder's fingerprint begins with among the models of a status.
const ENCODER: &str = "encoder:";

/// What is known of a device before it is asked anything.
#[derive(Clone, PartialEq, Debug)]
pub struct Facts {
    /// Its fleet and name.
    pub name: String,
    /// Fingerprint of its encoder.
    pub encoder_sha256: String,
    /// Whether it may be told what to do.
    pub explore: bool,
    /// Names of its cameras, in the order of the views.
    pub cameras: Vec<String>,
    /// Its nodes, the local one first.
    pub nodes: Vec<Node>,
    /// Round trip of its link.
    pub round_trip: Millis,
    /// Its uplink in bits a second.
    pub uplink_bits_per_s: u64,
    /// The owner's weights.
    pub preference: Preference,
}

/// An action by the names of its parts, as the API takes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Named<'a> {
    pub(super) node: &'a str,
    pub(super) views: Vec<&'a str>,
}

/// The device at a URL.
#[derive(Debug)]
pub struct Runtime {
    client: Client,
    url: String,
}

#[derive(Deserialize)]
struct Status {
    fleet: String,
    device: String,
    explore: bool,
    models: Vec<String>,
    cameras: Vec<Camera>,
    local_profile: Option<NodeProfile>,
    nodes: Vec<Offered>,
    link: Link,
    preference: Preference,
}

#[derive(Deserialize)]
struct Camera {
    name: String,
}

/// A node with what else a status says of it left away.
#[derive(Deserialize)]
struct Offered {
    name: String,
    profile: NodeProfile,
}

#[derive(Deserialize)]
struct Link {
    round_trip_ms: Millis,
    uplink_bits_per_s: u64,
}

impl Runtime {
    /// At a URL like `http://127.0.0.1:8088`; nothing is sent yet.
    pub fn at(url: &str) -> Result<Self, RobotError> {
        let client = Client::at(url).map_err(|source| RobotError::Device { url: url.into(), source })?;
        Ok(Self { client, url: url.into() })
    }

    /// What the device is now.
    pub async fn facts(&self) -> Result<Facts, RobotError> {
        let status: Status = self.read("status", self.get("/v1/trimtab/status").await?)?;
        let unfit = |what: &str| RobotError::Unfit { url: self.url.clone(), what: what.into() };
        let encoder = status.models.iter().find_map(|model| model.strip_prefix(ENCODER));
        let encoder = encoder.ok_or_else(|| unfit("has no encoder; set [models] encoder to its folder"))?;
        let local = status.local_profile.ok_or_else(|| {
            unfit("has no local model, whose answers are what others are compared with; set [models] lm to its folder")
        })?;
        let cloud = status.nodes.into_iter().map(|Offered { name, profile }| Node { name, profile });
        let nodes = std::iter::once(Node { name: LOCAL.into(), profile: local }).chain(cloud).collect();
        Ok(Facts {
            name: format!("{}/{}", status.fleet, status.device),
            encoder_sha256: encoder.into(),
            explore: status.explore,
            cameras: status.cameras.into_iter().map(|camera| camera.name).collect(),
            nodes,
            round_trip: status.link.round_trip_ms,
            uplink_bits_per_s: status.link.uplink_bits_per_s,
            preference: status.preference,
        })
    }

    /// Runs a turn with the first of some actions that the shield admits. A turn in which it admits none is an error of the device,
    /// with the reason as its code; one that nobody answered after all is a record without an answer.
    pub(super) async fn ask(
        &self,
        conversation: &str,
        messages: &[Value],
        actions: &[Named<'_>],
    ) -> Result<TurnRecord, RobotError> {
        let actions: Vec<Value> =
            actions.iter().map(|action| json!({"node": action.node, "views": action.views})).collect();
        let body = json!({"model": MODEL, "messages": messages, "trimtab": {"actions": actions}});
        let named = [("x-trimtab-conversation", conversation)];
        let mut tries = 1;
        let answer = loop {
            let asked = within(self.client.post("/v1/chat/completions", &named, &body)).await;
            match asked {
                // A turn that was refused says why; a full queue does not.
                Err(ClientError::Status { status: 503, code: None, .. }) if tries < BUSY_TRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                Err(ClientError::Status { status, code, turn: Some(turn), message }) => {
                    let record = self.record(&turn).await?;
                    let refused = ClientError::Status { status, code, turn: Some(turn), message };
                    return if record.chosen.is_some() { Ok(record) } else { Err(self.fault(refused)) };
                }
                asked => break asked.map_err(|source| self.fault(source))?,
            }
        };
        let turn = answer.headers.get("x-trimtab-turn").and_then(|turn| turn.to_str().ok()).unwrap_or_default();
        self.record(turn).await
    }

    /// The record of a turn, as boot-number.
    pub async fn record(&self, turn: &str) -> Result<TurnRecord, RobotError> {
        self.read("record", self.get(&format!("/v1/trimtab/explain/{turn}")).await?)
    }

    /// Gives an answer a score.
    pub(super) async fn feedback(&self, turn: &str, score: f32, source: &str) -> Result<(), RobotError> {
        let body = json!({"turn": turn, "score": score, "source": source});
        let told = within(self.client.post("/v1/trimtab/feedback", &[], &body)).await;
        told.map(drop).map_err(|source| self.fault(source))
    }

    async fn get(&self, path: &str) -> Result<Value, RobotError> {
        within(self.client.get(path)).await.map_err(|source| self.fault(source))
    }

    fn read<T: DeserializeOwned>(&self, what: &'static str, value: Value) -> Result<T, RobotError> {
        serde_json::from_value(value).map_err(|source| RobotError::Version { url: self.url.clone(), what, source })
    }

    fn fault(&self, source: ClientError) -> RobotError {
        RobotError::Device { url: self.url.clone(), source }
    }
}

/// The work, unless it takes longer than any turn may.
async fn within<T>(work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    let silent = || ClientError::Broken { cause: format!("nothing came within {WAIT_MAX:?}") };
    tokio::time::timeout(WAIT_MAX, work).await.map_err(|_| silent())?
}
