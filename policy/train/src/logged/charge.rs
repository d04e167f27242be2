//! What an action is taken to cost, as in the published environment.

use serde::{Deserialize, Serialize};
use trimtab_core::Action;

use crate::dataset::Class;
use crate::published::{CLASSES, Costs};

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

impl Default for Charges {
    /// Of the paper's main setting.
    fn default() -> Self {
        Self::of_profile(&Costs::default())
    }
}

impl Charges {
    /// Of a device and a network.
    #[must_use]
    pub fn of_profile(costs: &Costs) -> Self {
        let charge = |class: usize| Charge { latency_s: costs.seconds[class], usage_usd: costs.usd[class] };
        Self { local: charge(0), cloud: (1..CLASSES).map(charge).collect() }
    }

    /// As measured: of a local answer, then of a cloud answer with no view, one, and so on.
    #[must_use]
    pub const fn measured(local: Charge, cloud: Vec<Charge>) -> Self {
        Self { local, cloud }
    }

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
            let (least, most) = self.ends(of);
            if most > least { (of(&own) - least) / (most - least) } else { 0.0 }
        };
        Charge { latency_s: scale(|charge| charge.latency_s), usage_usd: scale(|charge| charge.usage_usd) }
    }

    /// The greatest charge less the least, of each resource.
    #[must_use]
    pub fn range(&self) -> Charge {
        let range = |of: fn(&Charge) -> f64| {
            let (least, most) = self.ends(of);
            most - least
        };
        Charge { latency_s: range(|charge| charge.latency_s), usage_usd: range(|charge| charge.usage_usd) }
    }

    fn ends(&self, of: fn(&Charge) -> f64) -> (f64, f64) {
        let all = || self.cloud.iter().chain([&self.local]).map(of);
        (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max))
    }

    /// Mean charge of some actions; nothing for none.
    #[must_use]
    pub fn mean(&self, actions: &[Action]) -> Charge {
        let n = actions.len().max(1) as f64;
        let mean = |of: fn(Charge) -> f64| actions.iter().map(|action| of(self.of(*action))).sum::<f64>() / n;
        Charge { latency_s: mean(|charge| charge.latency_s), usage_usd: mean(|charge| charge.usage_usd) }
    }
}
