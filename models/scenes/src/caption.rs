//! Short descriptions of what a view shows, for the training of association.

use crate::rng::Rng;
use crate::scene::Sighting;
use crate::thing::{Colour, Finish, Place, Thing};

/// A description of one thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caption {
    /// What it says.
    pub text: String,
    /// The thing that must be seen.
    pub thing: Thing,
    /// Where it must lie, when the caption says so.
    pub place: Option<Place>,
    /// Whether it names the surface of an item.
    pub says_finish: bool,
    /// Whether it says if an item is open or lit.
    pub says_state: bool,
}

/// What a caption about an item says beside kind and colour.
#[derive(Clone, Copy)]
struct Says {
    place: Option<Place>,
    finish: bool,
    state: bool,
}

impl Caption {
    /// Whether a view that shows `sightings` shows this.
    #[must_use]
    pub fn shown_in(&self, sightings: &[Sighting]) -> bool {
        sightings.iter().any(|s| self.agrees(s.thing) && (self.place.is_none() || s.place == self.place))
    }

    fn agrees(&self, seen: Thing) -> bool {
        match (self.thing, seen) {
            (
                Thing::Item { kind, colour, finish, active },
                Thing::Item { kind: seen_kind, colour: seen_colour, finish: seen_finish, active: seen_active },
            ) => {
                kind == seen_kind
                    && colour == seen_colour
                    && (!self.says_finish || finish == seen_finish)
                    && (!self.says_state || active == seen_active)
            }
            (said, seen) => said == seen,
        }
    }

    fn of(thing: Thing, says: Says, rng: &mut Rng) -> Self {
        let open = *rng.pick(&["a photo of ", "", "this shows ", "there is ", "look, ", "I see ", "a picture with "]);
        let Says { place, finish: says_finish, state: says_state } = says;
        let name = match thing {
            Thing::Item { kind, colour, finish, active } => {
                let surface = if says_finish { format!("{} ", finish.word()) } else { String::new() };
                let state = kind.states().filter(|_| says_state).map(|states| states[usize::from(active)]);
                let state = state.map_or_else(String::new, |state| format!(" that is {state}"));
                format!("a {surface}{} {}{state}", colour.word(), kind.word())
            }
            Thing::Lamp { on } => format!("a lamp that is {}", if on { "on" } else { "off" }),
            Thing::Stove { on } => format!("a stove that is {}", if on { "on" } else { "off" }),
            Thing::Door { open } => format!("{} door", if open { "an open" } else { "a closed" }),
            Thing::Cat => "a cat".to_owned(),
            Thing::Person => "a person".to_owned(),
        };
        let end = place.map_or_else(String::new, |p| format!(" on the {}", p.word()));
        Self { text: format!("{open}{name}{end}"), thing, place, says_finish, says_state }
    }

    const fn says(&self) -> Says {
        Says { place: self.place, finish: self.says_finish, state: self.says_state }
    }

    /// The same with another colour; `None` for what has no colour that is asked about.
    #[must_use]
    pub fn with_colour(&self, colour: Colour, rng: &mut Rng) -> Option<Self> {
        match self.thing {
            Thing::Item { kind, finish, active, .. } => {
                Some(Self::of(Thing::Item { kind, colour, finish, active }, self.says(), rng))
            }
            _ => None,
        }
    }

    /// The same in another place; `None` for what lies nowhere.
    #[must_use]
    pub fn with_place(&self, place: Place, rng: &mut Rng) -> Option<Self> {
        self.place.map(|_| Self::of(self.thing, Says { place: Some(place), ..self.says() }, rng))
    }
}

/// One caption for every thing in `sightings`; half of those for items say where it lies, some its surface and its state.
#[must_use]
pub fn captions(sightings: &[Sighting], rng: &mut Rng) -> Vec<Caption> {
    (sightings.iter())
        .map(|seen| {
            let (stateful, patterned) = match seen.thing {
                Thing::Item { kind, finish, .. } => (kind.states().is_some(), finish != Finish::Plain),
                _ => (false, false),
            };
            let place = seen.place.filter(|_| rng.chance(0.5));
            let says = Says { place, finish: patterned && rng.chance(0.3), state: stateful && rng.chance(0.5) };
            Caption::of(seen.thing, says, rng)
        })
        .collect()
}

/// The same caption with another colour or state: the hardest wrong one. `None` where there is nothing to change.
#[must_use]
pub fn swapped_caption(caption: &Caption, rng: &mut Rng) -> Option<Caption> {
    let thing = match caption.thing {
        Thing::Item { colour, .. } => {
            let step = 1 + rng.below(Colour::ALL.len() - 1);
            return caption.with_colour(Colour::ALL[(colour.index() + step) % Colour::ALL.len()], rng);
        }
        Thing::Lamp { on } => Thing::Lamp { on: !on },
        Thing::Stove { on } => Thing::Stove { on: !on },
        Thing::Door { open } => Thing::Door { open: !open },
        Thing::Cat | Thing::Person => return None,
    };
    Some(Caption::of(thing, caption.says(), rng))
}
