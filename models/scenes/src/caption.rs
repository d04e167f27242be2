//! Short descriptions of what a view shows, for the training of association.

use crate::rng::Rng;
use crate::scene::Sighting;
use crate::thing::{Colour, Place, Thing};

/// A description of one thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caption {
    /// What it says.
    pub text: String,
    /// The thing that must be seen.
    pub thing: Thing,
    /// Where it must lie, when the caption says so.
    pub place: Option<Place>,
}

impl Caption {
    /// Whether a view that shows `sightings` shows this.
    #[must_use]
    pub fn shown_in(&self, sightings: &[Sighting]) -> bool {
        (sightings.iter()).any(|s| s.thing == self.thing && (self.place.is_none() || s.place == self.place))
    }

    fn of(thing: Thing, place: Option<Place>, rng: &mut Rng) -> Self {
        let open = *rng.pick(&["a photo of ", "", "this shows ", "there is ", "look, "]);
        let name = match thing {
            Thing::Item { kind, colour } => format!("a {} {}", colour.word(), kind.word()),
            Thing::Lamp { on } => format!("a lamp that is {}", if on { "on" } else { "off" }),
            Thing::Stove { on } => format!("a stove that is {}", if on { "on" } else { "off" }),
            Thing::Door { open } => format!("{} door", if open { "an open" } else { "a closed" }),
            Thing::Cat => "a cat".to_owned(),
            Thing::Person => "a person".to_owned(),
        };
        let end = place.map_or_else(String::new, |p| format!(" on the {}", p.word()));
        Self { text: format!("{open}{name}{end}"), thing, place }
    }
}

/// One caption for every thing in `sightings`; half of those for items say where it lies.
#[must_use]
pub fn captions(sightings: &[Sighting], rng: &mut Rng) -> Vec<Caption> {
    (sightings.iter()).map(|s| Caption::of(s.thing, s.place.filter(|_| rng.chance(0.5)), rng)).collect()
}

/// The same caption with another colour or state: the hardest wrong one. `None` where there is nothing to change.
#[must_use]
pub fn swapped_caption(caption: &Caption, rng: &mut Rng) -> Option<Caption> {
    let thing = match caption.thing {
        Thing::Item { kind, colour } => {
            let step = 1 + rng.below(Colour::ALL.len() - 1);
            Thing::Item { kind, colour: Colour::ALL[(colour.index() + step) % Colour::ALL.len()] }
        }
        Thing::Lamp { on } => Thing::Lamp { on: !on },
        Thing::Stove { on } => Thing::Stove { on: !on },
        Thing::Door { open } => Thing::Door { open: !open },
        Thing::Cat | Thing::Person => return None,
    };
    Some(Caption::of(thing, caption.place, rng))
}
