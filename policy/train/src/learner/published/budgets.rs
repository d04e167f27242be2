//! What an episode may use, and what the policy sees of it.

use serde::{Deserialize, Serialize};
use trimtab_scenes::Rng;

use crate::learner::RESOURCES;
use crate::network::normal;
use crate::published::{Budget, CLASSES, Costs, HISTORY};

/// Turns of the longest dialogue that drawn budgets are meant for.
const TURNS: f64 = HISTORY as f64;
/// Standard deviations between the ends of the range.
const DEVIATIONS: f64 = 6.0;

/// Where the budget of an episode comes from.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Budgets {
    /// The same for each.
    Fixed(Budget),
    /// Drawn for each, from a normal distribution about the middle of what five turns of the least and of the most expensive
    /// action take, with a sixth of that range as its deviation, clipped to the range.
    Drawn,
}

/// How budgets enter the environment.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Regime {
    /// Where they come from.
    pub budgets: Budgets,
    /// Whether the observation ends with the seconds and USD that remain, each times its scale.
    pub shown: Option<[f32; RESOURCES]>,
    /// Whether a turn pays nothing once a budget is overdrawn, its own use included.
    pub zeroed: bool,
}

impl Regime {
    /// The published form without constraints: 30 s and 0.05 USD, not shown.
    pub const PLAIN: Self = Self { budgets: Budgets::Fixed(Budget::PUBLISHED), shown: None, zeroed: false };
    /// The published RC form: drawn, shown unscaled, no reward once overdrawn.
    pub const CONSTRAINED: Self = Self { budgets: Budgets::Drawn, shown: Some([1.0, 1.0]), zeroed: true };
}

impl Budgets {
    /// The budget of one episode.
    pub(super) fn draw(&self, costs: &Costs, rng: &mut Rng) -> Budget {
        let mut between = |amounts: &[f64; CLASSES]| {
            let low = TURNS * amounts.iter().copied().fold(f64::INFINITY, f64::min);
            let high = TURNS * amounts.iter().copied().fold(0.0, f64::max);
            let drawn = 0.5 * (low + high) + (high - low) / DEVIATIONS * f64::from(normal(rng));
            drawn.clamp(low, high)
        };
        match self {
            Self::Fixed(budget) => *budget,
            Self::Drawn => Budget { seconds: between(&costs.seconds), usd: between(&costs.usd) },
        }
    }
}
