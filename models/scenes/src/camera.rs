//! Pinhole cameras with a known pose, and the rig that looks at the room.
//!
//! The world is in metres: x along the room, y away from the viewer to the back wall, z up from the floor. A picture is
//! addressed in `[0, 1]` both ways, from its top left corner. Poses follow from additions, products and square roots alone,
//! so that every machine computes the same ones.

use crate::layout::{COLUMN, COLUMNS_A_ZONE, FLOOR_DEPTH, SHELF_DEPTH, SHELF_HEIGHT, ZONES};
use crate::rng::Rng;

/// Number of cameras of a scene unless more are asked for.
pub const CAMERAS: usize = ZONES;
/// Most cameras of a scene; from the fourth on they look at the same zones again, from elsewhere.
pub const CAMERAS_MAX: usize = 2 * ZONES;
/// What each camera of the usual rig is: first person, from above, and through the doorway.
pub const CAMERA_NAMES: [&str; CAMERAS] = ["wrist", "overhead", "doorway"];

/// A point or a direction of the world.
pub type Vector = [f32; 3];

/// Nearer than this, metres, nothing is projected.
const NEAR: f32 = 0.2;
/// Height that must still be in the picture: an item on the shelf.
const TOP: f32 = SHELF_HEIGHT + 0.53;

fn dot(a: Vector, b: Vector) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn minus(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(a: Vector) -> Vector {
    let length = dot(a, a).sqrt();
    a.map(|part| part / length)
}

/// Where a point of the world shows in a picture.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Projection {
    /// Column, `[0, 1]` inside the picture.
    pub x: f32,
    /// Row, `[0, 1]` inside the picture, downwards.
    pub y: f32,
    /// Share of the picture that one metre covers there.
    pub scale: f32,
    /// Distance along the line of sight, metres.
    pub depth: f32,
}

/// A camera whose pose and lens are known.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Camera {
    position: Vector,
    forward: Vector,
    right: Vector,
    up: Vector,
    focal: f32,
    centre: [f32; 2],
}

impl Camera {
    /// A camera at `position` that looks at `target`, framed so that `points` fill the share `fill` of its picture.
    fn framing(position: Vector, target: Vector, points: &[Vector], fill: f32) -> Self {
        let forward = unit(minus(target, position));
        let right = unit(cross(forward, [0.0, 0.0, 1.0]));
        let up = cross(right, forward);
        let bare = Self { position, forward, right, up, focal: 1.0, centre: [0.0; 2] };
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for at in points.iter().filter_map(|&point| bare.direction(point)) {
            for axis in 0..2 {
                low[axis] = low[axis].min(at[axis]);
                high[axis] = high[axis].max(at[axis]);
            }
        }
        let span = (high[0] - low[0]).max(high[1] - low[1]);
        Self { focal: fill / span, centre: core::array::from_fn(|axis| 0.5 * (low[axis] + high[axis])), ..bare }
    }

    /// Right, up and along the line of sight from the camera, the first two divided by the third.
    fn direction(&self, point: Vector) -> Option<[f32; 3]> {
        let from_here = minus(point, self.position);
        let depth = dot(from_here, self.forward);
        (depth > NEAR).then(|| [dot(from_here, self.right) / depth, dot(from_here, self.up) / depth, depth])
    }

    /// Where `point` shows, inside the picture or beside it; `None` for what is beside or behind the camera.
    #[must_use]
    pub fn project(&self, point: Vector) -> Option<Projection> {
        let [right, up, depth] = self.direction(point)?;
        Some(Projection {
            x: 0.5 + self.focal * (right - self.centre[0]),
            y: 0.5 - self.focal * (up - self.centre[1]),
            scale: self.focal / depth,
            depth,
        })
    }

    /// Where it is, metres.
    #[must_use]
    pub const fn position(&self) -> Vector {
        self.position
    }

    /// Its axes: right, up and the line of sight, unit vectors.
    #[must_use]
    pub const fn axes(&self) -> [Vector; 3] {
        [self.right, self.up, self.forward]
    }

    /// Focal length as a share of the picture's side.
    #[must_use]
    pub const fn focal(&self) -> f32 {
        self.focal
    }
}

/// How a camera of the rig stands: what is drawn before its lens, and whether it looks down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mount {
    /// On the robot's arm; its gripper shows below.
    Wrist,
    /// High up, looking down.
    Overhead,
    /// In a doorway, whose frame shows at the sides.
    Doorway,
}

/// A camera in its place, and the columns of the room that it is pointed at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    pub(crate) camera: Camera,
    pub(crate) mount: Mount,
    pub(crate) first_column: usize,
}

impl Placement {
    /// Whether it is pointed at `column`.
    pub(crate) const fn covers(&self, column: usize) -> bool {
        column >= self.first_column && column < self.first_column + COLUMNS_A_ZONE
    }

    /// Camera `index` of a rig: at its zone, now and then pointed one column to the side, so that it shares one with its
    /// neighbour.
    pub(crate) fn draw(index: usize, rng: &mut Rng) -> Self {
        let zone = index % ZONES;
        let aside = rng.below(4);
        let first_column = zone * COLUMNS_A_ZONE;
        let first_column = match aside {
            0 if zone > 0 => first_column - 1,
            1 if zone + 1 < ZONES => first_column + 1,
            _ => first_column,
        };
        let mount = [Mount::Wrist, Mount::Overhead, Mount::Doorway][(zone + index / ZONES) % ZONES];
        let x = (first_column as f32 + 0.5 * COLUMNS_A_ZONE as f32) * COLUMN;
        let position = match mount {
            Mount::Wrist => [x + rng.range(-0.7, 0.7), rng.range(-4.6, -3.8), rng.range(0.9, 1.7)],
            Mount::Overhead => [x + rng.range(-0.5, 0.5), rng.range(-3.0, -2.2), rng.range(3.6, 4.4)],
            Mount::Doorway => [x + rng.range(-0.9, 0.9), rng.range(-5.8, -5.0), rng.range(1.2, 2.0)],
        };
        let half = 0.5 * COLUMNS_A_ZONE as f32 * COLUMN;
        let corners =
            [-half, half].map(|aside| [[x + aside, FLOOR_DEPTH, 0.0], [x + aside, SHELF_DEPTH, TOP]]).concat();
        let camera = Camera::framing(position, [x, 1.6, 0.9], &corners, rng.range(0.97, 1.05));
        Self { camera, mount, first_column }
    }
}
