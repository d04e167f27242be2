//! Where things stand in a view, and the painting of wall, furniture, things and what stands in front.

use crate::canvas::{Canvas, Picture, RenderError, Rgb, scaled};
use crate::rng::Rng;
use crate::scene::Sighting;
use crate::shapes::{self, Frame};
use crate::thing::{Place, Room, Thing};

const OVERHEAD: usize = 1;
const DOORWAY: usize = 2;
/// Half an item's side as a share of the view: with the jitter never under 12 of 64 pixels.
const ITEM_HALF: f32 = 0.112;
const SHELF_Y: f32 = 0.27;
const TABLE_Y: f32 = 0.62;
const FLOOR_Y: f32 = 0.975;
const WALL_END_Y: f32 = 0.66;

/// A thing put into a view.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) thing: Thing,
    pub(crate) place: Option<Place>,
    pub(crate) frame: Frame,
    pub(crate) dress: Rgb,
    /// A folding screen stands in front of it.
    pub(crate) hidden: bool,
}

impl Placed {
    pub(crate) fn sighting(&self) -> Sighting {
        let Frame { cx, cy, half_w, half_h, .. } = self.frame;
        Sighting { thing: self.thing, place: self.place, x: cx, y: cy, width: 2.0 * half_w, height: 2.0 * half_h }
    }
}

impl core::fmt::Debug for Frame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "({:.3}, {:.3}) ± ({:.3}, {:.3})", self.cx, self.cy, self.half_w, self.half_h)
    }
}

/// How a view looks apart from its things.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    camera: usize,
    room: Room,
    furniture_left: bool,
    wall: Rgb,
    floor: Rgb,
    wood: Rgb,
    gain: [f32; 3],
    noise: f32,
    pub(crate) screen: Option<Frame>,
}

impl Look {
    pub(crate) fn draw(camera: usize, room: Room, rng: &mut Rng) -> Self {
        let light = rng.range(0.86, 1.1);
        Self {
            camera,
            room,
            furniture_left: rng.chance(0.5),
            wall: *rng.pick(&[[206, 214, 222], [222, 214, 198], [204, 218, 204], [214, 206, 216]]),
            floor: *rng.pick(&[[150, 128, 104], [134, 134, 138], [168, 150, 122]]),
            wood: *rng.pick(&[[146, 100, 60], [120, 84, 56], [176, 130, 84]]),
            gain: core::array::from_fn(|_| light * rng.range(0.97, 1.03)),
            noise: rng.range(0.0, 7.0),
            screen: None,
        }
    }

    /// Centre of column 0…3, counted from the furniture's side.
    fn column(&self, column: usize) -> f32 {
        let x = 0.125 + 0.25 * column as f32;
        if self.furniture_left { x } else { 1.0 - x }
    }

    pub(crate) fn low_frame(&self, place: Place, slot: usize, rng: &mut Rng) -> Frame {
        let bottom = match place {
            Place::Shelf => SHELF_Y,
            Place::Table => TABLE_Y,
            Place::Floor => FLOOR_Y,
        };
        let half_w = ITEM_HALF * rng.range(0.9, 1.1);
        let half_h = ITEM_HALF * rng.range(0.9, 1.08);
        let cx = (self.column(slot) + rng.range(-0.02, 0.02)).clamp(half_w, 1.0 - half_w);
        Frame { cx, cy: bottom - half_h, half_w, half_h, mirrored: rng.chance(0.5) }
    }

    pub(crate) fn tall_frame(&self, slot: usize, thing: Thing, rng: &mut Rng) -> Frame {
        let size = rng.range(0.92, 1.06);
        let half_h = size * if matches!(thing, Thing::Stove { .. }) { 0.24 } else { 0.33 };
        let half_w = 0.118 * rng.range(0.92, 1.04);
        let cx = self.column(2 + slot) + rng.range(-0.015, 0.015);
        let cy = FLOOR_Y - rng.range(0.0, 0.04) - half_h;
        Frame { cx: cx.clamp(half_w, 1.0 - half_w), cy, half_w, half_h, mirrored: rng.chance(0.5) }
    }
}

/// Paints the view.
pub(crate) fn paint(
    look: &Look,
    placed: &[Placed],
    width: usize,
    height: usize,
    grain: &mut Rng,
) -> Result<Picture, RenderError> {
    let mut canvas = Canvas::new(width, height)?;
    backdrop(&mut canvas, look);
    furniture(&mut canvas, look);
    for thing in placed {
        shapes::draw(&mut canvas, thing.frame, thing.thing, thing.dress);
    }
    for hidden in placed.iter().filter(|p| p.hidden) {
        folding_screen(&mut canvas, hidden.frame);
    }
    if let Some(frame) = look.screen {
        folding_screen(&mut canvas, frame);
    }
    foreground(&mut canvas, look.camera);
    Ok(canvas.finish(look.gain, look.noise, grain))
}

