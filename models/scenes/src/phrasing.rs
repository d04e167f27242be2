//! How questions about the views are worded. The last two wordings of every list are reserved for the held-out split: they are
//! made of words that training knows, in an order that it does not.

mod advice;
mod house;
mod things;

use crate::rng::Rng;
use crate::scene::Split;
use crate::thing::{Category, Colour, Kind, Place};
use crate::topic::Topic;

const OPENINGS: [&str; 12] = [
    "",
    "",
    "",
    "",
    "hey robot, ",
    "excuse me, ",
    "please tell me, ",
    "can you help, ",
    "quick question: ",
    "robot, ",
    "hello, ",
    "one more question: ",
];
/// Wordings at the end of every list that training never sees.
const RESERVED: usize = 2;

/// One of `wordings`: training never sees the last [`RESERVED`]; held-out draws them every second time.
pub(crate) fn choose<'a>(wordings: &[&'a str], split: Split, rng: &mut Rng) -> &'a str {
    let (known, reserved) = wordings.split_at(wordings.len().saturating_sub(RESERVED));
    let list = if known.is_empty() || (split == Split::HeldOut && rng.chance(0.5)) { reserved } else { known };
    if list.is_empty() { "" } else { rng.pick::<&str>(list) }
}

/// The wordings of a question about the views, and the word that takes the place of `{}`; `None` for a topic that is none.
/// `{is}` and `{does}` agree with that word; `{a}` and `{b}` are the two states of an item.
const fn wordings(topic: Topic) -> Option<(&'static [&'static str], &'static str)> {
    Some(match topic {
        Topic::ColourOf(kind) => (&things::COLOUR, kind.word()),
        Topic::PlaceOf(kind) => (&things::PLACE, kind.word()),
        Topic::KindOfColour(colour) => (&things::OF_COLOUR, colour.word()),
        Topic::KindOn(Place::Floor) => (&things::ON_THE_FLOOR, "floor"),
        Topic::KindOn(place) => (&things::ON_A_PLACE, place.word()),
        Topic::StateOf(kind) => (&things::STATE, kind.word()),
        Topic::LampState => (&house::LAMP, ""),
        Topic::StoveState => (&house::STOVE, ""),
        Topic::DoorState => (&house::DOOR, ""),
        Topic::People => (&house::PEOPLE, ""),
        Topic::CatAnywhere => (&house::CAT, ""),
        Topic::WhichRoom => (&house::ROOM, ""),
        Topic::Recommend(Category::Fruit) => (&advice::FRUIT, ""),
        Topic::Recommend(Category::Food) => (&advice::FOOD, ""),
        Topic::Recommend(Category::Drink) => (&advice::DRINK, ""),
        Topic::Recommend(Category::Toy) => (&advice::TOY, ""),
        Topic::Recommend(Category::Wear) => (&advice::WEAR, ""),
        Topic::Recommend(Category::Tool) => (&advice::TOOL, ""),
        Topic::TidyFloor => (&advice::FLOOR, ""),
        Topic::AdviseLamp => (&advice::LAMP, ""),
        Topic::AdviseStove => (&advice::STOVE, ""),
        Topic::AdviseDoor => (&advice::DOOR, ""),
        Topic::Recommend(Category::Other) | Topic::Nothing => return None,
    })
}

/// Kinds whose word is a plural.
const fn is_plural(topic: Topic) -> bool {
    matches!(topic, Topic::ColourOf(Kind::Grapes | Kind::Scissors) | Topic::PlaceOf(Kind::Grapes | Kind::Scissors))
}

fn fill(wording: &str, topic: Topic, slot: &str) -> String {
    let (is, does, it) = if is_plural(topic) { ("are", "do", "they") } else { ("is", "does", "it") };
    let [inactive, active] = match topic {
        Topic::StateOf(kind) => kind.states().unwrap_or_default(),
        _ => ["", ""],
    };
    (wording.replace("{}", slot).replace("{is}", is).replace("{does}", does).replace("{it}", it))
        .replace("{a}", inactive)
        .replace("{b}", active)
}

/// The text of a question about the views; `None` for a topic that is none.
pub(crate) fn question(topic: Topic, split: Split, rng: &mut Rng) -> Option<String> {
    let (wordings, slot) = wordings(topic)?;
    Some(format!("{}{}", rng.pick(&OPENINGS), fill(choose(wordings, split, rng), topic, slot)))
}

/// Every question about views that training can ask, with and without an opening: what a vocabulary is learnt from.
#[must_use]
pub fn training_questions() -> Vec<String> {
    let kinds = || Kind::ALL.iter().copied();
    let topics = (kinds().map(Topic::ColourOf))
        .chain(kinds().map(Topic::PlaceOf))
        .chain(kinds().filter(|k| k.states().is_some()).map(Topic::StateOf))
        .chain(Colour::ALL.iter().copied().map(Topic::KindOfColour))
        .chain(Place::ALL.iter().copied().map(Topic::KindOn))
        .chain(Category::ALL.iter().copied().map(Topic::Recommend))
        .chain([
            Topic::LampState,
            Topic::StoveState,
            Topic::DoorState,
            Topic::People,
            Topic::CatAnywhere,
            Topic::WhichRoom,
            Topic::TidyFloor,
            Topic::AdviseLamp,
            Topic::AdviseStove,
            Topic::AdviseDoor,
        ]);
    let mut texts = Vec::new();
    for topic in topics {
        let Some((wordings, slot)) = wordings(topic) else { continue };
        for wording in &wordings[..wordings.len().saturating_sub(RESERVED)] {
            let text = fill(wording, topic, slot);
            texts.push(format!("{}{text}", OPENINGS[texts.len() % OPENINGS.len()]));
            texts.push(text);
        }
    }
    texts
}
