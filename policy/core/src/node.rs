//! A node is whatever can answer: a local engine or an upstream that a bridge offers.

use crate::units::{Millis, Usd};
use serde::{Deserialize, Serialize};

/// Where an answer was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// On the device.
    Local,
    /// By a node of a bridge.
    Cloud,
    /// Nowhere.
    Refused,
}

impl Placement {
    /// Name as in headers and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Cloud => "cloud",
            Self::Refused => "refused",
        }
    }
}

/// What the decision knows of a node. A new node is data: the policy sees these numbers, never a name.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct NodeProfile {
    /// Answers on the device.
    pub local: bool,
    /// For a million prompt tokens.
    pub price_prompt: Usd,
    /// For a million completion tokens.
    pub price_completion: Usd,
    /// For a million images.
    pub price_image: Usd,
    /// Most views in one request.
    pub images_max: u8,
    /// Median time to answer a small request, link included.
    pub latency_p50: Millis,
    /// The same, 95th percentile.
    pub latency_p95: Millis,
    /// Each token of the answer.
    pub token_time: Millis,
    /// Share of right answers on the node's own benchmark, 0..=1, from its card or its offer.
    pub quality: f32,
}
