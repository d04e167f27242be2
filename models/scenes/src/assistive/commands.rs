//! The commands and their wordings.

use super::slots::{CARRIED, OPENED, ROOMS, SET, SWITCHED, degrees, minutes, pair};
use crate::phrasing::choose;
use crate::rng::Rng;
use crate::scene::Split;

/// One command in its wordings: as an order, as what the robot does, as an action, and the words that must come back.
pub(super) struct Command {
    pub(super) order: String,
    pub(super) doing: String,
    pub(super) action: String,
    pub(super) slots: Vec<String>,
}

/// Wordings of a command that stands alone, and of one among several: these must read on after a comma.
struct Wordings<'a> {
    single: &'a [&'a str],
    several: &'a [&'a str],
}

impl Wordings<'_> {
    fn draw(&self, split: Split, single: bool, rng: &mut Rng) -> &str {
        choose(if single { self.single } else { self.several }, split, rng)
    }
}

const SWITCH: Wordings<'_> = Wordings {
    single: &[
        "turn {s} the {r} {d}",
        "switch {s} the {r} {d}",
        "turn the {r} {d} {s}",
        "please turn {s} the {r} {d}",
        "could you switch the {r} {d} {s}?",
        "I want the {r} {d} {s}",
        "can you turn the {r} {d} {s}?",
        "the {r} {d} should be {s}",
        "would you please turn {s} the {r} {d}?",
        "robot, switch the {r} {d} {s}",
        "please switch {s} the {d} in the {r}",
        "I would like the {r} {d} to be {s}",
        "please switch the {r} {d} {s}",
        "could you turn {s} the {r} {d}?",
    ],
    several: &[
        "turn {s} the {r} {d}",
        "switch {s} the {r} {d}",
        "turn the {r} {d} {s}",
        "turn {s} the {d} in the {r}",
        "switch the {r} {d} {s}",
        "switch {s} the {d} in the {r}",
    ],
};

const OPEN: Wordings<'_> = Wordings {
    single: &[
        "{v} the {r} {d}",
        "please {v} the {r} {d}",
        "could you {v} the {r} {d}?",
        "I want you to {v} the {r} {d}",
        "can you {v} the {d} in the {r}?",
        "would you please {v} the {r} {d}?",
        "robot, {v} the {r} {d}",
        "I would like you to {v} the {r} {d}",
        "please could you {v} the {r} {d}?",
        "{v} the {d} in the {r}",
    ],
    several: &["{v} the {r} {d}", "{v} the {d} in the {r}", "please {v} the {r} {d}", "please {v} the {d} in the {r}"],
};

const TEMPERATURE: Wordings<'_> = Wordings {
    single: &[
        "set the {r} {d} to {n} degrees",
        "please set the {r} {d} to {n} degrees",
        "bring the {r} {d} to {n} degrees",
        "I want the {r} {d} at {n} degrees",
        "can you set the {d} in the {r} to {n} degrees?",
        "turn the {r} {d} to {n} degrees",
        "robot, put the {r} {d} at {n} degrees",
        "I would like the {r} {d} to be at {n} degrees",
        "could you set the {r} {d} to {n} degrees?",
        "please turn the {r} {d} to {n} degrees",
    ],
    several: &[
        "set the {r} {d} to {n} degrees",
        "turn the {r} {d} to {n} degrees",
        "set the {d} in the {r} to {n} degrees",
        "bring the {r} {d} to {n} degrees",
        "turn the {d} in the {r} to {n} degrees",
    ],
};

const BRING: Wordings<'_> = Wordings {
    single: &[
        "bring me the {t} from the {r}",
        "fetch the {t} from the {r}",
        "please get me the {t} from the {r}",
        "I need the {t} from the {r}",
        "can you get the {t} that is in the {r}?",
        "go to the {r} and bring me the {t}",
        "would you please fetch the {t} from the {r}?",
        "robot, get me the {t} from the {r}",
        "could you bring the {t} from the {r}?",
        "please go to the {r} and fetch the {t}",
    ],
    several: &[
        "bring me the {t} from the {r}",
        "fetch the {t} from the {r}",
        "get the {t} from the {r}",
        "bring the {t} from the {r}",
        "get me the {t} from the {r}",
    ],
};

