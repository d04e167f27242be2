//! The painting of a view: wall, floor, furniture, then everything that stands in the room, the farthest first.

use crate::camera::{Mount, Placement, Vector};
use crate::canvas::{Canvas, Rgb, scaled};
use crate::layout::{COLUMN, Layout, SHELF_DEPTH, SHELF_HEIGHT, TABLE_DEPTH, TABLE_HEIGHT, WALL_DEPTH, ZONES, middle};
use crate::placed::{Placed, What};
use crate::rng::Rng;
use crate::shapes::{self, Frame};
use crate::thing::Room;

const WALLS: [Rgb; 6] =
    [[206, 214, 222], [222, 214, 198], [204, 218, 204], [214, 206, 216], [196, 200, 206], [226, 220, 212]];
const FLOORS: [Rgb; 5] = [[150, 128, 104], [134, 134, 138], [168, 150, 122], [120, 112, 104], [158, 152, 146]];
const WOODS: [Rgb; 4] = [[146, 100, 60], [120, 84, 56], [176, 130, 84], [156, 122, 92]];
/// How far a wall's pattern reaches to both sides of what a camera is pointed at, metres.
const WALL_REACH: f32 = 2.2;
const WALL_HEIGHT: f32 = 3.2;
/// The identity of what is part of the camera's own surroundings.
const FOREGROUND: u8 = u8::MAX;
const IRON: Rgb = [60, 62, 68];
const DOOR_FRAME: Rgb = [96, 70, 48];

/// Colours that all cameras of a scene share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tones {
    wall: Rgb,
    floor: Rgb,
    wood: Rgb,
}

impl Tones {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Self { wall: *rng.pick(&WALLS), floor: *rng.pick(&FLOORS), wood: *rng.pick(&WOODS) }
    }
}

/// The identity of the thing that was placed as number `index`.
pub(crate) const fn id(index: usize) -> u8 {
    (index + 1) as u8
}

/// Paints everything that stands in the room, and what is before the lens.
pub(crate) fn things(canvas: &mut Canvas, placement: &Placement, placed: &[Placed]) {
    let mut order: Vec<(usize, Frame, f32)> = (placed.iter().enumerate())
        .filter_map(|(index, one)| one.frame(&placement.camera).map(|(frame, depth)| (index, frame, depth)))
        .collect();
    order.sort_by(|a, b| b.2.total_cmp(&a.2));
    for (index, frame, _) in order {
        thing(canvas, frame, &placed[index], id(index));
    }
    canvas.mark(FOREGROUND);
    foreground(canvas, placement.mount);
}

/// Paints one of them.
pub(crate) fn thing(canvas: &mut Canvas, frame: Frame, placed: &Placed, id: u8) {
    canvas.mark(id);
    match placed.what {
        What::Thing(thing, _) => shapes::draw(canvas, frame, thing, &placed.dress),
        What::Clutter { which, tone } => shapes::clutter(canvas, frame, which, tone),
        What::Screen => folding_screen(canvas, frame),
    }
}

/// Paints what is there in every view of `room`: floor, wall and furniture.
pub(crate) fn room(canvas: &mut Canvas, placement: &Placement, room: Room, tones: Tones, layout: &Layout) {
    let mut painter = Painter { canvas, placement };
    let x = middle(placement.first_column) + 1.5 * COLUMN;
    painter.canvas.rectangle(0.0, 0.0, 1.0, 1.0, tones.wall);
    painter.quad(
        [[x - 6.0, WALL_DEPTH, 0.0], [x + 6.0, WALL_DEPTH, 0.0], [x + 6.0, -1.0, 0.0], [x - 6.0, -1.0, 0.0]],
        tones.floor,
    );
    painter.pattern(room, x - WALL_REACH, scaled(tones.wall, 0.82));
    for zone in 0..ZONES {
        let columns = layout.furniture(zone);
        let (x0, x1) = (columns.start as f32 * COLUMN, columns.end as f32 * COLUMN);
        painter.board(x0, x1, SHELF_DEPTH, SHELF_HEIGHT, 0.05, tones.wood);
        painter.board(x0, x1, TABLE_DEPTH, TABLE_HEIGHT, 0.08, tones.wood);
        for leg in [x0 + 0.01, x1 - 0.06] {
            painter.upright(leg, leg + 0.05, TABLE_DEPTH - 0.25, 0.0, TABLE_HEIGHT - 0.08, scaled(tones.wood, 0.55));
        }
    }
}

struct Painter<'a> {
    canvas: &'a mut Canvas,
    placement: &'a Placement,
}