fn backdrop(canvas: &mut Canvas, look: &Look) {
    // From above there is no wall: the room's pattern lies on the floor.
    let (base, end) = if look.camera == OVERHEAD { (look.wall, 1.0) } else { (look.wall, WALL_END_Y) };
    canvas.rectangle(0.0, 0.0, 1.0, 1.0, look.floor);
    canvas.rectangle(0.0, 0.0, 1.0, end, base);
    let line = scaled(base, 0.82);
    let steps = |pitch: f32, end: f32| (0..(end / pitch).ceil() as usize).map(move |i| i as f32 * pitch);
    match look.room {
        Room::Kitchen => {
            for at in steps(0.11, 1.0) {
                canvas.rectangle(at, 0.0, at + 0.02, end, line);
            }
            for at in steps(0.11, end) {
                canvas.rectangle(0.0, at, 1.0, (at + 0.02).min(end), line);
            }
        }
        Room::Lounge => {
            for at in steps(0.14, 1.0) {
                canvas.rectangle(at, 0.0, at + 0.07, end, line);
            }
        }
        Room::Bedroom => {
            for x in steps(0.13, 1.0) {
                for y in steps(0.13, end - 0.04) {
                    canvas.ellipse(x + 0.06, y + 0.05, 0.028, 0.028, line);
                }
            }
        }
        Room::Workshop => {
            for at in steps(0.15, end) {
                canvas.rectangle(0.0, at, 1.0, (at + 0.075).min(end), line);
            }
        }
    }
}

fn furniture(canvas: &mut Canvas, look: &Look) {
    let (x0, x1) = if look.furniture_left { (0.0, 0.5) } else { (0.5, 1.0) };
    let (wood, edge) = (look.wood, scaled(look.wood, 0.55));
    if look.camera == OVERHEAD {
        canvas.rectangle(x0, 0.03, x1, SHELF_Y + 0.03, edge);
        canvas.rectangle(x0 + 0.01, 0.04, x1 - 0.01, SHELF_Y + 0.02, scaled(wood, 0.8));
        canvas.rectangle(x0, 0.37, x1, TABLE_Y + 0.04, edge);
        canvas.rectangle(x0 + 0.01, 0.38, x1 - 0.01, TABLE_Y + 0.03, wood);
        return;
    }
    canvas.rectangle(x0, SHELF_Y, x1, SHELF_Y + 0.03, edge);
    canvas.rectangle(x0, TABLE_Y, x1, TABLE_Y + 0.05, wood);
    canvas.rectangle(x0, TABLE_Y + 0.04, x1, TABLE_Y + 0.05, edge);
    for leg in [x0 + 0.005, x1 - 0.03] {
        canvas.rectangle(leg, TABLE_Y + 0.05, leg + 0.025, 0.96, edge);
    }
}

fn folding_screen(canvas: &mut Canvas, frame: Frame) {
    let Frame { cx, cy, half_w, half_h, .. } = frame;
    let (w, h) = (half_w * 1.12, half_h * 1.1);
    canvas.rectangle(cx - w, cy - h, cx + w, cy + h, [92, 78, 70]);
    for i in 0..3 {
        let x = cx - w + 2.0 * w * i as f32 / 3.0;
        canvas.rectangle(x + 0.012, cy - h + 0.012, x + 2.0 * w / 3.0 - 0.008, cy + h - 0.012, [186, 172, 152]);
    }
}

/// What is part of the camera's own surroundings: gripper or door frame.
fn foreground(canvas: &mut Canvas, camera: usize) {
    match camera {
        OVERHEAD => {}
        DOORWAY => {
            for x in [0.0, 0.985] {
                canvas.rectangle(x, 0.0, x + 0.015, 1.0, [96, 70, 48]);
            }
            canvas.rectangle(0.0, 0.0, 1.0, 0.02, [96, 70, 48]);
        }
        _ => {
            canvas.polygon(&[(0.0, 0.8), (0.05, 0.86), (0.03, 1.0), (0.0, 1.0)], [60, 62, 68]);
            canvas.polygon(&[(1.0, 0.8), (0.95, 0.86), (0.97, 1.0), (1.0, 1.0)], [60, 62, 68]);
        }
    }
}
