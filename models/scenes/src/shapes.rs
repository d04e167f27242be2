//! The silhouette of every thing, drawn in a box of its own.

use crate::canvas::{Canvas, Rgb, scaled};
use crate::thing::{Kind, Thing};

const INK: Rgb = [40, 36, 34];
const PAPER: Rgb = [250, 250, 246];
const LEAF: Rgb = [60, 130, 50];
const OUTLINE: f32 = 0.45;

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

impl Frame {
    fn x(&self, x: f32) -> f32 {
        self.cx + if self.mirrored { -x } else { x } * self.half_w
    }

    fn y(&self, y: f32) -> f32 {
        self.cy + y * self.half_h
    }
}

struct Pen<'a> {
    canvas: &'a mut Canvas,
    frame: Frame,
}

impl Pen<'_> {
    fn disc(&mut self, x: f32, y: f32, rx: f32, ry: f32, colour: Rgb) {
        let f = self.frame;
        self.canvas.ellipse(f.x(x), f.y(y), rx * f.half_w, ry * f.half_h, colour);
    }

    fn area(&mut self, points: &[(f32, f32)], colour: Rgb) {
        let f = self.frame;
        let moved: Vec<_> = points.iter().map(|p| (f.x(p.0), f.y(p.1))).collect();
        self.canvas.polygon(&moved, colour);
    }

    fn bar(&mut self, x0: f32, y0: f32, x1: f32, y1: f32, colour: Rgb) {
        let f = self.frame;
        let (a, b) = (f.x(x0), f.x(x1));
        self.canvas.rectangle(a.min(b), f.y(y0), a.max(b), f.y(y1), colour);
    }
}

/// Draws `thing` into `frame`; `dress` colours clothes and fur.
pub(crate) fn draw(canvas: &mut Canvas, frame: Frame, thing: Thing, dress: Rgb) {
    let mut pen = Pen { canvas, frame };
    match thing {
        Thing::Item { kind, colour } => {
            // Black needs a light rim to stay visible against dark furniture, everything else a dark one.
            let body = colour.rgb();
            let rim = if body.iter().all(|&c| c < 60) { [120, 120, 124] } else { scaled(body, OUTLINE) };
            item(&mut pen, kind, body, rim);
        }
        Thing::Lamp { on } => lamp(&mut pen, on),
        Thing::Stove { on } => stove(&mut pen, on),
        Thing::Door { open } => door(&mut pen, open),
        Thing::Cat => cat(&mut pen, dress),
        Thing::Person => person(&mut pen, dress),
    }
}