impl Painter<'_> {
    fn quad(&mut self, corners: [Vector; 4], colour: Rgb) {
        let seen: Vec<(f32, f32)> =
            corners.iter().filter_map(|&corner| self.placement.camera.project(corner)).map(|p| (p.x, p.y)).collect();
        if seen.len() == corners.len() {
            self.canvas.polygon(&seen, colour);
        }
    }

    /// A rectangle that stands across the line from the viewer to the wall.
    fn upright(&mut self, x0: f32, x1: f32, depth: f32, low: f32, high: f32, colour: Rgb) {
        self.quad([[x0, depth, low], [x1, depth, low], [x1, depth, high], [x0, depth, high]], colour);
    }

    /// A board with its surface at `height` and its front edge below.
    fn board(&mut self, x0: f32, x1: f32, depth: f32, height: f32, thickness: f32, wood: Rgb) {
        let (front, back) = (depth - 0.3, (depth + 0.3).min(WALL_DEPTH));
        self.quad([[x0, front, height], [x1, front, height], [x1, back, height], [x0, back, height]], wood);
        self.upright(x0, x1, front, height - thickness, height, scaled(wood, 0.6));
    }

    /// The pattern on the wall, by which a room is known.
    fn pattern(&mut self, room: Room, left: f32, line: Rgb) {
        let right = left + 2.0 * WALL_REACH;
        let steps = |from: f32, to: f32, pitch: f32| {
            (0..((to - from) / pitch).ceil() as usize).map(move |step| from + step as f32 * pitch)
        };
        let wall = WALL_DEPTH;
        match room {
            Room::Kitchen => {
                steps(left, right, 0.26).for_each(|x| self.upright(x, x + 0.05, wall, 0.0, WALL_HEIGHT, line));
                steps(0.0, WALL_HEIGHT, 0.26).for_each(|z| self.upright(left, right, wall, z, z + 0.05, line));
            }
            Room::Lounge => {
                steps(left, right, 0.34).for_each(|x| self.upright(x, x + 0.17, wall, 0.0, WALL_HEIGHT, line));
            }
            Room::Bedroom => {
                for x in steps(left, right, 0.3) {
                    for z in steps(0.1, WALL_HEIGHT, 0.3) {
                        if let Some(at) = self.placement.camera.project([x, wall, z]) {
                            let radius = 0.075 * at.scale;
                            self.canvas.ellipse(at.x, at.y, radius, radius, line);
                        }
                    }
                }
            }
            Room::Workshop => {
                steps(0.0, WALL_HEIGHT, 0.36).for_each(|z| self.upright(left, right, wall, z, z + 0.18, line));
            }
            Room::Study => {
                // Slanted lines, like the backs of leaning books.
                steps(left - 1.0, right, 0.4).for_each(|x| {
                    let corner = |x: f32, z: f32| [x, wall, z];
                    let lean = 0.5 * WALL_HEIGHT;
                    self.quad(
                        [
                            corner(x, 0.0),
                            corner(x + 0.16, 0.0),
                            corner(x + 0.16 + lean, WALL_HEIGHT),
                            corner(x + lean, WALL_HEIGHT),
                        ],
                        line,
                    );
                });
            }
            Room::Bathroom => {
                for (row, z) in steps(0.0, WALL_HEIGHT, 0.3).enumerate() {
                    let shift = if row % 2 == 0 { 0.0 } else { 0.3 };
                    steps(left + shift, right, 0.6).for_each(|x| self.upright(x, x + 0.3, wall, z, z + 0.3, line));
                }
            }
        }
    }
}

fn folding_screen(canvas: &mut Canvas, frame: Frame) {
    let Frame { cx, cy, half_w, half_h, .. } = frame;
    canvas.rectangle(cx - half_w, cy - half_h, cx + half_w, cy + half_h, [92, 78, 70]);
    let panel = 2.0 * half_w / 3.0;
    for i in 0..3 {
        let x = cx - half_w + panel * i as f32;
        canvas.rectangle(x + 0.1 * panel, cy - 0.95 * half_h, x + 0.9 * panel, cy + 0.95 * half_h, [186, 172, 152]);
    }
}

/// What is part of the camera's own surroundings: gripper or door frame.
fn foreground(canvas: &mut Canvas, mount: Mount) {
    match mount {
        Mount::Overhead => {}
        Mount::Doorway => {
            for x in [0.0, 0.985] {
                canvas.rectangle(x, 0.0, x + 0.015, 1.0, DOOR_FRAME);
            }
            canvas.rectangle(0.0, 0.0, 1.0, 0.02, DOOR_FRAME);
        }
        Mount::Wrist => {
            canvas.polygon(&[(0.0, 0.85), (0.04, 0.9), (0.03, 1.0), (0.0, 1.0)], IRON);
            canvas.polygon(&[(1.0, 0.85), (0.96, 0.9), (0.97, 1.0), (1.0, 1.0)], IRON);
        }
    }
}
