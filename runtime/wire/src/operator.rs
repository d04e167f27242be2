//! JSON payloads of the operator topics: what people, rules engines and `mosquitto_sub` see.
//!
//! Field names carry their unit: `_ms` milliseconds, `_uj` microjoules, `_nusd` nano-USD, `_uusd` micro-USD with decimals.
//! Instants are milliseconds of Unix time. What an operator sends is read strictly (an unknown field is an error that
//! names it); what a program reports is read leniently, so that an older reader survives a newer writer.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trimtab_core::{Millis, NodeProfile, Placement, Preference, Resource, TaskKind, TurnId, Usd, Window};

use crate::limits::{JSON_BYTES_MAX, OFFERS_MAX, PROMPT_BYTES_MAX};
use crate::names::{BridgeId, NodeName};
use crate::price::Prices;

/// Why an operator payload was not written or not believed.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Longer than [`JSON_BYTES_MAX`].
    #[error("a {what} of {bytes} bytes exceeds the limit of {JSON_BYTES_MAX}")]
    Long {
        /// Which payload.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// Not the JSON this topic carries.
    #[error("not a {what}: {cause}")]
    Json {
        /// Which payload.
        what: &'static str,
        /// What the parser says.
        cause: serde_json::Error,
    },
    /// Well-formed, but a value is out of range.
    #[error("{what}: {fault}")]
    Range {
        /// Which payload.
        what: &'static str,
        /// Which value, and its range.
        fault: String,
    },
}

/// A JSON payload of one kind of topic.
pub trait Payload: Serialize + DeserializeOwned {
    /// What it is called in messages.
    const WHAT: &'static str;

    /// Which value is out of range, if any.
    fn fault(&self) -> Option<String> {
        None
    }

    /// Reads and checks it.
    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let what = Self::WHAT;
        if bytes.len() > JSON_BYTES_MAX {
            return Err(PayloadError::Long { what, bytes: bytes.len() });
        }
        let value: Self = serde_json::from_slice(bytes).map_err(|cause| PayloadError::Json { what, cause })?;
        value.checked()
    }

    /// Reads and checks it where it is a part of another payload.
    fn from_value(value: serde_json::Value) -> Result<Self, PayloadError> {
        let what = Self::WHAT;
        let value: Self = serde_json::from_value(value).map_err(|cause| PayloadError::Json { what, cause })?;
        value.checked()
    }

    /// Passes it on if no value is out of range.
    fn checked(self) -> Result<Self, PayloadError> {
        match self.fault() {
            Some(fault) => Err(PayloadError::Range { what: Self::WHAT, fault }),
            None => Ok(self),
        }
    }

    /// Checks and writes it.
    fn encode(&self) -> Result<Vec<u8>, PayloadError> {
        let what = Self::WHAT;
        if let Some(fault) = self.fault() {
            return Err(PayloadError::Range { what, fault });
        }
        let bytes = serde_json::to_vec(self).map_err(|cause| PayloadError::Json { what, cause })?;
        if bytes.len() > JSON_BYTES_MAX {
            return Err(PayloadError::Long { what, bytes: bytes.len() });
        }
        Ok(bytes)
    }
}

/// Retained on `…/status`: the birth of a device, and in its short form (online, boot) its last will.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether the device is there.
    pub online: bool,
    /// Which start of the runtime this is about.
    pub boot: u32,
    /// When it was said; absent in a last will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_unix_ms: Option<u64>,
    /// Version of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Version of the packets it speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_version: Option<u8>,
    /// Models that are loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Cameras by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cameras: Vec<String>,
    /// The policy in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Where energy figures come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_source: Option<String>,
}

impl Status {
    /// The last will of a boot.
    pub const fn gone(boot: u32) -> Self {
        Self {
            online: false,
            boot,
            at_unix_ms: None,
            version: None,
            wire_version: None,
            models: Vec::new(),
            cameras: Vec::new(),
            policy: None,
            energy_source: None,
        }
    }
}

impl Payload for Status {
    const WHAT: &'static str = "status";
}

/// On `…/tele/decision`, one per turn: what was decided, why, and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The turn, as `boot-number`.
    #[serde(with = "shown")]
    pub turn: TurnId,
    /// When it ended.
    pub at_unix_ms: u64,
    /// What was asked; absent where the device keeps prompts to itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The task kind.
    pub task: TaskKind,
    /// Cosine of prompt and view, by view.
    pub association: BTreeMap<String, f32>,
    /// Who answered, or would have.
    pub node: String,
    /// Where that is.
    pub placement: Placement,
    /// Views that were uploaded.
    pub views: Vec<String>,
    /// Why.
    pub reason: String,
    /// From prompt to answer.
    pub latency_ms: u64,
    /// How that is known.
    pub latency_source: String,
    /// On the device.
    pub energy_uj: u64,
    /// How that is known.
    pub energy_source: String,
    /// To the upstream.
    pub money_uusd: f64,
    /// How that is known.
    pub price_source: String,
    /// Over the uplink.
    pub bytes_up: u64,
    /// What is left of each budget.
    #[serde(default)]
    pub left: Vec<BudgetState>,
}

