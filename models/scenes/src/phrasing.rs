//! How questions about the views are worded. The last wording of every list is reserved for the held-out split.

use crate::rng::Rng;
use crate::scene::Split;
use crate::thing::{Category, Place};
use crate::topic::Topic;

const OPENINGS: [&str; 8] =
    ["", "", "", "hey robot, ", "excuse me, ", "please tell me, ", "can you help, ", "quick question: "];

/// One of `wordings`: training never sees the last one; held-out draws it every second time.
pub(crate) fn choose<'a>(wordings: &[&'a str], split: Split, rng: &mut Rng) -> &'a str {
    let Some((reserved, known)) = wordings.split_last() else {
        return "";
    };
    if known.is_empty() || (split == Split::HeldOut && rng.chance(0.5)) { reserved } else { rng.pick::<&str>(known) }
}

/// The text of a question about the views; `None` for a topic that is none.
pub(crate) fn question(topic: Topic, split: Split, rng: &mut Rng) -> Option<String> {
    let (wordings, slot): (&[&str], &str) = match topic {
        Topic::ColourOf(kind) => (
            &[
                "what colour is the {}?",
                "which colour does the {} have?",
                "what is the colour of the {}?",
                "tell me the colour of the {}",
                "name the colour of the {}",
                "tell me what colour the {} is",
            ],
            kind.word(),
        ),
        Topic::PlaceOf(kind) => (
            &[
                "where is the {}?",
                "where can I find the {}?",
                "where did I leave the {}?",
                "I am looking for the {}, where is it?",
                "on what is the {} lying?",
                "where is the {} lying?",
            ],
            kind.word(),
        ),
        Topic::KindOfColour(colour) => (
            &[
                "what is the {} thing?",
                "what is the {} object?",
                "which thing is {}?",
                "name the thing that is {}",
                "what do you see that is {}?",
                "name the {} thing",
            ],
            colour.word(),
        ),
        Topic::KindOn(place) => (
            match place {
                Place::Floor => &["what is lying on the {}?", "what is on the {}?", "which thing is on the {}?"],
                _ => &[
                    "what is on the {}?",
                    "what is standing on the {}?",
                    "which thing is on the {}?",
                    "name the thing on the {}",
                ],
            },
            place.word(),
        ),
        Topic::LampState => (
            &[
                "is the lamp on or off?",
                "tell me if the lamp is on or off",
                "is the light of the lamp on or off?",
                "the lamp, is it on or off?",
            ],
            "",
        ),
        Topic::StoveState => (
            &[
                "is the stove on or off?",
                "tell me if the stove is on or off",
                "is the oven on or off?",
                "the stove, is it on or off?",
            ],
            "",
        ),
        Topic::DoorState => (
            &[
                "is the door open or closed?",
                "tell me if the door is open or closed",
                "did I leave the door open or closed?",
                "the door, is it open or closed?",
            ],
            "",
        ),
        Topic::People => (
            &[
                "how many people are in the house?",
                "how many people are there in all?",
                "count the people in the house",
                "how many persons are in the house?",
            ],
            "",
        ),
        Topic::CatAnywhere => (
            &[
                "is there a cat anywhere?",
                "is the cat in the house?",
                "can you see a cat anywhere?",
                "is a cat anywhere in the house?",
            ],
            "",
        ),
        Topic::WhichRoom => (
            &[
                "which room is this?",
                "what room am I in?",
                "in which room are you?",
                "what is the name of this room?",
                "tell me which room this is",
            ],
            "",
        ),
        Topic::Recommend(Category::Fruit) => (
            &[
                "which fruit could I eat?",
                "I am hungry, which fruit should I take?",
                "recommend me a fruit from what is here",
                "I want something healthy to eat, what is there?",
                "which fruit should I eat?",
            ],
            "",
        ),
        Topic::Recommend(Category::Drink) => (
            &[
                "which drink should I take?",
                "I am thirsty, what should I take?",
                "recommend me something to drink",
                "what could I drink?",
                "which drink could I take?",
            ],
            "",
        ),
        Topic::Recommend(Category::Toy) => (
            &[
                "which toy could the child play with?",
                "the child is bored, which toy should I give?",
                "recommend me a toy from what is here",
                "what could the child play with?",
                "which toy should the child play with?",
            ],
            "",
        ),
        Topic::Recommend(Category::Other) => (&["what could I read or wear?", "which thing could I read or wear?"], ""),
        Topic::TidyFloor => (
            &[
                "what should I put away from the floor?",
                "what should I pick up from the floor?",
                "I want to tidy up, what should leave the floor?",
                "which thing should I clear from the floor?",
            ],
            "",
        ),
        Topic::AdviseLamp => (
            &[
                "should I turn off the lamp?",
                "do I need to switch off the lamp before bed?",
                "would you turn off the lamp now?",
                "do I need to turn off the lamp?",
            ],
            "",
        ),
        Topic::AdviseStove => (
            &[
                "should I turn off the stove?",
                "do I need to switch off the stove before I leave?",
                "would you turn off the stove now?",
                "do I need to turn off the stove?",
            ],
            "",
        ),
        Topic::AdviseDoor => (
            &[
                "should I close the door?",
                "do I need to close the door before I leave?",
                "would you close the door now?",
                "should I close the door now?",
            ],
            "",
        ),
        Topic::Nothing => return None,
    };
    Some(format!("{}{}", rng.pick(&OPENINGS), choose(wordings, split, rng).replace("{}", slot)))
}
