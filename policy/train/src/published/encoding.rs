//! What a distilled network reads: every number of the layout as a row of ramps from 0 to 1, so that categories that the layout
//! numbers (task 0–3, place -1–1) and amounts that matter in steps (does one more cloud call fit?) are told apart by the first
//! layer.

use serde::{Deserialize, Serialize};
use trimtab_core::observation::{TMO1_RC_WIDTH, TMO1_WIDTH};

use super::state::FIELDS;
use super::{Budget, State};

/// Where the ramps over the remaining seconds meet: around the sums of the published latencies.
const SECONDS: [f32; 18] =
    [0.0, 0.04, 0.5, 2.0, 4.7, 5.0, 6.2, 6.5, 7.1, 9.4, 11.1, 12.6, 14.2, 16.0, 19.0, 22.0, 26.0, 32.0];
/// Where the ramps over the remaining USD meet: around the sums of the published prices.
const USD: [f32; 16] = [
    0.0, 4e-8, 4e-4, 6e-4, 1.5e-3, 4.9e-3, 5.1e-3, 6e-3, 9.3e-3, 1.03e-2, 1.36e-2, 1.52e-2, 1.95e-2, 2.5e-2, 3.5e-2,
    5.5e-2,
];

/// A number that rises from 0 at `from` to 1 at `to`, and stays there.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Ramp {
    /// Which number of the layout.
    pub input: usize,
    /// Where it starts to rise.
    pub from: f32,
    /// Where it has risen.
    pub to: f32,
}

/// The ramps over layout `tmo-1-rc`.
#[must_use]
pub fn ramps() -> Vec<Ramp> {
    let record = |slot: usize| {
        let unit = move |field: usize, from: i8| Ramp {
            input: slot * FIELDS + field,
            from: f32::from(from),
            to: f32::from(from) + 1.0,
        };
        let place = (-1..1).map(move |from| unit(0, from));
        let views = (1..FIELDS - 1).map(move |field| unit(field, 0));
        let task = (-1..3).map(move |from| unit(FIELDS - 1, from));
        place.chain(views).chain(task)
    };
    let amount = |input: usize, knots: &'static [f32]| {
        knots.windows(2).map(move |pair| Ramp { input, from: pair[0], to: pair[1] })
    };
    (0..TMO1_WIDTH / FIELDS)
        .flat_map(record)
        .chain(amount(TMO1_WIDTH, &SECONDS))
        .chain(amount(TMO1_WIDTH + 1, &USD))
        .collect()
}

impl Ramp {
    /// Its value for an observation.
    #[must_use]
    pub fn of(&self, observation: &[f32]) -> f32 {
        ((observation[self.input] - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }
}

/// The 27 numbers of layout `tmo-1-rc`.
#[must_use]
pub fn observe(state: State, remaining: Budget) -> [f32; TMO1_RC_WIDTH] {
    let mut numbers = [0.0; TMO1_RC_WIDTH];
    numbers[..TMO1_WIDTH].copy_from_slice(&state.observe());
    numbers[TMO1_WIDTH] = remaining.seconds as f32;
    numbers[TMO1_WIDTH + 1] = remaining.usd as f32;
    numbers
}
