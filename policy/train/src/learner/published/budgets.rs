//! What an episode may use, and what the policy sees of it.

use serde::{Deserialize, Serialize};
use trimtab_core::observation::TMO1_ACTIONS;
use trimtab_scenes::Rng;

use super::Amount;
use crate::network::normal;

/// Turns of the longest dialogue that drawn budgets are meant for.
const TURNS: f32 = 5.0;
/// Standard deviations between the ends of the range.
const DEVIATIONS: f32 = 6.0;

/// Where the budget of an episode comes from.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Budgets {
    /// The same for each.
    Fixed(Amount),
    /// Drawn for each, from a normal distribution about the middle of what five turns of the least and of the most expensive
    /// action take, with a sixth of that range as its deviation, clipped to the range.
    Drawn,
}

/// How budgets enter the environment.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Regime {
    /// Where they come from.
    pub budgets: Budgets,
    /// Whether the observation ends with what remains, each amount times its scale.
    pub shown: Option<Amount>,
    /// Whether a turn pays nothing once a budget is overdrawn, its own use included.
    pub zeroed: bool,
}

impl Regime {
    /// The published form without constraints: 30 s and 0.05 USD, not shown.
    pub const PLAIN: Self = Self { budgets: Budgets::Fixed([30.0, 0.05]), shown: None, zeroed: false };
    /// The published RC form: drawn, shown unscaled, no reward once overdrawn.
    pub const CONSTRAINED: Self = Self { budgets: Budgets::Drawn, shown: Some([1.0, 1.0]), zeroed: true };
}

impl Budgets {
    /// The budget of one episode.
    pub(super) fn draw(&self, costs: &[Amount; TMO1_ACTIONS], rng: &mut Rng) -> Amount {
        match self {
            Self::Fixed(amount) => *amount,
            Self::Drawn => std::array::from_fn(|j| {
                let low = TURNS * costs.iter().map(|cost| cost[j]).fold(f32::INFINITY, f32::min);
                let high = TURNS * costs.iter().map(|cost| cost[j]).fold(0.0, f32::max);
                let drawn = 0.5 * (low + high) + (high - low) / DEVIATIONS * normal(rng);
                drawn.clamp(low, high)
            }),
        }
    }
}
