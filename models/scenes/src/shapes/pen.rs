//! The parts that silhouettes are put together from.

use crate::canvas::{Canvas, Paint, Rgb, Spot, scaled};
use crate::shapes::Dress;
use crate::thing::Finish;

const INK: Rgb = [40, 36, 34];
const PAPER: Rgb = [250, 250, 246];
/// Brightness of the rim against the body.
const OUTLINE: f32 = 0.42;
/// Width of the rim in the thing's own units: a little less than a pixel for a thing 14 pixels wide.
const RIM: f32 = 0.12;
/// Pitch of the patterns, for the same thing about 5 pixels.
const PERIOD: f32 = 0.72;

/// The directions of a circle in sixteenths of a turn, clockwise from the right. A table, because what a camera sees is
/// measured on what is drawn, and must not hang on one machine's sine.
const TURN: [(f32, f32); 16] = [
    (1.0, 0.0),
    (0.924, 0.383),
    (0.707, 0.707),
    (0.383, 0.924),
    (0.0, 1.0),
    (-0.383, 0.924),
    (-0.707, 0.707),
    (-0.924, 0.383),
    (-1.0, 0.0),
    (-0.924, -0.383),
    (-0.707, -0.707),
    (-0.383, -0.924),
    (0.0, -1.0),
    (0.383, -0.924),
    (0.707, -0.707),
    (0.924, -0.383),
];

/// A thing's box in the view; drawing inside uses −1…1 both ways, y downwards.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) cx: f32,
    pub(crate) cy: f32,
    pub(crate) half_w: f32,
    pub(crate) half_h: f32,
    /// Draws the mirror image.
    pub(crate) mirrored: bool,
}

impl core::fmt::Debug for Frame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "({:.3}, {:.3}) ± ({:.3}, {:.3})", self.cx, self.cy, self.half_w, self.half_h)
    }
}

impl Frame {
    fn spot(&self) -> Spot {
        let half_w = if self.mirrored { -self.half_w } else { self.half_w };
        Spot { cx: self.cx, cy: self.cy, half_w, half_h: self.half_h }
    }

    fn x(&self, x: f32) -> f32 {
        self.cx + if self.mirrored { -x } else { x } * self.half_w
    }

    fn y(&self, y: f32) -> f32 {
        self.cy + y * self.half_h
    }
}

/// One filled part of a silhouette.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// An ellipse: centre and radii.
    Disc(f32, f32, f32, f32),
    /// A rectangle: left, top, right, bottom.
    Bar(f32, f32, f32, f32),
    /// A polygon.
    Area(&'a [(f32, f32)]),
    /// A thick line: two ends and half its width.
    Line((f32, f32), (f32, f32), f32),
    /// A piece of a thick ellipse: centre, radii, half its width, first and last direction in sixteenths of a turn,
    /// clockwise from the right.
    Arc((f32, f32), (f32, f32), f32, (usize, usize)),
}

pub(super) struct Pen<'a> {
    canvas: &'a mut Canvas,
    frame: Frame,
    fill: Paint,
    rim: Rgb,
    /// For dark details; light enough to show on a black body.
    pub(super) ink: Rgb,
    /// For light details; dark enough to show on a white body.
    pub(super) paper: Rgb,
    /// The body's own colour in shade.
    pub(super) shade: Rgb,
}

impl<'a> Pen<'a> {
    /// A pen for an item of this colour and surface.
    pub(super) fn item(canvas: &'a mut Canvas, frame: Frame, body: Rgb, finish: Finish, dress: &Dress) -> Self {
        let fill = Paint::surface(body, finish, frame.spot(), dress.phase, PERIOD);
        Self { fill, ..Self::plain(canvas, frame, body) }
    }