fn item(pen: &mut Pen<'_>, kind: Kind, c: Rgb, rim: Rgb) {
    match kind {
        Kind::Apple => {
            pen.disc(-0.32, 0.2, 0.66, 0.8, rim);
            pen.disc(0.32, 0.2, 0.66, 0.8, rim);
            pen.disc(-0.32, 0.2, 0.54, 0.68, c);
            pen.disc(0.32, 0.2, 0.54, 0.68, c);
            pen.bar(-0.08, -1.0, 0.08, -0.35, INK);
            pen.disc(0.4, -0.75, 0.36, 0.2, LEAF);
        }
        Kind::Banana => {
            let arc = |r_out: f32, r_in: f32| -> Vec<(f32, f32)> {
                let angles: Vec<f32> = (0..=10).map(|i| 0.25 + 2.64 * i as f32 / 10.0).collect();
                let outer = angles.iter().map(|a| (r_out * a.cos(), r_out * 1.25 * a.sin() - 0.35));
                let inner = angles.iter().rev().map(|a| (r_in * 1.3 * a.cos(), r_in * a.sin() - 0.45));
                outer.chain(inner).collect()
            };
            pen.area(&arc(1.02, 0.42), rim);
            pen.area(&arc(0.92, 0.56), c);
            pen.bar(0.78, -0.45, 1.0, -0.02, INK);
        }
        Kind::Pear => {
            pen.disc(0.0, -0.25, 0.46, 0.56, rim);
            pen.disc(0.0, 0.4, 0.78, 0.6, rim);
            pen.disc(0.0, -0.25, 0.34, 0.44, c);
            pen.disc(0.0, 0.4, 0.66, 0.48, c);
            pen.bar(-0.06, -1.0, 0.1, -0.6, INK);
        }
        Kind::Mug => {
            pen.disc(0.6, 0.1, 0.4, 0.5, rim);
            pen.disc(0.6, 0.1, 0.2, 0.28, PAPER);
            pen.bar(-0.85, -0.75, 0.5, 0.95, rim);
            pen.bar(-0.73, -0.6, 0.38, 0.83, c);
            pen.disc(-0.17, -0.68, 0.6, 0.2, INK);
        }
        Kind::Bottle => {
            pen.bar(-0.26, -0.85, 0.26, 0.0, rim);
            pen.bar(-0.5, -0.2, 0.5, 1.0, rim);
            pen.bar(-0.14, -0.8, 0.14, 0.0, c);
            pen.bar(-0.38, -0.1, 0.38, 0.9, c);
            pen.bar(-0.26, -1.0, 0.26, -0.78, PAPER);
        }
        Kind::Carton => {
            pen.area(&[(-0.6, -0.4), (0.0, -1.0), (0.6, -0.4), (0.6, 1.0), (-0.6, 1.0)], rim);
            pen.area(&[(-0.46, -0.35), (0.0, -0.82), (0.46, -0.35), (0.46, 0.88), (-0.46, 0.88)], c);
            pen.bar(-0.46, -0.36, 0.46, -0.22, rim);
            pen.disc(0.0, 0.35, 0.26, 0.28, PAPER);
        }
        Kind::Ball => {
            pen.disc(0.0, 0.0, 0.95, 0.95, rim);
            pen.disc(0.0, 0.0, 0.83, 0.83, c);
            pen.area(&[(-0.8, 0.35), (0.6, -0.68), (0.8, -0.35), (-0.6, 0.68)], PAPER);
        }
        Kind::Teddy => {
            for x in [-0.55, 0.55] {
                pen.disc(x, -0.75, 0.34, 0.28, rim);
                pen.disc(x * 1.35, 0.35, 0.3, 0.22, rim);
                pen.disc(x, -0.75, 0.22, 0.18, c);
            }
            pen.disc(0.0, 0.45, 0.62, 0.56, rim);
            pen.disc(0.0, -0.38, 0.62, 0.5, rim);
            pen.disc(0.0, 0.45, 0.5, 0.46, c);
            pen.disc(0.0, -0.38, 0.5, 0.4, c);
            pen.disc(0.0, -0.22, 0.24, 0.18, PAPER);
        }
        Kind::Kite => {
            pen.area(&[(0.0, -1.0), (0.78, -0.25), (0.0, 0.6), (-0.78, -0.25)], rim);
            pen.area(&[(0.0, -0.82), (0.6, -0.25), (0.0, 0.42), (-0.6, -0.25)], c);
            pen.bar(-0.6, -0.3, 0.6, -0.18, PAPER);
            pen.area(&[(0.0, 0.55), (0.5, 0.72), (0.1, 0.95), (0.75, 1.0), (0.4, 0.85), (0.8, 0.68)], INK);
        }
        Kind::Book => {
            pen.bar(-1.0, -0.2, 1.0, 0.95, rim);
            pen.bar(-0.9, -0.1, 0.9, 0.5, c);
            pen.bar(-0.78, 0.5, 1.0, 0.85, PAPER);
            pen.bar(-0.6, -0.1, -0.45, 0.5, PAPER);
        }
        Kind::Hat => {
            pen.disc(0.0, 0.6, 1.05, 0.36, rim);
            pen.area(&[(-0.62, 0.6), (-0.5, -0.6), (0.5, -0.6), (0.62, 0.6)], rim);
            pen.disc(0.0, 0.58, 0.93, 0.24, c);
            pen.area(&[(-0.5, 0.5), (-0.4, -0.5), (0.4, -0.5), (0.5, 0.5)], c);
            pen.bar(-0.52, 0.14, 0.52, 0.4, PAPER);
        }
        _ => {
            pen.area(&[(-0.95, -0.75), (-0.1, -0.75), (0.05, -0.05), (0.95, 0.25), (1.0, 0.85), (-0.95, 0.85)], rim);
            pen.area(&[(-0.82, -0.62), (-0.22, -0.62), (-0.08, 0.08), (0.84, 0.36), (0.86, 0.6), (-0.82, 0.6)], c);
            pen.bar(-0.98, 0.64, 1.0, 0.95, PAPER);
        }
    }
}

