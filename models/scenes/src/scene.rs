//! One moment in one room, and what each camera sees of it.

use crate::canvas::{Picture, RenderError};
use crate::render::{self, Look, Placed};
use crate::rng::Rng;
use crate::shapes::Frame;
use crate::thing::{Colour, Kind, Place, Room, Thing, is_held_out};

/// Number of cameras of a scene.
pub const CAMERAS: usize = 3;
/// What each camera is: first person, from above, and through the doorway.
pub const CAMERA_NAMES: [&str; CAMERAS] = ["wrist", "overhead", "doorway"];

const ITEMS_MIN: usize = 4;
const ITEMS_MAX: usize = 6;
const PEOPLE_MAX: usize = 3;
/// Chance that an item shows in a second view as well.
const SEEN_TWICE: f32 = 0.3;
const CAT_PRESENT: f32 = 0.5;
/// Chance that a folding screen stands in a view and hides what is behind it.
const SCREEN_PRESENT: f32 = 0.3;

/// Which scenes, pairs and phrasings may be drawn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Split {
    /// For training: never shows what is reserved for [`Self::HeldOut`].
    Train,
    /// For evaluation: other scenes, all item–colour pairs, other phrasings and slot pairs.
    HeldOut,
}

impl Split {
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::HeldOut => "held-out",
        }
    }
}

/// A thing that a camera sees, with its box in the view.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sighting {
    /// What it is, with its state.
    pub thing: Thing,
    /// Where it lies; items only.
    pub place: Option<Place>,
    /// Centre column, `[0, 1]` from the left.
    pub x: f32,
    /// Centre row, `[0, 1]` from the top.
    pub y: f32,
    /// Width as a share of the view's width.
    pub width: f32,
    /// Height as a share of the view's height.
    pub height: f32,
}

/// A room with its contents and three views of it.
#[derive(Clone, Debug)]
pub struct Scene {
    seed: u64,
    room: Room,
    lamp_on: bool,
    stove_on: bool,
    door_open: bool,
    cat: bool,
    people: usize,
    views: [View; CAMERAS],
}

/// The slots of one view: two on each of shelf, table and floor, and two tall ones beside the furniture.
#[derive(Clone, Debug)]
struct View {
    look: Look,
    placed: Vec<Placed>,
    free_low: Vec<(Place, usize)>,
    free_tall: Vec<usize>,
}

impl Scene {
    /// The scene that follows from `seed` in `split`.
    #[must_use]
    pub fn generate(seed: u64, split: Split) -> Self {
        let mut rng = Rng::for_purpose(seed, split.tag());
        let room = *rng.pick(Room::ALL);
        let mut scene = Self {
            seed,
            room,
            lamp_on: rng.chance(0.5),
            stove_on: rng.chance(0.5),
            door_open: rng.chance(0.5),
            cat: rng.chance(CAT_PRESENT),
            people: rng.below(PEOPLE_MAX + 1),
            views: core::array::from_fn(|camera| View::new(Look::draw(camera, room, &mut rng))),
        };
        scene.place_tall(&mut rng);
        scene.place_items(split, &mut rng);
        scene.place_screens(&mut rng);
        scene
    }

    fn place_tall(&mut self, rng: &mut Rng) {
        let fixtures = [
            Thing::Lamp { on: self.lamp_on },
            Thing::Stove { on: self.stove_on },
            Thing::Door { open: self.door_open },
        ];
        let people = core::iter::repeat_n(Thing::Person, self.people);
        for thing in fixtures.into_iter().chain(people) {
            // Six tall slots for three fixtures and at most three people: one is always free.
            let open: Vec<usize> = (0..CAMERAS).filter(|&c| !self.views[c].free_tall.is_empty()).collect();
            let camera = *rng.pick(&open);
            let dress = *rng.pick(&[[66, 110, 160], [150, 60, 60], [90, 130, 80], [110, 100, 120]]);
            self.views[camera].put_tall(thing, dress, rng);
        }
        if self.cat {
            let camera = rng.below(CAMERAS);
            let fur = *rng.pick(&[[222, 150, 80], [120, 120, 124], [70, 62, 58]]);
            self.views[camera].put_low(Thing::Cat, Place::Floor, fur, rng);
        }
    }

    fn place_items(&mut self, split: Split, rng: &mut Rng) {
        let mut kinds = Kind::ALL.to_vec();
        rng.shuffle(&mut kinds);
        kinds.truncate(ITEMS_MIN + rng.below(ITEMS_MAX - ITEMS_MIN + 1));
        for kind in kinds {
            let allowed: Vec<Colour> =
                (Colour::ALL.iter().copied()).filter(|&c| split == Split::HeldOut || !is_held_out(kind, c)).collect();
            let thing = Thing::Item { kind, colour: *rng.pick(&allowed) };
            let place = *rng.pick(&[Place::Shelf, Place::Shelf, Place::Table, Place::Table, Place::Floor]);
            let mut cameras = [0, 1, 2];
            rng.shuffle(&mut cameras);
            let wanted = if rng.chance(SEEN_TWICE) { 2 } else { 1 };
            let mut shown = 0;
            for camera in cameras {
                if shown < wanted && self.views[camera].put_low(thing, place, [0; 3], rng) {
                    shown += 1;
                }
            }
        }
    }

