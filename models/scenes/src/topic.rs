//! What a prompt asks about, which views show it, and what is right.

use crate::camera::CAMERAS;
use crate::scene::{Scene, Sighting};
use crate::thing::{Category, Colour, Kind, Place, Room, Thing};

/// The reply of a model that was not given a view which shows what is asked.
pub const CANNOT_SEE: &str = "I cannot see it";

const COUNTS: [&str; 4] = ["none", "one", "two", "three"];

/// What a prompt asks about.
///
/// Everything is judged by the usual rig of [`CAMERAS`] cameras.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Topic {
    /// The colour of an item.
    ColourOf(Kind),
    /// Where an item lies.
    PlaceOf(Kind),
    /// Whether an item is open or closed, on or off.
    StateOf(Kind),
    /// Which item has a colour.
    KindOfColour(Colour),
    /// Which item lies somewhere.
    KindOn(Place),
    /// Whether the lamp is on or off.
    LampState,
    /// Whether the stove is on or off.
    StoveState,
    /// Whether the door is open or closed.
    DoorState,
    /// How many people there are: needs every view.
    People,
    /// Whether there is a cat anywhere: needs every view unless one shows it.
    CatAnywhere,
    /// Which room this is: any view tells.
    WhichRoom,
    /// Which thing of a category to take.
    Recommend(Category),
    /// Which item to put away from the floor.
    TidyFloor,
    /// Whether the lamp should be switched off.
    AdviseLamp,
    /// Whether the stove should be switched off.
    AdviseStove,
    /// Whether the door should be closed.
    AdviseDoor,
    /// Nothing that a camera shows: assistive prompts and messages.
    Nothing,
}

