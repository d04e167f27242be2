//! One moment in one room, and what each camera sees of it.

use crate::camera::{CAMERAS, CAMERAS_MAX, Camera, Placement};
use crate::canvas::{Canvas, Optics, Picture, RenderError};
use crate::furnish::Furnisher;
use crate::layout::Layout;
use crate::placed::{Placed, Sight, What, sights};
use crate::render::{self, Tones};
use crate::rng::Rng;
use crate::thing::{Colour, Kind, Place, Room, Thing};

/// Rooms that are drawn before one in which lamp, stove and door all show.
const ATTEMPTS_MAX: u64 = 64;

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

/// A room with its contents and the cameras that look at it.
#[derive(Clone, Debug)]
pub struct Scene {
    seed: u64,
    room: Room,
    tones: Tones,
    layout: Layout,
    placed: Vec<Placed>,
    views: Vec<View>,
}

#[derive(Clone, Debug)]
struct View {
    placement: Placement,
    optics: Optics,
    shown: Vec<Sighting>,
}

impl Scene {
    /// The scene that follows from `seed` in `split`, seen by the usual [`CAMERAS`].
    #[must_use]
    pub fn generate(seed: u64, split: Split) -> Self {
        Self::with_cameras(seed, split, CAMERAS)
    }

    /// The scene that follows from `seed` in `split`, seen by `cameras`, at least [`CAMERAS`] and at most [`CAMERAS_MAX`].
    ///
    /// What one of the cameras shows in part, so that nobody could say whether it shows it, is taken out of the room: the
    /// same seed may hold less for more cameras.
    #[must_use]
    pub fn with_cameras(seed: u64, split: Split, cameras: usize) -> Self {
        let cameras = cameras.clamp(CAMERAS, CAMERAS_MAX);
        let mut rng = Rng::for_purpose(seed, split.tag());
        let mut attempt = 0;
        loop {
            attempt += 1;
            let scene = Self::attempt(seed, split, cameras, &mut rng);
            if scene.is_complete() || attempt == ATTEMPTS_MAX {
                return scene;
            }
        }
    }

    fn attempt(seed: u64, split: Split, cameras: usize, rng: &mut Rng) -> Self {
        let room = *rng.pick(Room::ALL);
        let tones = Tones::draw(rng);
        let layout = Layout::draw(rng);
        let placements: Vec<Placement> = (0..cameras).map(|index| Placement::draw(index, rng)).collect();
        let placed = Furnisher::new(&layout, &placements[..CAMERAS], rng).furnish(split);
        let views =
            placements.into_iter().map(|placement| View { placement, optics: Optics::draw(rng), shown: Vec::new() });
        let mut scene = Self { seed, room, tones, layout, placed, views: views.collect() };
        scene.look();
        scene
    }

    /// Takes away what is unclear until nothing is, and notes what every camera sees.
    fn look(&mut self) {
        loop {
            let seen: Vec<Vec<Sight>> =
                (self.views.iter()).map(|view| sights(&view.placement, &self.placed).unwrap_or_default()).collect();
            let unclear = |index: usize| {
                let shown_in = |cameras: &[Vec<Sight>]| cameras.iter().filter(|c| c[index] == Sight::Shown).count();
                match self.placed[index].what {
                    // People are counted: nobody may show in two views of the usual rig, or in none.
                    What::Thing(Thing::Person, _) if shown_in(&seen[..CAMERAS]) != 1 => true,
                    What::Thing(..) => {
                        seen.iter().any(|camera| camera[index] == Sight::Unclear) || shown_in(&seen) == 0
                    }
                    _ => false,
                }
            };
            let keep: Vec<bool> = (0..self.placed.len()).map(|index| !unclear(index)).collect();
            if keep.iter().all(|&keep| keep) {
                for (view, seen) in self.views.iter_mut().zip(&seen) {
                    view.shown = shown(&view.placement.camera, &self.placed, seen);
                }
                return;
            }
            let mut keep = keep.into_iter();
            self.placed.retain(|_| keep.next().unwrap_or(true));
        }
    }