impl Payload for Decision {
    const WHAT: &'static str = "decision";
    fn fault(&self) -> Option<String> {
        // JSON has no infinity: a figure beyond its type would be written as what nobody can read.
        let (view, cosine) = self.association.iter().find(|(_, cosine)| !(-1.0..=1.0).contains(*cosine))?;
        Some(alloc::format!("association of view {view} is {cosine}; it lies in -1..=1"))
    }
}

/// One limit of one resource over one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Of what.
    pub resource: Resource,
    /// Over which time.
    pub window: Window,
    /// How much: microjoules, nano-USD, bytes or milliseconds.
    pub limit: u64,
}

/// Retained on `…/budget/desired`: the operator's wish. It replaces every budget of the named resources and windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetDesired {
    /// Grows with every wish; comes back in [`BudgetReported`].
    pub version: u64,
    /// The limits.
    pub limits: Vec<Limit>,
}

impl Payload for BudgetDesired {
    const WHAT: &'static str = "desired budget";
    fn fault(&self) -> Option<String> {
        let count = self.limits.len();
        if count > trimtab_core::limits::BUDGETS_MAX {
            return Some(alloc::format!("{count} limits; at most {} fit", trimtab_core::limits::BUDGETS_MAX));
        }
        let twice = self.limits.iter().enumerate().find(|(index, limit)| {
            let rest = self.limits.iter().skip(index + 1);
            rest.into_iter().any(|other| (other.resource, other.window) == (limit.resource, limit.window))
        });
        twice.map(|(_, limit)| alloc::format!("{:?} per {:?} is given twice", limit.resource, limit.window))
    }
}

/// How one budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetState {
    /// Of what.
    pub resource: Resource,
    /// Over which time.
    pub window: Window,
    /// How much in all: microjoules, nano-USD, bytes or milliseconds.
    pub limit: u64,
    /// Settled in the present window.
    pub spent: u64,
    /// Held by turns that are not settled.
    pub held: u64,
}

/// Retained on `…/budget/reported`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetReported {
    /// The wish this answers; zero for the configuration.
    pub version: u64,
    /// Why that wish is not in force, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// Every budget in force.
    pub budgets: Vec<BudgetState>,
    /// Settlements above their hold so far.
    pub overruns: u64,
}

impl Payload for BudgetReported {
    const WHAT: &'static str = "reported budget";
}

/// Retained on `…/preference/desired`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreferenceDesired {
    /// Grows with every wish; comes back in [`PreferenceReported`].
    pub version: u64,
    /// The weights.
    pub preference: Preference,
}

impl Payload for PreferenceDesired {
    const WHAT: &'static str = "desired preference";
    fn fault(&self) -> Option<String> {
        preference_fault(&self.preference)
    }
}

fn preference_fault(preference: &Preference) -> Option<String> {
    (!preference.is_valid()).then(|| "every weight lies in 0..=1".to_string())
}

/// Retained on `…/preference/reported`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreferenceReported {
    /// The wish this answers; zero for the configuration.
    pub version: u64,
    /// Why that wish is not in force, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// The weights in force.
    pub preference: Preference,
}

impl Payload for PreferenceReported {
    const WHAT: &'static str = "reported preference";
    fn fault(&self) -> Option<String> {
        preference_fault(&self.preference)
    }
}

/// Longest command id, bytes.
pub const COMMAND_ID_BYTES_MAX: usize = 64;

fn command_fault(id: &str) -> Option<String> {
    (id.is_empty() || id.len() > COMMAND_ID_BYTES_MAX)
        .then(|| alloc::format!("id has {} bytes; 1 to {COMMAND_ID_BYTES_MAX} are allowed", id.len()))
}

/// On `…/cmd/ask`: answer a prompt, as if an application had asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskCommand {
    /// Comes back in the answer; the same id is carried out once.
    pub id: String,
    /// The prompt.
    pub prompt: String,
    /// Which conversation it belongs to; absent: one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Tokens of the answer; absent: the device's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// When it is no longer wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_unix_ms: Option<u64>,
}

impl Payload for AskCommand {
    const WHAT: &'static str = "command ask";
    fn fault(&self) -> Option<String> {
        let bytes = self.prompt.len();
        if bytes == 0 || bytes > PROMPT_BYTES_MAX {
            return Some(alloc::format!("prompt has {bytes} bytes; 1 to {PROMPT_BYTES_MAX} are allowed"));
        }
        command_fault(&self.id)
    }
}