impl Topic {
    /// Whether the right answer depends on what the cameras show.
    #[must_use]
    pub const fn needs_views(self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Whether a view that shows `sightings` is part of what must be seen to answer. For questions about the whole house
    /// every view is.
    #[must_use]
    pub fn shown_in(self, sightings: &[Sighting]) -> bool {
        match self {
            Self::Nothing => false,
            Self::People | Self::CatAnywhere | Self::WhichRoom => true,
            _ => sightings.iter().any(|s| self.is_about(s)),
        }
    }

    /// Whether this one thing is what is asked about.
    #[must_use]
    pub fn is_about(self, sighting: &Sighting) -> bool {
        match (self, sighting.thing) {
            (Self::ColourOf(k) | Self::PlaceOf(k) | Self::StateOf(k), Thing::Item { kind, .. }) => kind == k,
            (Self::KindOfColour(c), Thing::Item { colour, .. }) => colour == c,
            (Self::KindOn(place), Thing::Item { .. }) => sighting.place == Some(place),
            (Self::TidyFloor, Thing::Item { .. }) => sighting.place == Some(Place::Floor),
            (Self::Recommend(category), Thing::Item { kind, .. }) => kind.category() == category,
            (Self::LampState | Self::AdviseLamp, Thing::Lamp { .. })
            | (Self::StoveState | Self::AdviseStove, Thing::Stove { .. })
            | (Self::DoorState | Self::AdviseDoor, Thing::Door { .. })
            | (Self::People, Thing::Person)
            | (Self::CatAnywhere, Thing::Cat) => true,
            _ => false,
        }
    }

    /// Whether the question has exactly one right answer in `scene`.
    #[must_use]
    pub fn fits(self, scene: &Scene) -> bool {
        match self {
            Self::Nothing => false,
            Self::ColourOf(_)
            | Self::PlaceOf(_)
            | Self::StateOf(_)
            | Self::KindOfColour(_)
            | Self::KindOn(_)
            | Self::Recommend(_)
            | Self::TidyFloor => {
                let mut things: Vec<Thing> = Vec::new();
                for sighting in (0..CAMERAS).flat_map(|camera| scene.visible(camera)) {
                    if self.is_about(&sighting) && !things.contains(&sighting.thing) {
                        things.push(sighting.thing);
                    }
                }
                things.len() == 1 && self.has_answers()
            }
            _ => true,
        }
    }

    /// The right short answer given the views of `cameras` only, or `None` when they do not show it.
    #[must_use]
    pub fn answer(self, scene: &Scene, cameras: &[usize]) -> Option<String> {
        let seen: Vec<Sighting> = cameras.iter().flat_map(|&camera| scene.visible(camera)).collect();
        let everything = (0..CAMERAS).all(|camera| cameras.contains(&camera));
        let switch = |on: bool| Some(if on { "on" } else { "off" }.to_owned());
        let advice = |yes: bool| Some(if yes { "yes" } else { "no" }.to_owned());
        match self {
            Self::Nothing => return None,
            Self::People => {
                return everything.then(|| COUNTS[scene.people().min(COUNTS.len() - 1)].to_owned());
            }
            Self::WhichRoom => return (!cameras.is_empty()).then(|| the(scene.room().word())),
            Self::CatAnywhere => {
                return if seen.iter().any(|s| s.thing == Thing::Cat) {
                    advice(true)
                } else {
                    everything.then(|| "no".to_owned())
                };
            }
            _ => {}
        }
        let found = seen.iter().find(|s| self.is_about(s))?;
        match (self, found.thing) {
            (Self::ColourOf(_), Thing::Item { colour, .. }) => Some(colour.word().to_owned()),
            (Self::PlaceOf(_), Thing::Item { .. }) => found.place.map(on_the),
            (Self::StateOf(_), Thing::Item { kind, active, .. }) => {
                kind.states().map(|states| states[usize::from(active)].to_owned())
            }
            (Self::LampState, Thing::Lamp { on }) | (Self::StoveState, Thing::Stove { on }) => switch(on),
            (Self::DoorState, Thing::Door { open }) => Some(if open { "open" } else { "closed" }.to_owned()),
            (Self::AdviseLamp, Thing::Lamp { on }) | (Self::AdviseStove, Thing::Stove { on }) => advice(on),
            (Self::AdviseDoor, Thing::Door { open }) => advice(open),
            (_, Thing::Item { kind, .. }) => Some(the(kind.word())),
            _ => None,
        }
    }

    /// Whether there are words that answer it: not every kind of item has states, not every category is recommended.
    fn has_answers(self) -> bool {
        self != Self::Recommend(Category::Other) && !self.vocabulary().is_empty()
    }

    /// The words that answer this kind of question; a right reply holds the right one and no other.
    #[must_use]
    pub fn vocabulary(self) -> Vec<&'static str> {
        fn all<T: Copy>(values: &[T], word: fn(T) -> &'static str) -> Vec<&'static str> {
            values.iter().map(|&v| word(v)).collect()
        }
        match self {
            Self::ColourOf(_) => all(Colour::ALL, Colour::word),
            Self::PlaceOf(_) => all(Place::ALL, Place::word),
            Self::KindOfColour(_) | Self::KindOn(_) | Self::Recommend(_) | Self::TidyFloor => {
                all(Kind::ALL, Kind::word)
            }
            Self::StateOf(kind) => kind.states().map(Vec::from).unwrap_or_default(),
            Self::LampState | Self::StoveState => vec!["on", "off"],
            Self::DoorState => vec!["open", "closed"],
            Self::People => COUNTS.to_vec(),
            Self::CatAnywhere | Self::AdviseLamp | Self::AdviseStove | Self::AdviseDoor => {
                vec!["yes", "no"]
            }
            Self::WhichRoom => all(Room::ALL, Room::word),
            Self::Nothing => Vec::new(),
        }
    }
}

fn the(word: &str) -> String {
    format!("the {word}")
}

fn on_the(place: Place) -> String {
    format!("on the {}", place.word())
}

/// Every short answer that a question about views can have, [`CANNOT_SEE`] last.
#[must_use]
pub fn view_answers() -> Vec<String> {
    let plain = ["yes", "no", "on", "off", "open", "closed"].map(str::to_owned);
    (Colour::ALL.iter().map(|c| c.word().to_owned()))
        .chain(plain)
        .chain(COUNTS.map(str::to_owned))
        .chain(Place::ALL.iter().map(|&p| on_the(p)))
        .chain(Kind::ALL.iter().map(|k| the(k.word())))
        .chain(Room::ALL.iter().map(|r| the(r.word())))
        .chain([CANNOT_SEE.to_owned()])
        .collect()
}
