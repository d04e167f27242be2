//! What the owner cares for: the weights of the decision.

use serde::{Deserialize, Serialize};

/// Weights of quality, association, latency, money and energy, each in 0..=1. Source: the reward of TMO (section 4), its
/// fixed thirds made adjustable and energy added.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preference {
    /// A right answer.
    pub quality: f32,
    /// Uploading views that have to do with the prompt.
    pub association: f32,
    /// Every ten seconds until the answer.
    pub latency: f32,
    /// Every milli-USD.
    pub cost: f32,
    /// Every ten joules.
    pub energy: f32,
}

impl Default for Preference {
    fn default() -> Self {
        Self { quality: 1.0, association: 0.05, latency: 0.3, cost: 0.03, energy: 0.05 }
    }
}

impl Preference {
    /// The weights in the order of the fields.
    #[must_use]
    pub const fn weights(&self) -> [f32; 5] {
        [self.quality, self.association, self.latency, self.cost, self.energy]
    }
    /// Whether every weight is a number in 0..=1.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.weights().iter().all(|w| (0.0..=1.0).contains(w))
    }
}
