//! Messages to people, with the text that must arrive.

use crate::assistive::enumerate;
use crate::phrasing::choose;
use crate::prompt::Exchange;
use crate::rng::{Rng, hash};
use crate::scene::Split;

const NAMES: [&str; 40] = [
    "Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Henry", "Ida", "Jonas", "Karen", "Leo", "Maria",
    "Noah", "Olga", "Paul", "Quinn", "Rosa", "Simon", "Tina", "Uwe", "Vera", "Walter", "Xenia", "Yusuf", "Zoe", "Amir",
    "Bella", "Chen", "Dora", "Elif", "Frank", "Gina", "Hugo", "Ines", "Jack", "Lena", "Marco", "Nina", "Oscar",
];
const GOODS: [&str; 18] = [
    "milk", "bread", "butter", "cheese", "rice", "flour", "sugar", "coffee", "tea", "honey", "salt", "pasta", "onions",
    "carrots", "tomatoes", "eggs", "soap", "paper",
];
const EVENTS: [&str; 10] = [
    "dinner",
    "lunch",
    "the meeting",
    "the party",
    "the concert",
    "the lesson",
    "the visit",
    "the match",
    "breakfast",
    "the walk",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const HOURS: [&str; 8] = ["five", "six", "seven", "eight", "nine", "ten", "eleven", "noon"];
const NEWS: [&str; 14] = [
    "I will be late",
    "I am on my way",
    "I am at home",
    "the train is delayed",
    "the parcel has arrived",
    "the car is ready",
    "the key is under the mat",
    "I forgot my phone",
    "the doctor called",
    "the bus is full",
    "it is raining here",
    "I found the ring",
    "the cake is ready",
    "I lost my wallet",
];
const GOODS_MAX: usize = 9;
const NAMES_MAX: usize = 4;
const NEWS_MAX: usize = 3;
/// One in this many pairs of a name and a content is reserved for the held-out split.
const HELD_OUT_ONE_IN: u64 = 5;

fn content(rng: &mut Rng) -> String {
    match rng.below(6) {
        0 | 1 => (*rng.pick(&NEWS)).to_owned(),
        2 => format!("{} is at {}", rng.pick(&EVENTS), rng.pick(&HOURS)),
        3 => format!("{} moved to {}", rng.pick(&EVENTS), rng.pick(&DAYS)),
        4 => format!("I will come on {} at {}", rng.pick(&DAYS), rng.pick(&HOURS)),
        _ => format!("{} is cancelled on {}", rng.pick(&EVENTS), rng.pick(&DAYS)),
    }
}

fn goods(count: usize, rng: &mut Rng) -> String {
    let mut list = GOODS.to_vec();
    rng.shuffle(&mut list);
    enumerate(&list[..count.min(list.len())].iter().map(|&g| g.to_owned()).collect::<Vec<_>>())
}

fn people(count: usize, rng: &mut Rng) -> Vec<String> {
    let mut list = NAMES.to_vec();
    rng.shuffle(&mut list);
    list[..count.min(list.len())].iter().map(|&n| n.to_owned()).collect()
}

/// A message prompt and the confirmation that repeats what is sent.
pub(crate) fn exchange(split: Split, rng: &mut Rng) -> Exchange {
    let (to, body) = loop {
        let to = people(if rng.chance(0.3) { 2 + rng.below(NAMES_MAX - 1) } else { 1 }, rng);
        let body = match rng.below(10) {
            0..=5 => content(rng),
            6 => format!("we need {}", goods(1 + rng.below(3), rng)),
            7 => format!("we need {}", goods(5 + rng.below(GOODS_MAX - 4), rng)),
            _ => enumerate(&(0..2 + rng.below(NEWS_MAX - 1)).map(|_| content(rng)).collect::<Vec<_>>()),
        };
        if split == Split::HeldOut || !hash(format!("{}/{body}", to[0]).as_bytes()).is_multiple_of(HELD_OUT_ONE_IN) {
            break (to, body);
        }
    };
    let wordings = [
        "tell {n} that {c}",
        "let {n} know that {c}",
        "send {n} a message that {c}",
        "write to {n} that {c}",
        "please tell {n} that {c}",
        "text {n} that {c}",
        "message {n}: {c}",
        "give {n} the message that {c}",
    ];
    let names = enumerate(&to);
    let text = choose(&wordings, split, rng).replace("{n}", &names).replace("{c}", &body);
    Exchange { text, reply: format!("Message to {names}: {body}."), slots: to.into_iter().chain([body]).collect() }
}
