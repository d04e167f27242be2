//! Lamp, stove and door; their make and material vary, their states do not.

use super::dress::Dress;
use super::pen::{Part, Pen};
use crate::canvas::{Paint, Rgb, scaled};

const IRON: Rgb = [44, 42, 42];

pub(super) fn lamp(pen: &mut Pen<'_>, on: bool, dress: &Dress) {
    if on {
        pen.part(Part::Disc(0.0, -0.55, 1.15, 0.55), Paint::veil([255, 244, 170], 0.75));
    }
    pen.part(Part::Bar(-0.07, -0.4, 0.07, 0.92), IRON);
    pen.part(Part::Disc(0.0, 0.93, 0.42, 0.07), IRON);
    let shade = if on { [255, 222, 60] } else { dress.shade };
    let outline: &[(f32, f32)] = match dress.make {
        0 => &[(-0.26, -0.88), (0.26, -0.88), (0.6, -0.4), (-0.6, -0.4)],
        1 => &[(-0.48, -0.88), (0.48, -0.88), (0.48, -0.42), (-0.48, -0.42)],
        _ => &[(-0.16, -0.88), (0.16, -0.88), (0.52, -0.7), (0.64, -0.42), (-0.64, -0.42), (-0.52, -0.7)],
    };
    pen.outlined(&[Part::Area(outline)], shade);
}

pub(super) fn stove(pen: &mut Pen<'_>, on: bool, dress: &Dress) {
    pen.part(Part::Bar(-0.86, 0.0, 0.86, 1.0), scaled(dress.enamel, 0.45));
    pen.part(Part::Bar(-0.75, 0.06, 0.75, 0.94), dress.enamel);
    pen.part(Part::Bar(-0.55, 0.42, 0.55, 0.84), IRON);
    pen.part(Part::Bar(-0.92, -0.08, 0.92, 0.06), IRON);
    let knobs: &[f32] = if dress.make == 0 { &[-0.48, 0.0, 0.48] } else { &[-0.54, -0.18, 0.18, 0.54] };
    for &x in knobs {
        pen.part(Part::Disc(x, 0.23, 0.13, 0.08), IRON);
    }
    if dress.make == 2 {
        pen.part(Part::Bar(-0.92, -0.3, -0.8, 0.0), scaled(dress.enamel, 0.7));
        pen.part(Part::Bar(0.8, -0.3, 0.92, 0.0), scaled(dress.enamel, 0.7));
    }
    if on {
        pen.part(Part::Bar(-0.45, 0.5, 0.45, 0.78), [255, 120, 20]);
        for x in [-0.45, 0.45] {
            let flame = [(x - 0.36, -0.08), (x - 0.2, -0.42), (x, -0.2), (x + 0.1, -0.6), (x + 0.36, -0.08)];
            pen.part(Part::Area(&flame), [255, 86, 10]);
            pen.part(Part::Area(&[(x - 0.18, -0.08), (x, -0.3), (x + 0.18, -0.08)]), [255, 220, 70]);
        }
    }
}

pub(super) fn door(pen: &mut Pen<'_>, open: bool, dress: &Dress) {
    let (wood, panel) = (dress.wood, scaled(dress.wood, 0.8));
    pen.part(Part::Bar(-0.85, -1.0, 0.85, 1.0), scaled(wood, 0.48));
    if open {
        pen.part(Part::Bar(-0.7, -0.93, 0.7, 1.0), [22, 24, 40]);
        pen.part(Part::Area(&[(-0.7, -0.93), (-0.25, -0.76), (-0.25, 1.0), (-0.7, 1.0)]), wood);
        return;
    }
    pen.part(Part::Bar(-0.7, -0.93, 0.7, 1.0), wood);
    match dress.make {
        0 => {
            pen.part(Part::Bar(-0.45, -0.75, 0.4, -0.15), panel);
            pen.part(Part::Bar(-0.45, 0.1, 0.4, 0.8), panel);
        }
        1 => {
            for x in [-0.48, -0.1] {
                pen.part(Part::Bar(x, -0.76, x + 0.26, 0.82), panel);
            }
        }
        _ => {
            for x in [-0.4, -0.06, 0.28] {
                pen.part(Part::Bar(x, -0.93, x + 0.08, 1.0), panel);
            }
        }
    }
    pen.part(Part::Disc(0.55, 0.02, 0.12, 0.05), [240, 210, 90]);
}