    fn is_complete(&self) -> bool {
        let has = |wanted: fn(&Thing) -> bool| self.things().any(|thing| wanted(&thing));
        has(|t| matches!(t, Thing::Lamp { .. }))
            && has(|t| matches!(t, Thing::Stove { .. }))
            && has(|t| matches!(t, Thing::Door { .. }))
    }

    fn things(&self) -> impl Iterator<Item = Thing> {
        self.placed.iter().filter_map(Placed::thing)
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

    /// How many cameras look at it.
    #[must_use]
    pub const fn cameras(&self) -> usize {
        self.views.len()
    }

    /// Pose and lens of a camera; `None` for one that does not exist.
    #[must_use]
    pub fn camera(&self, camera: usize) -> Option<&Camera> {
        self.views.get(camera).map(|view| &view.placement.camera)
    }

    /// Whether the lamp gives light.
    #[must_use]
    pub fn lamp_on(&self) -> bool {
        self.things().any(|thing| thing == Thing::Lamp { on: true })
    }

    /// Whether the stove burns.
    #[must_use]
    pub fn stove_on(&self) -> bool {
        self.things().any(|thing| thing == Thing::Stove { on: true })
    }

    /// Whether the door stands open.
    #[must_use]
    pub fn door_open(&self) -> bool {
        self.things().any(|thing| thing == Thing::Door { open: true })
    }

    /// Whether there is a cat.
    #[must_use]
    pub fn cat(&self) -> bool {
        self.things().any(|thing| thing == Thing::Cat)
    }

    /// How many people there are, 0 to 3; no person shows in two views of the usual rig.
    #[must_use]
    pub fn people(&self) -> usize {
        self.things().filter(|&thing| thing == Thing::Person).count()
    }

    /// Every item of the room once, with where it lies.
    #[must_use]
    pub fn items(&self) -> Vec<(Kind, Colour, Place)> {
        let item = |placed: &Placed| match placed.what {
            What::Thing(Thing::Item { kind, colour, .. }, Some(place)) => Some((kind, colour, place)),
            _ => None,
        };
        self.placed.iter().filter_map(item).collect()
    }

    /// What `camera` sees; empty for a camera that does not exist.
    #[must_use]
    pub fn visible(&self, camera: usize) -> Vec<Sighting> {
        self.views.get(camera).map(|view| view.shown.clone()).unwrap_or_default()
    }

    /// The picture that `camera` takes, `width` × `height` pixels. The room is stretched to the frame, so scaling a large
    /// picture down without cropping gives the small one.
    ///
    /// # Errors
    /// A camera that does not exist, or a side outside 1 to [`crate::SIDE_MAX`].
    pub fn render(&self, camera: usize, width: usize, height: usize) -> Result<Picture, RenderError> {
        let view = self.views.get(camera).ok_or(RenderError::NoSuchCamera(camera))?;
        let mut canvas = Canvas::new(width, height)?;
        render::room(&mut canvas, &view.placement, self.room, self.tones, &self.layout);
        render::things(&mut canvas, &view.placement, &self.placed);
        let mut grain = Rng::for_purpose(self.seed ^ camera as u64, "grain");
        Ok(canvas.finish(&view.optics, &mut grain))
    }
}

/// The things that are shown, as the camera sees them.
fn shown(camera: &Camera, placed: &[Placed], seen: &[Sight]) -> Vec<Sighting> {
    (placed.iter().zip(seen))
        .filter(|(_, sight)| **sight == Sight::Shown)
        .filter_map(|(placed, _)| {
            let What::Thing(thing, place) = placed.what else {
                return None;
            };
            let (frame, _) = placed.frame(camera)?;
            let (width, height) = (2.0 * frame.half_w, 2.0 * frame.half_h);
            Some(Sighting { thing, place, x: frame.cx, y: frame.cy, width, height })
        })
        .collect()
}
