//! What a person says to the robot, with what is right.

use crate::camera::CAMERAS;
use crate::rng::Rng;
use crate::scene::{Scene, Split};
use crate::thing::{Category, Colour, Kind, Place};
use crate::topic::Topic;
use crate::{assistive, message, phrasing};

/// The four task kinds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TaskKind {
    /// A command to the house or the robot.
    Assistive,
    /// A question about what the cameras show.
    Query,
    /// A request for advice that depends on what the cameras show.
    Recommendation,
    /// A message to somebody.
    Message,
}

impl TaskKind {
    /// Every kind, in the order of the task vocabulary.
    pub const ALL: [Self; 4] = [Self::Assistive, Self::Query, Self::Recommendation, Self::Message];

    /// Its name in files and on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Assistive => "assistive",
            Self::Query => "query",
            Self::Recommendation => "recommendation",
            Self::Message => "message",
        }
    }

    /// Its position in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A wording, the reply to it and the words the reply must hold.
pub(crate) struct Exchange {
    pub(crate) text: String,
    pub(crate) reply: String,
    pub(crate) action: Option<String>,
    pub(crate) slots: Vec<String>,
}

/// What a person says, and what is right to reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompt {
    /// The words.
    pub text: String,
    /// The task kind.
    pub kind: TaskKind,
    /// What it asks about.
    pub topic: Topic,
    /// Whether the right answer depends on what the cameras show.
    pub needs_views: bool,
    /// A right reply, in full.
    pub answer: String,
    /// The action that a right reply to an assistive prompt announces, in its compact form; none where the reply asks for what the
    /// prompt leaves out, and for other kinds.
    pub action: Option<String>,
    /// Phrases that a right reply to an assistive prompt or message holds; empty for questions about views.
    pub slots: Vec<String>,
}

impl Prompt {
    /// A prompt of `kind` that has one right answer in `scene`.
    #[must_use]
    pub fn generate(kind: TaskKind, scene: &Scene, split: Split, rng: &mut Rng) -> Self {
        let exchange = match kind {
            TaskKind::Assistive => assistive::exchange(split, rng),
            TaskKind::Message => message::exchange(split, rng),
            TaskKind::Query | TaskKind::Recommendation => {
                return Self::about(draw_topic(kind, scene, rng), kind, scene, split, rng);
            }
        };
        let Exchange { text, reply, action, slots } = exchange;
        Self { text, kind, topic: Topic::Nothing, needs_views: false, answer: reply, action, slots }
    }

    fn about(topic: Topic, kind: TaskKind, scene: &Scene, split: Split, rng: &mut Rng) -> Self {
        let answer = topic.answer(scene, &[0, 1, 2]).unwrap_or_default();
        let text = phrasing::question(topic, split, rng).unwrap_or_default();
        Self { text, kind, topic, needs_views: true, answer, action: None, slots: Vec::new() }
    }

    /// Whether `camera` shows what the prompt asks for. See [`Topic::shown_in`].
    #[must_use]
    pub fn relevant(&self, scene: &Scene, camera: usize) -> bool {
        camera < CAMERAS && self.topic.shown_in(&scene.visible(camera))
    }

    /// Whether the views of `cameras` suffice for the right answer; prompts that need no view are always answerable.
    #[must_use]
    pub fn answerable(&self, scene: &Scene, cameras: &[usize]) -> bool {
        !self.needs_views || self.topic.answer(scene, cameras).is_some()
    }
}

/// Draws the family first, so that questions with many instances do not crowd out the others; a family of items asks about
/// one that is there, or, for lack of a colour or place with one thing only, about another family.
fn draw_topic(kind: TaskKind, scene: &Scene, rng: &mut Rng) -> Topic {
    let items = scene.items();
    let families: &[fn(&Item, &mut Rng) -> Topic] = if kind == TaskKind::Query {
        &[
            |item, _| Topic::ColourOf(item.0),
            |item, _| Topic::ColourOf(item.0),
            |item, _| Topic::PlaceOf(item.0),
            |item, _| Topic::StateOf(item.0),
            |item, _| Topic::KindOfColour(item.1),
            |item, _| Topic::KindOfColour(item.1),
            |item, _| Topic::KindOn(item.2),
            |_, _| Topic::LampState,
            |_, _| Topic::StoveState,
            |_, _| Topic::DoorState,
            |_, _| Topic::People,
            |_, _| Topic::CatAnywhere,
            |_, _| Topic::WhichRoom,
        ]
    } else {
        const RECOMMENDED: [Category; 6] =
            [Category::Fruit, Category::Food, Category::Drink, Category::Toy, Category::Wear, Category::Tool];
        &[
            |item, _| Topic::Recommend(item.0.category()),
            |_, rng| Topic::Recommend(*rng.pick(&RECOMMENDED)),
            |_, _| Topic::TidyFloor,
            |_, rng| *rng.pick(&[Topic::AdviseLamp, Topic::AdviseStove, Topic::AdviseDoor]),
        ]
    };
    // Every family holds topics that need not fit; those about fixtures always do, so the search ends.
    for _ in 0..DRAWS_MAX {
        let family = *rng.pick(families);
        for _ in 0..INSTANCES_MAX {
            let nothing = (Kind::Apple, Colour::Red, Place::Floor);
            let item = if items.is_empty() { nothing } else { *rng.pick(&items) };
            let topic = family(&item, rng);
            if topic.fits(scene) {
                return topic;
            }
        }
    }
    if kind == TaskKind::Query { Topic::LampState } else { Topic::AdviseLamp }
}

type Item = (Kind, Colour, Place);

const DRAWS_MAX: usize = 64;
const INSTANCES_MAX: usize = 6;
