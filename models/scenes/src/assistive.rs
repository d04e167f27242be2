//! Commands to the house and the robot, with the confirmation that is right and the action that it announces.
//!
//! An action is written in a compact form that keeps the order of the sentence, so that both name the same words in the same order:
//!
//! ```text
//! actions = action { "; " action }
//! action  = "switch" ( "on" | "off" ) WHAT      turning off the kitchen lamp
//!         | ( "open" | "close" ) WHAT           opening the bedroom window
//!         | "set" WHAT NUMBER                   setting the hall heater to 21 degrees
//!         | "bring" WHAT "from" WHERE           bringing the towel from the attic
//!         | "timer" NUMBER                      starting a timer for 5 minutes
//! ```

mod commands;
mod missing;
mod slots;

use crate::prompt::Exchange;
use crate::rng::Rng;
use crate::scene::Split;
use commands::{Command, command};

/// Most commands in one prompt.
const COMMANDS_MAX: usize = 4;
/// Share of prompts that hold several commands: their confirmations are the long ones.
const SEVERAL: f32 = 0.3;
/// Share of prompts that leave something out: the right reply asks for it.
const MISSING: f32 = 0.1;

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

/// An assistive prompt and its confirmation, or the question for what it leaves out.
pub(crate) fn exchange(split: Split, rng: &mut Rng) -> Exchange {
    if rng.chance(MISSING) {
        return missing::exchange(split, rng);
    }
    let count = if rng.chance(SEVERAL) { 2 + rng.below(COMMANDS_MAX - 1) } else { 1 };
    let commands: Vec<Command> = (0..count).map(|_| command(split, count == 1, rng)).collect();
    let all = |part: fn(&Command) -> &String| -> Vec<String> { commands.iter().map(|c| part(c).clone()).collect() };
    let (order, doing, action) = (enumerate(&all(|c| &c.order)), enumerate(&all(|c| &c.doing)), all(|c| &c.action));
    let opening = if count == 1 { "" } else { *rng.pick(&["", "please ", "robot, ", "could you "]) };
    let end = if opening == "could you " { "?" } else { "" };
    Exchange {
        text: format!("{opening}{order}{end}"),
        reply: format!("{}.", sentence(&doing)),
        action: Some(action.join("; ")),
        slots: commands.into_iter().flat_map(|c| c.slots).collect(),
    }
}