    fn place_screens(&mut self, rng: &mut Rng) {
        for camera in 0..CAMERAS {
            if !rng.chance(SCREEN_PRESENT) {
                continue;
            }
            // Hides an item that another camera still sees, else stands in front of nothing.
            let twice = (0..self.views[camera].placed.len()).find(|&i| {
                let thing = self.views[camera].placed[i].thing;
                matches!(thing, Thing::Item { .. })
                    && (0..CAMERAS).any(|other| {
                        other != camera && self.views[other].placed.iter().any(|p| p.thing == thing && !p.hidden)
                    })
            });
            if let Some(i) = twice {
                let hidden = &mut self.views[camera].placed[i];
                hidden.hidden = true;
            } else if let Some(slot) = self.views[camera].free_tall.pop() {
                let view = &mut self.views[camera];
                let frame = view.look.tall_frame(slot, Thing::Person, rng);
                view.look.screen = Some(frame);
            }
        }
    }

    /// The seed it follows from.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The room.
    #[must_use]
    pub const fn room(&self) -> Room {
        self.room
    }

    /// Whether the lamp gives light.
    #[must_use]
    pub const fn lamp_on(&self) -> bool {
        self.lamp_on
    }

    /// Whether the stove burns.
    #[must_use]
    pub const fn stove_on(&self) -> bool {
        self.stove_on
    }

    /// Whether the door stands open.
    #[must_use]
    pub const fn door_open(&self) -> bool {
        self.door_open
    }

    /// Whether there is a cat.
    #[must_use]
    pub const fn cat(&self) -> bool {
        self.cat
    }

    /// How many people there are, 0 to 3; no person shows in two views.
    #[must_use]
    pub const fn people(&self) -> usize {
        self.people
    }

    /// Every item of the room once, with where it lies.
    #[must_use]
    pub fn items(&self) -> Vec<(Kind, Colour, Place)> {
        let mut items = Vec::new();
        for sighting in (0..CAMERAS).flat_map(|camera| self.visible(camera)) {
            if let (Thing::Item { kind, colour }, Some(place)) = (sighting.thing, sighting.place)
                && !items.contains(&(kind, colour, place))
            {
                items.push((kind, colour, place));
            }
        }
        items
    }

    /// What `camera` sees; empty for a camera that does not exist.
    #[must_use]
    pub fn visible(&self, camera: usize) -> Vec<Sighting> {
        let placed = self.views.get(camera).map_or(&[][..], |view| &view.placed);
        placed.iter().filter(|p| !p.hidden).map(Placed::sighting).collect()
    }

    /// The picture that `camera` takes, `width` × `height` pixels. The room is stretched to the frame, so scaling a large
    /// picture down without cropping gives the small one.
    ///
    /// # Errors
    /// A camera that does not exist, or a side outside 1 to [`crate::SIDE_MAX`].
    pub fn render(&self, camera: usize, width: usize, height: usize) -> Result<Picture, RenderError> {
        let view = self.views.get(camera).ok_or(RenderError::NoSuchCamera(camera))?;
        let mut grain = Rng::for_purpose(self.seed ^ camera as u64, "grain");
        render::paint(&view.look, &view.placed, width, height, &mut grain)
    }
}

impl View {
    fn new(look: Look) -> Self {
        let low = Place::ALL.iter().flat_map(|&place| [(place, 0), (place, 1)]).collect();
        Self { look, placed: Vec::new(), free_low: low, free_tall: vec![0, 1] }
    }

    fn put_tall(&mut self, thing: Thing, dress: [u8; 3], rng: &mut Rng) {
        let slot = self.free_tall.swap_remove(rng.below(self.free_tall.len()));
        let frame = self.look.tall_frame(slot, thing, rng);
        self.placed.push(Placed { thing, place: None, frame, dress, hidden: false });
    }

    /// Puts a thing of item size at `place`; false when no slot is free there.
    fn put_low(&mut self, thing: Thing, place: Place, dress: [u8; 3], rng: &mut Rng) -> bool {
        let free: Vec<usize> = (0..self.free_low.len()).filter(|&i| self.free_low[i].0 == place).collect();
        if free.is_empty() {
            return false;
        }
        let (_, slot) = self.free_low.swap_remove(*rng.pick(&free));
        let frame: Frame = self.look.low_frame(place, slot, rng);
        let place = matches!(thing, Thing::Item { .. }).then_some(place);
        self.placed.push(Placed { thing, place, frame, dress, hidden: false });
        true
    }
}