fn lamp(pen: &mut Pen<'_>, on: bool) {
    if on {
        pen.disc(0.0, -0.55, 1.0, 0.5, [255, 244, 170]);
    }
    pen.bar(-0.07, -0.4, 0.07, 0.9, INK);
    pen.disc(0.0, 0.92, 0.42, 0.08, INK);
    let shade = if on { [255, 222, 60] } else { [112, 108, 104] };
    pen.area(&[(-0.34, -0.95), (0.34, -0.95), (0.72, -0.32), (-0.72, -0.32)], INK);
    pen.area(&[(-0.26, -0.9), (0.26, -0.9), (0.58, -0.37), (-0.58, -0.37)], shade);
}

fn stove(pen: &mut Pen<'_>, on: bool) {
    pen.bar(-0.85, 0.0, 0.85, 1.0, [90, 92, 96]);
    pen.bar(-0.75, 0.06, 0.75, 0.94, [206, 208, 212]);
    pen.bar(-0.55, 0.42, 0.55, 0.84, INK);
    pen.bar(-0.9, -0.08, 0.9, 0.06, INK);
    for x in [-0.48, 0.0, 0.48] {
        pen.disc(x, 0.23, 0.14, 0.08, INK);
    }
    if on {
        pen.bar(-0.45, 0.5, 0.45, 0.78, [255, 120, 20]);
        for x in [-0.45, 0.45] {
            pen.area(
                &[(x - 0.36, -0.08), (x - 0.2, -0.42), (x, -0.2), (x + 0.1, -0.55), (x + 0.36, -0.08)],
                [255, 86, 10],
            );
            pen.area(&[(x - 0.18, -0.08), (x, -0.3), (x + 0.18, -0.08)], [255, 220, 70]);
        }
    }
}

fn door(pen: &mut Pen<'_>, open: bool) {
    pen.bar(-0.85, -1.0, 0.85, 1.0, [84, 58, 36]);
    if open {
        pen.bar(-0.7, -0.92, 0.7, 1.0, [22, 24, 40]);
        pen.area(&[(-0.7, -0.92), (-0.25, -0.75), (-0.25, 1.0), (-0.7, 1.0)], [168, 118, 74]);
    } else {
        pen.bar(-0.7, -0.92, 0.7, 1.0, [168, 118, 74]);
        pen.bar(-0.45, -0.75, 0.45, -0.15, [140, 94, 56]);
        pen.bar(-0.45, 0.1, 0.45, 0.8, [140, 94, 56]);
        pen.disc(0.52, 0.0, 0.12, 0.06, [240, 210, 90]);
    }
}

fn cat(pen: &mut Pen<'_>, fur: Rgb) {
    let rim = scaled(fur, OUTLINE);
    pen.area(&[(0.6, 0.5), (0.95, -0.6), (1.05, -0.5), (0.85, 0.8)], rim);
    pen.disc(0.15, 0.45, 0.75, 0.5, rim);
    pen.disc(0.15, 0.45, 0.64, 0.4, fur);
    pen.area(&[(-0.95, -0.1), (-0.9, -0.95), (-0.5, -0.4)], rim);
    pen.area(&[(-0.1, -0.1), (-0.15, -0.95), (-0.55, -0.4)], rim);
    pen.disc(-0.53, -0.1, 0.46, 0.46, rim);
    pen.disc(-0.53, -0.1, 0.36, 0.36, fur);
    pen.disc(-0.7, -0.15, 0.08, 0.1, [90, 220, 90]);
    pen.disc(-0.36, -0.15, 0.08, 0.1, [90, 220, 90]);
}

fn person(pen: &mut Pen<'_>, shirt: Rgb) {
    let rim = scaled(shirt, OUTLINE);
    pen.bar(-0.36, 0.3, -0.06, 1.0, [52, 56, 84]);
    pen.bar(0.06, 0.3, 0.36, 1.0, [52, 56, 84]);
    pen.area(
        &[(-0.62, -0.42), (0.62, -0.42), (0.8, 0.3), (0.5, 0.34), (0.4, 0.42), (-0.4, 0.42), (-0.5, 0.34), (-0.8, 0.3)],
        rim,
    );
    pen.area(&[(-0.5, -0.36), (0.5, -0.36), (0.38, 0.36), (-0.38, 0.36)], shirt);
    pen.disc(0.0, -0.72, 0.42, 0.27, [70, 44, 30]);
    pen.disc(0.0, -0.66, 0.36, 0.24, [232, 184, 148]);
    pen.disc(-0.13, -0.68, 0.06, 0.03, INK);
    pen.disc(0.13, -0.68, 0.06, 0.03, INK);
}