    pub(super) fn plain(canvas: &'a mut Canvas, frame: Frame, body: Rgb) -> Self {
        let black = body.iter().all(|&c| c < 60);
        let white = body.iter().all(|&c| c > 220);
        Self {
            canvas,
            frame,
            fill: body.into(),
            rim: if black { [124, 124, 128] } else { scaled(body, OUTLINE) },
            ink: if black { [132, 132, 136] } else { INK },
            paper: if white { [150, 152, 156] } else { PAPER },
            shade: if black { [78, 78, 84] } else { scaled(body, 0.68) },
        }
    }

    /// Draws the parts as one body: the common rim first, then the fill.
    pub(super) fn body(&mut self, parts: &[Part<'_>]) {
        let fill = self.fill;
        self.outlined(parts, fill);
    }

    /// As [`Self::body`], filled with something else than the thing's own colour.
    pub(super) fn outlined(&mut self, parts: &[Part<'_>], fill: impl Into<Paint>) {
        let (rim, fill) = (self.rim, fill.into());
        for part in parts {
            self.put(*part, RIM, rim.into());
        }
        for part in parts {
            self.put(*part, 0.0, fill);
        }
    }

    /// Fills one part without a rim.
    pub(super) fn part(&mut self, part: Part<'_>, paint: impl Into<Paint>) {
        self.put(part, 0.0, paint.into());
    }

    pub(super) fn ink(&mut self, part: Part<'_>) {
        self.part(part, self.ink);
    }

    pub(super) fn paper(&mut self, part: Part<'_>) {
        self.part(part, self.paper);
    }

    fn put(&mut self, part: Part<'_>, grown: f32, paint: Paint) {
        let f = self.frame;
        match part {
            Part::Disc(x, y, rx, ry) => {
                self.canvas.ellipse(f.x(x), f.y(y), (rx + grown) * f.half_w, (ry + grown) * f.half_h, paint);
            }
            Part::Bar(x0, y0, x1, y1) => {
                let (a, b) = (f.x(x0 - grown), f.x(x1 + grown));
                self.canvas.rectangle(a.min(b), f.y(y0 - grown), a.max(b), f.y(y1 + grown), paint);
            }
            Part::Area(points) => {
                // A polygon grows by being drawn shifted to all sides.
                let shifts: &[(f32, f32)] = if grown > 0.0 {
                    &[
                        (-0.8, -0.8),
                        (0.8, -0.8),
                        (0.8, 0.8),
                        (-0.8, 0.8),
                        (0.0, 1.0),
                        (0.0, -1.0),
                        (1.0, 0.0),
                        (-1.0, 0.0),
                    ]
                } else {
                    &[(0.0, 0.0)]
                };
                for (dx, dy) in shifts {
                    self.polygon(points.iter().map(|p| (p.0 + dx * grown, p.1 + dy * grown)), paint);
                }
            }
            Part::Line(a, b, half) => {
                let (dx, dy) = (b.0 - a.0, b.1 - a.1);
                let length = (dx * dx + dy * dy).sqrt().max(1e-6);
                let (ux, uy) = (dx / length * grown, dy / length * grown);
                let across = (half + grown) / length;
                let (nx, ny) = (-dy * across, dx * across);
                let corners = [
                    (a.0 - ux + nx, a.1 - uy + ny),
                    (b.0 + ux + nx, b.1 + uy + ny),
                    (b.0 + ux - nx, b.1 + uy - ny),
                    (a.0 - ux - nx, a.1 - uy - ny),
                ];
                self.polygon(corners.into_iter(), paint);
            }
            Part::Arc((cx, cy), (rx, ry), half, (from, to)) => {
                let half = half + grown;
                let at = |i: usize, d: f32| {
                    let (c, s) = TURN[i % TURN.len()];
                    (cx + c * (rx + d), cy + s * (ry + d))
                };
                self.polygon((from..=to).map(|i| at(i, half)).chain((from..=to).rev().map(|i| at(i, -half))), paint);
            }
        }
    }

    fn polygon(&mut self, points: impl Iterator<Item = (f32, f32)>, paint: Paint) {
        let f = self.frame;
        let moved: Vec<_> = points.map(|p| (f.x(p.0), f.y(p.1))).collect();
        self.canvas.polygon(&moved, paint);
    }
}