/// On `…/cmd/explain`: the ledger record of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainCommand {
    /// Comes back in the answer.
    pub id: String,
    /// Which turn, as `boot-number`.
    #[serde(with = "shown")]
    pub turn: TurnId,
}

impl Payload for ExplainCommand {
    const WHAT: &'static str = "command explain";
    fn fault(&self) -> Option<String> {
        command_fault(&self.id)
    }
}

/// On `…/cmd/status`: the present state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusCommand {
    /// Comes back in the answer.
    pub id: String,
}

impl Payload for StatusCommand {
    const WHAT: &'static str = "command status";
    fn fault(&self) -> Option<String> {
        command_fault(&self.id)
    }
}

/// On the response topic of a command, or on `…/cmd/<name>/res` where the command named none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// The command's id; empty where the command could not be read.
    pub id: String,
    /// Whether it was carried out.
    pub ok: bool,
    /// What came of it: for `ask` an [`AskResult`], for `explain` the ledger record, for `status` the state.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub result: serde_json::Value,
    /// Thing, place and remedy, where it was not carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Payload for CommandAnswer {
    const WHAT: &'static str = "answer to a command";
}

/// What came of `ask`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AskResult {
    /// The answer.
    pub text: String,
    /// What the answer does next to what it says: a list of objects with `do`; absent where it does nothing.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub action: serde_json::Value,
    /// How it was decided.
    pub decision: Decision,
}

impl Payload for AskResult {
    const WHAT: &'static str = "result of ask";
    fn fault(&self) -> Option<String> {
        self.decision.fault()
    }
}

/// Retained on `…/_bridge/<bridge>/offers`, with a message expiry: what a bridge can have answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offers {
    /// Whose they are.
    pub bridge: BridgeId,
    /// When they were made.
    pub at_unix_ms: u64,
    /// For how long from the publication they hold.
    pub valid_ms: u64,
    /// The nodes; empty once the bridge has stopped.
    pub nodes: Vec<Offer>,
}

impl Payload for Offers {
    const WHAT: &'static str = "offers";
    fn fault(&self) -> Option<String> {
        let count = self.nodes.len();
        if count > OFFERS_MAX {
            return Some(alloc::format!("{count} nodes; at most {OFFERS_MAX} fit"));
        }
        let bad = self.nodes.iter().find(|offer| !(0.0..=1.0).contains(&offer.quality));
        bad.map(|offer| alloc::format!("quality of node {} is {}; it lies in 0..=1", offer.node, offer.quality))
    }
}

/// One node of a bridge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The name that requests carry.
    pub node: NodeName,
    /// What the upstream calls the model.
    pub model: String,
    /// Whether it may be asked now; false while its circuit is open.
    pub available: bool,
    /// For a million prompt tokens.
    pub price_prompt_nusd: Usd,
    /// For a million completion tokens.
    pub price_completion_nusd: Usd,
    /// For a million images.
    pub price_image_nusd: Usd,
    /// Most views in one request.
    pub images_max: u8,
    /// Most tokens of prompt, context, images and answer together.
    pub context_tokens_max: u32,
    /// Tokens that one image counts for against [`Offer::context_tokens_max`] and in the price of the prompt.
    pub image_tokens: u32,
    /// Median time from the call of the upstream to its first token, measured or, before the first call, declared.
    pub latency_p50_ms: Millis,
    /// The same, 95th percentile.
    pub latency_p95_ms: Millis,
    /// Each token of the answer.
    pub token_ms: Millis,
    /// Calls that the two quantiles rest on; zero: declared.
    pub calls: u64,
    /// Share of right answers on the node's own benchmark, 0..=1.
    pub quality: f32,
}

impl Offer {
    /// The prices alone.
    pub const fn prices(&self) -> Prices {
        Prices { prompt: self.price_prompt_nusd, completion: self.price_completion_nusd, image: self.price_image_nusd }
    }

    /// What the decision knows of the node; its latencies are the upstream's alone, the link comes on top. The price of
    /// an image includes the prompt tokens that the node counts for one.
    pub const fn profile(&self) -> NodeProfile {
        NodeProfile {
            local: false,
            price_prompt: self.price_prompt_nusd,
            price_completion: self.price_completion_nusd,
            price_image: self.price_image_nusd.plus(self.price_prompt_nusd.times(self.image_tokens as u64)),
            images_max: self.images_max,
            latency_p50: self.latency_p50_ms,
            latency_p95: self.latency_p95_ms,
            token_time: self.token_ms,
            quality: self.quality,
        }
    }
}

/// A value in the text form that people type.
mod shown {
    use super::{Deserialize, Deserializer, FromStr, Serializer, String, fmt};
    use serde::de::Error;

    pub(super) fn serialize<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
