//! Messages to people, with the text that must arrive.

mod content;

use crate::assistive::enumerate;
use crate::phrasing::choose;
use crate::prompt::Exchange;
use crate::rng::{Rng, hash};
use crate::scene::Split;
use content::{body, content, people};

/// One in this many pairs of a name and a content is reserved for the held-out split.
const HELD_OUT_ONE_IN: u64 = 5;
/// Share of prompts that leave out what to say or to whom: the right reply asks for it.
const MISSING: f32 = 0.1;

const WORDINGS: [&str; 16] = [
    "tell {n} that {c}",
    "let {n} know that {c}",
    "send {n} a message that {c}",
    "write to {n} that {c}",
    "please tell {n} that {c}",
    "text {n} that {c}",
    "message {n}: {c}",
    "say to {n} that {c}",
    "could you tell {n} that {c}?",
    "please let {n} know: {c}",
    "robot, write {n} a message: {c}",
    "inform {n} that {c}",
    "I want {n} to know that {c}",
    "send a message to {n} saying that {c}",
    "send a message to {n}: {c}",
    "please write to {n} that {c}",
];

const NO_CONTENT: [&str; 9] = [
    "send a message to {n}",
    "send {n} a message",
    "write to {n}",
    "please text {n}",
    "I want to tell {n} something",
    "could you write {n} a message?",
    "robot, send a message to {n}",
    "please write a message to {n}",
    "could you send {n} a message?",
];

const NO_NAME: [&str; 8] = [
    "send a message that {c}",
    "write a message: {c}",
    "send this message: {c}",
    "please send a message that {c}",
    "tell them that {c}",
    "let everybody know that {c}",
    "please write a message that {c}",
    "send a message: {c}",
];

/// A message prompt and the confirmation that repeats what is sent, or the question for what it leaves out.
pub(crate) fn exchange(split: Split, rng: &mut Rng) -> Exchange {
    if rng.chance(MISSING) {
        return missing(split, rng);
    }
    let (to, body) = loop {
        let (to, body) = (people(rng), body(rng));
        if split == Split::HeldOut || !hash(format!("{}/{body}", to[0]).as_bytes()).is_multiple_of(HELD_OUT_ONE_IN) {
            break (to, body);
        }
    };
    let names = enumerate(&to);
    let text = choose(&WORDINGS, split, rng).replace("{n}", &names).replace("{c}", &body);
    let reply = format!("Message to {names}: {body}.");
    Exchange { text, reply, action: None, slots: to.into_iter().chain([body]).collect() }
}

fn missing(split: Split, rng: &mut Rng) -> Exchange {
    let (text, reply, slots) = if rng.chance(0.5) {
        let to = people(rng);
        let names = enumerate(&to);
        let text = choose(&NO_CONTENT, split, rng).replace("{n}", &names);
        let asked = ["what should I tell".to_owned()];
        (text, format!("What should I tell {names}?"), asked.into_iter().chain(to).collect())
    } else {
        let text = choose(&NO_NAME, split, rng).replace("{c}", &content(rng));
        (text, "To whom should I send this message?".to_owned(), vec!["to whom".to_owned()])
    };
    Exchange { text, reply, action: None, slots }
}