const TIMER: Wordings<'_> = Wordings {
    single: &[
        "set a timer for {n} minutes",
        "start a timer for {n} minutes",
        "wake me in {n} minutes",
        "please start a {n} minute timer",
        "can you set a timer for {n} minutes?",
        "remind me in {n} minutes",
        "robot, a timer for {n} minutes",
        "would you please set a timer for {n} minutes?",
        "I need a timer for {n} minutes",
        "could you start a timer for {n} minutes?",
    ],
    several: &[
        "set a timer for {n} minutes",
        "start a timer for {n} minutes",
        "wake me in {n} minutes",
        "set a {n} minute timer",
        "start a {n} minute timer",
    ],
};

fn switch(split: Split, single: bool, rng: &mut Rng) -> Command {
    let (room, device) = pair(&ROOMS, &SWITCHED, split, rng);
    let state = *rng.pick(&["on", "off"]);
    let wording = SWITCH.draw(split, single, rng);
    Command {
        order: wording.replace("{s}", state).replace("{r}", room).replace("{d}", device),
        doing: format!("turning {state} the {room} {device}"),
        action: format!("switch {state} {room} {device}"),
        slots: vec![format!("{room} {device}"), state.to_owned()],
    }
}

fn open(split: Split, single: bool, rng: &mut Rng) -> Command {
    let (room, device) = pair(&ROOMS, &OPENED, split, rng);
    let (verb, doing) = *rng.pick(&[("open", "opening"), ("close", "closing")]);
    let wording = OPEN.draw(split, single, rng);
    Command {
        order: wording.replace("{v}", verb).replace("{r}", room).replace("{d}", device),
        doing: format!("{doing} the {room} {device}"),
        action: format!("{verb} {room} {device}"),
        slots: vec![format!("{doing} the {room} {device}")],
    }
}

fn set(split: Split, single: bool, rng: &mut Rng) -> Command {
    let (room, device) = pair(&ROOMS, &SET, split, rng);
    let degrees = degrees(rng);
    let wording = TEMPERATURE.draw(split, single, rng);
    Command {
        order: wording.replace("{r}", room).replace("{d}", device).replace("{n}", &degrees),
        doing: format!("setting the {room} {device} to {degrees} degrees"),
        action: format!("set {room} {device} {degrees}"),
        slots: vec![format!("{room} {device}"), format!("{degrees} degrees")],
    }
}

fn bring(split: Split, single: bool, rng: &mut Rng) -> Command {
    let (thing, room) = pair(&CARRIED, &ROOMS, split, rng);
    let wording = BRING.draw(split, single, rng);
    Command {
        order: wording.replace("{t}", thing).replace("{r}", room),
        doing: format!("bringing the {thing} from the {room}"),
        action: format!("bring {thing} from {room}"),
        slots: vec![format!("{thing} from the {room}")],
    }
}

fn timer(split: Split, single: bool, rng: &mut Rng) -> Command {
    let minutes = minutes(rng);
    let wording = TIMER.draw(split, single, rng);
    Command {
        order: wording.replace("{n}", &minutes),
        doing: format!("starting a timer for {minutes} minutes"),
        action: format!("timer {minutes}"),
        slots: vec![format!("{minutes} minutes")],
    }
}

/// A command that stands alone or is one of several.
pub(super) fn command(split: Split, single: bool, rng: &mut Rng) -> Command {
    match rng.below(8) {
        0..=2 => switch(split, single, rng),
        3 | 4 => open(split, single, rng),
        5 => set(split, single, rng),
        6 => bring(split, single, rng),
        _ => timer(split, single, rng),
    }
}
