//! Things put into the room, and what of each a camera sees.

use crate::camera::{Camera, Placement};
use crate::canvas::{Canvas, RenderError, Rgb};
use crate::render;
use crate::shapes::{Dress, Frame};
use crate::thing::{Place, Thing};

/// Side of the picture in which is measured what is hidden.
const MEASURED_SIDE: usize = 64;
/// A thing is shown when at least this share of it is in sight…
const SHOWN_LEAST: f32 = 0.62;
/// …and hidden when at most this share is; in between it is neither.
const HIDDEN_MOST: f32 = 0.12;

/// What stands somewhere.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum What {
    /// Something that can be asked about; items with where they lie.
    Thing(Thing, Option<Place>),
    /// A folding screen that hides what is behind it.
    Screen,
    /// Something that nobody asks about.
    Clutter { which: usize, tone: Rgb },
}

/// A cut-out that stands upright in the room and faces the camera.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) what: What,
    /// The middle of its foot, metres.
    pub(crate) foot: [f32; 3],
    pub(crate) half_width: f32,
    pub(crate) height: f32,
    pub(crate) mirrored: bool,
    pub(crate) dress: Dress,
}

/// Whether a camera shows a thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    Shown,
    Hidden,
    /// Partly: whoever were asked could say either.
    Unclear,
}

impl Placed {
    /// Its box in the picture of `camera`, and how far away it is.
    pub(crate) fn frame(&self, camera: &Camera) -> Option<(Frame, f32)> {
        let foot = camera.project(self.foot)?;
        let (half_w, half_h) = (self.half_width * foot.scale, 0.5 * self.height * foot.scale);
        Some((Frame { cx: foot.x, cy: foot.y - half_h, half_w, half_h, mirrored: self.mirrored }, foot.depth))
    }

    pub(crate) const fn thing(&self) -> Option<Thing> {
        match self.what {
            What::Thing(thing, _) => Some(thing),
            _ => None,
        }
    }
}

/// Share of a box that lies inside the picture.
fn share_inside(frame: &Frame) -> f32 {
    let along = |centre: f32, half: f32| ((centre + half).min(1.0) - (centre - half).max(0.0)).max(0.0) / (2.0 * half);
    along(frame.cx, frame.half_w) * along(frame.cy, frame.half_h)
}

/// What the camera of `placement` sees of each of `placed`.
pub(crate) fn sights(placement: &Placement, placed: &[Placed]) -> Result<Vec<Sight>, RenderError> {
    let mut all = Canvas::identifying(MEASURED_SIDE, MEASURED_SIDE)?;
    render::things(&mut all, placement, placed);
    let mut in_sight = [0_usize; 256];
    all.ids().iter().for_each(|&id| in_sight[usize::from(id)] += 1);
    let sight = |(index, one): (usize, &Placed)| {
        let Some((frame, _)) = one.frame(&placement.camera) else {
            return Ok(Sight::Hidden);
        };
        let mut alone = Canvas::identifying(MEASURED_SIDE, MEASURED_SIDE)?;
        render::thing(&mut alone, frame, one, render::id(index));
        let whole = alone.ids().iter().filter(|&&id| id != 0).count();
        let share = share_inside(&frame) * in_sight[usize::from(render::id(index))] as f32 / whole.max(1) as f32;
        Ok(match share {
            share if share >= SHOWN_LEAST => Sight::Shown,
            share if share <= HIDDEN_MOST => Sight::Hidden,
            _ => Sight::Unclear,
        })
    };
    placed.iter().enumerate().map(sight).collect()
}
