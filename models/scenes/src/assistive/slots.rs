//! What commands name.

use crate::rng::{Rng, hash};
use crate::scene::Split;

pub(super) const ROOMS: [&str; 20] = [
    "kitchen", "bedroom", "bathroom", "hall", "cellar", "garage", "attic", "office", "garden", "lounge", "nursery",
    "workshop", "balcony", "pantry", "library", "studio", "porch", "laundry", "corridor", "terrace",
];

pub(super) const SWITCHED: [&str; 20] = [
    "lamp",
    "heater",
    "fan",
    "radio",
    "television",
    "speaker",
    "humidifier",
    "projector",
    "alarm",
    "printer",
    "kettle",
    "toaster",
    "camera",
    "light",
    "dishwasher",
    "dryer",
    "sprinkler",
    "router",
    "mixer",
    "fountain",
];

pub(super) const OPENED: [&str; 12] = [
    "window", "blinds", "curtains", "gate", "shutters", "cupboard", "drawer", "hatch", "skylight", "valve", "safe",
    "locker",
];

pub(super) const SET: [&str; 8] = ["heater", "thermostat", "oven", "boiler", "freezer", "fridge", "radiator", "sauna"];

pub(super) const CARRIED: [&str; 26] = [
    "towel",
    "blanket",
    "newspaper",
    "scissors",
    "umbrella",
    "charger",
    "tablet",
    "plate",
    "basket",
    "pillow",
    "ladder",
    "broom",
    "hammer",
    "jacket",
    "letter",
    "glasses",
    "screwdriver",
    "bucket",
    "notebook",
    "slippers",
    "medicine",
    "spoon",
    "scarf",
    "wrench",
    "cushion",
    "magazine",
];

/// One in this many slot pairs is reserved for the held-out split.
const HELD_OUT_ONE_IN: u64 = 5;

fn reserved(a: &str, b: &str) -> bool {
    hash(format!("{a}/{b}").as_bytes()).is_multiple_of(HELD_OUT_ONE_IN)
}

/// A pair that `split` may use: training never draws a reserved one.
pub(super) fn pair<'a>(first: &[&'a str], second: &[&'a str], split: Split, rng: &mut Rng) -> (&'a str, &'a str) {
    loop {
        let (a, b) = (*rng.pick(first), *rng.pick(second));
        if split == Split::HeldOut || !reserved(a, b) {
            return (a, b);
        }
    }
}

/// Degrees that something is set to.
pub(super) fn degrees(rng: &mut Rng) -> String {
    (5 + rng.below(55)).to_string()
}

/// Minutes that a timer runs.
pub(super) fn minutes(rng: &mut Rng) -> String {
    (2 + rng.below(88)).to_string()
}
