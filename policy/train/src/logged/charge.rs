//! What an action is taken to cost. Source: the published environment, Jetson TX2 on a wired network.

use serde::{Deserialize, Serialize};
use trimtab_core::Action;

use crate::dataset::Class;

/// Seconds and USD.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Charge {
    /// Seconds until the whole answer is there.
    pub latency_s: f64,
    /// USD, energy on the device included.
    pub usage_usd: f64,
}

/// The charge of every action.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Charges {
    local: Charge,
    cloud: Vec<Charge>,
}

/// Local; then the cloud with no view, one, two and three.
const PUBLISHED: [Charge; 5] = [
    Charge { latency_s: 0.011_428_571_428_571_429, usage_usd: 7.942_857_142_857_142e-9 },
    Charge { latency_s: 6.4603, usage_usd: 0.00049 },
    Charge { latency_s: 4.76134, usage_usd: 0.005 },
    Charge { latency_s: 6.24569, usage_usd: 0.00945 },
    Charge { latency_s: 6.98211, usage_usd: 0.01368 },
];

impl Default for Charges {
    fn default() -> Self {
        Self { local: PUBLISHED[0], cloud: PUBLISHED[1..].to_vec() }
    }
}

impl Charges {
    /// The charge of an action; more views than the table has are charged as its last.
    #[must_use]
    pub fn of(&self, action: Action) -> Charge {
        match (Class::of(action), self.cloud.as_slice()) {
            (Class::Local, _) | (_, []) => self.local,
            (Class::Text | Class::Image, [.., last]) => self.cloud.get(action.views.len()).copied().unwrap_or(*last),
        }
    }

    /// The charge of an action as shares of the range from the least to the greatest charge.
    #[must_use]
    pub fn share(&self, action: Action) -> Charge {
        let own = self.of(action);
        let scale = |of: fn(&Charge) -> f64| {
            let all = || self.cloud.iter().chain([&self.local]).map(of);
            let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
            if most > least { (of(&own) - least) / (most - least) } else { 0.0 }
        };
        Charge { latency_s: scale(|charge| charge.latency_s), usage_usd: scale(|charge| charge.usage_usd) }
    }

    /// Mean charge of some actions; nothing for none.
    #[must_use]
    pub fn mean(&self, actions: &[Action]) -> Charge {
        let n = actions.len().max(1) as f64;
        let mean = |of: fn(Charge) -> f64| actions.iter().map(|action| of(self.of(*action))).sum::<f64>() / n;
        Charge { latency_s: mean(|charge| charge.latency_s), usage_usd: mean(|charge| charge.usage_usd) }
    }
}
