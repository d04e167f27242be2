//! Commands to the house and the robot, with the confirmation that is right.

use crate::phrasing::choose;
use crate::prompt::Exchange;
use crate::rng::{Rng, hash};
use crate::scene::Split;

const ROOMS: [&str; 14] = [
    "kitchen", "bedroom", "bathroom", "hall", "cellar", "garage", "attic", "office", "garden", "lounge", "nursery",
    "workshop", "balcony", "pantry",
];
const SWITCHED: [&str; 14] = [
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
];
const OPENED: [&str; 8] = ["window", "blinds", "curtains", "gate", "shutters", "cupboard", "drawer", "hatch"];
const CARRIED: [&str; 16] = [
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
];
/// Most commands in one prompt.
const COMMANDS_MAX: usize = 4;
/// Share of prompts that hold several commands: their confirmations are the long ones.
const SEVERAL: f32 = 0.3;
/// One in this many slot pairs is reserved for the held-out split.
const HELD_OUT_ONE_IN: u64 = 5;

/// One command in its wordings: as an order, as what the robot does, and the words that must come back.
struct Command {
    order: String,
    doing: String,
    slots: Vec<String>,
}

fn reserved(a: &str, b: &str) -> bool {
    hash(format!("{a}/{b}").as_bytes()).is_multiple_of(HELD_OUT_ONE_IN)
}

/// A pair that `split` may use: training never draws a reserved one.
fn pair<'a>(first: &[&'a str], second: &[&'a str], split: Split, rng: &mut Rng) -> (&'a str, &'a str) {
    loop {
        let (a, b) = (*rng.pick(first), *rng.pick(second));
        if split == Split::HeldOut || !reserved(a, b) {
            return (a, b);
        }
    }
}

fn switch(split: Split, single: bool, rng: &mut Rng) -> Command {
    let (room, device) = pair(&ROOMS, &SWITCHED, split, rng);
    let state = *rng.pick(&["on", "off"]);
    let wordings: &[&str] = if single {
        &[
            "turn {s} the {r} {d}",
            "switch {s} the {r} {d}",
            "turn the {r} {d} {s}",
            "please turn {s} the {r} {d}",
            "could you switch the {r} {d} {s}?",
            "I want the {r} {d} {s}",
            "put the {r} {d} {s}",
            "please switch the {r} {d} {s}",
        ]
    } else {
        &["turn {s} the {r} {d}"]
    };
    let order = choose(wordings, split, rng).replace("{s}", state).replace("{r}", room).replace("{d}", device);
    Command {
        order,
        doing: format!("turning {state} the {room} {device}"),
        slots: vec![format!("{room} {device}"), state.to_owned()],
    }
}

fn open(split: Split, single: bool, rng: &mut Rng) -> Command {
    let (room, device) = pair(&ROOMS, &OPENED, split, rng);
    let (verb, doing) = *rng.pick(&[("open", "opening"), ("close", "closing")]);
    let wordings: &[&str] = if single {
        &[
            "{v} the {r} {d}",
            "please {v} the {r} {d}",
            "could you {v} the {r} {d}?",
            "I want you to {v} the {r} {d}",
            "please could you {v} the {r} {d}?",
        ]
    } else {
        &["{v} the {r} {d}"]
    };
    let order = choose(wordings, split, rng).replace("{v}", verb).replace("{r}", room).replace("{d}", device);
    Command {
        order,
        doing: format!("{doing} the {room} {device}"),
        slots: vec![format!("{doing} the {room} {device}")],
    }
}

fn set(split: Split, single: bool, rng: &mut Rng) -> Command {
    let (room, device) = pair(&ROOMS, &["heater", "thermostat", "oven", "boiler", "freezer"], split, rng);
    let degrees = 5 + rng.below(55);
    let wordings: &[&str] = if single {
        &[
            "set the {r} {d} to {n} degrees",
            "please set the {r} {d} to {n} degrees",
            "bring the {r} {d} to {n} degrees",
            "could you set the {r} {d} to {n} degrees?",
        ]
    } else {
        &["set the {r} {d} to {n} degrees"]
    };
    let order =
        choose(wordings, split, rng).replace("{r}", room).replace("{d}", device).replace("{n}", &degrees.to_string());
    Command {
        order,
        doing: format!("setting the {room} {device} to {degrees} degrees"),
        slots: vec![format!("{room} {device}"), format!("{degrees} degrees")],
    }
}

fn bring(split: Split, single: bool, rng: &mut Rng) -> Command {
    let (thing, room) = pair(&CARRIED, &ROOMS, split, rng);
    let wordings: &[&str] = if single {
        &[
            "bring me the {t} from the {r}",
            "fetch the {t} from the {r}",
            "please get me the {t} from the {r}",
            "I need the {t} from the {r}",
            "could you bring the {t} from the {r}?",
        ]
    } else {
        &["bring me the {t} from the {r}"]
    };
    let order = choose(wordings, split, rng).replace("{t}", thing).replace("{r}", room);
    Command {
        order,
        doing: format!("bringing the {thing} from the {room}"),
        slots: vec![format!("{thing} from the {room}")],
    }
}

fn timer(split: Split, single: bool, rng: &mut Rng) -> Command {
    let minutes = 2 + rng.below(88);
    let wordings: &[&str] = if single {
        &[
            "set a timer for {n} minutes",
            "start a timer for {n} minutes",
            "wake me in {n} minutes",
            "I need a timer for {n} minutes",
        ]
    } else {
        &["set a timer for {n} minutes"]
    };
    let order = choose(wordings, split, rng).replace("{n}", &minutes.to_string());
    Command {
        order,
        doing: format!("starting a timer for {minutes} minutes"),
        slots: vec![format!("{minutes} minutes")],
    }
}

fn command(split: Split, single: bool, rng: &mut Rng) -> Command {
    match rng.below(8) {
        0..=2 => switch(split, single, rng),
        3 | 4 => open(split, single, rng),
        5 => set(split, single, rng),
        6 => bring(split, single, rng),
        _ => timer(split, single, rng),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn enumerate(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// `text` with a capital at its start.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// An assistive prompt and its confirmation.
pub(crate) fn exchange(split: Split, rng: &mut Rng) -> Exchange {
    let count = if rng.chance(SEVERAL) { 2 + rng.below(COMMANDS_MAX - 1) } else { 1 };
    let commands: Vec<Command> = (0..count).map(|_| command(split, count == 1, rng)).collect();
    let order = enumerate(&commands.iter().map(|c| c.order.clone()).collect::<Vec<_>>());
    let doing = enumerate(&commands.iter().map(|c| c.doing.clone()).collect::<Vec<_>>());
    let opening = if count == 1 { "" } else { *rng.pick(&["", "please ", "robot, "]) };
    Exchange {
        text: format!("{opening}{order}"),
        reply: format!("{}.", sentence(&doing)),
        slots: commands.into_iter().flat_map(|c| c.slots).collect(),
    }
}
