//! Commands that leave out what they cannot do without, and the question for it.

use super::slots::{CARRIED, OPENED, ROOMS, SET, SWITCHED, pair};
use crate::phrasing::choose;
use crate::prompt::Exchange;
use crate::rng::Rng;
use crate::scene::Split;

const NO_MINUTES: [&str; 10] = [
    "set a timer",
    "start a timer",
    "please set a timer",
    "can you start a timer?",
    "robot, set a timer for me",
    "would you please start a timer for me?",
    "I want you to set a timer",
    "please start a timer for me",
    "I need a timer",
    "could you set a timer?",
];

const NO_ROOM_TO_SWITCH: [&str; 10] = [
    "turn {s} the {d}",
    "switch {s} the {d}",
    "turn the {d} {s}",
    "please turn {s} the {d}",
    "can you switch the {d} {s}?",
    "I want the {d} {s}",
    "would you please turn {s} the {d}?",
    "robot, switch the {d} {s}",
    "could you turn {s} the {d}?",
    "please switch the {d} {s}",
];

const NO_ROOM_TO_OPEN: [&str; 9] = [
    "{v} the {d}",
    "please {v} the {d}",
    "can you {v} the {d}?",
    "I want you to {v} the {d}",
    "would you please {v} the {d}?",
    "robot, {v} the {d}",
    "I would like you to {v} the {d}",
    "could you {v} the {d}?",
    "please could you {v} the {d}?",
];

const NO_DEGREES: [&str; 8] = [
    "set the {r} {d}",
    "please set the {r} {d}",
    "can you set the {r} {d} to another temperature?",
    "change the {r} {d}",
    "robot, set the {r} {d} for me",
    "I want you to set the {r} {d}",
    "could you set the {r} {d}?",
    "please change the {r} {d}",
];

const NO_ROOM_TO_FETCH: [&str; 10] = [
    "bring me the {t}",
    "fetch the {t}",
    "please get me the {t}",
    "can you bring me the {t}?",
    "robot, get me the {t}",
    "would you please fetch the {t}?",
    "I would like you to bring me the {t}",
    "go and get the {t}",
    "I need the {t}",
    "could you fetch the {t}?",
];

/// A prompt that leaves something out; the reply asks for it, and there is no action.
pub(super) fn exchange(split: Split, rng: &mut Rng) -> Exchange {
    let (text, reply, slots) = match rng.below(6) {
        0 => (
            choose(&NO_MINUTES, split, rng).to_owned(),
            "For how many minutes should I set the timer?".to_owned(),
            vec!["how many minutes".to_owned()],
        ),
        1 | 2 => {
            let (device, state) = (*rng.pick(&SWITCHED), *rng.pick(&["on", "off"]));
            let text = choose(&NO_ROOM_TO_SWITCH, split, rng).replace("{s}", state).replace("{d}", device);
            let slots = vec!["in which room".to_owned(), format!("turn {state} the {device}")];
            (text, format!("In which room should I turn {state} the {device}?"), slots)
        }
        3 => {
            let (device, verb) = (*rng.pick(&OPENED), *rng.pick(&["open", "close"]));
            let text = choose(&NO_ROOM_TO_OPEN, split, rng).replace("{v}", verb).replace("{d}", device);
            let slots = vec!["in which room".to_owned(), format!("{verb} the {device}")];
            (text, format!("In which room should I {verb} the {device}?"), slots)
        }
        4 => {
            let (room, device) = pair(&ROOMS, &SET, split, rng);
            let text = choose(&NO_DEGREES, split, rng).replace("{r}", room).replace("{d}", device);
            let slots = vec!["how many degrees".to_owned(), format!("{room} {device}")];
            (text, format!("To how many degrees should I set the {room} {device}?"), slots)
        }
        _ => {
            let thing = *rng.pick(&CARRIED);
            let text = choose(&NO_ROOM_TO_FETCH, split, rng).replace("{t}", thing);
            let slots = vec!["from which room".to_owned(), format!("bring the {thing}")];
            (text, format!("From which room should I bring the {thing}?"), slots)
        }
    };
    Exchange { text, reply, action: None, slots }
}
