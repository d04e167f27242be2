//! Cats and people.

use super::dress::{Arms, Dress, Hair};
use super::pen::{Part, Pen};
use crate::canvas::{Rgb, scaled};

const EYE: Rgb = [40, 34, 32];

pub(super) fn cat(pen: &mut Pen<'_>, dress: &Dress) {
    let dark = scaled(dress.fur, 0.62);
    let head = |x: f32, y: f32| {
        [
            Part::Disc(x, y, 0.36, 0.32),
            Part::Disc(x - 0.2, y - 0.24, 0.14, 0.14),
            Part::Disc(x + 0.2, y - 0.24, 0.14, 0.14),
        ]
    };
    let ears = |x: f32, y: f32| {
        [
            [(x - 0.36, y - 0.1), (x - 0.36, y - 0.56), (x - 0.06, y - 0.28)],
            [(x + 0.36, y - 0.1), (x + 0.36, y - 0.56), (x + 0.06, y - 0.28)],
        ]
    };
    let (x, y) = if dress.standing { (-0.5, -0.24) } else { (-0.3, -0.32) };
    if dress.standing {
        pen.body(&[
            Part::Line((0.74, 0.1), (0.84, -0.7), 0.1),
            Part::Bar(-0.42, 0.4, -0.22, 0.88),
            Part::Bar(-0.1, 0.4, 0.1, 0.88),
            Part::Bar(0.36, 0.4, 0.54, 0.88),
            Part::Bar(0.64, 0.4, 0.82, 0.88),
            Part::Disc(0.16, 0.26, 0.7, 0.3),
        ]);
    } else {
        pen.body(&[
            Part::Arc((0.5, 0.5), (0.34, 0.28), 0.1, (13, 22)),
            Part::Disc(-0.1, 0.42, 0.48, 0.5),
            Part::Bar(-0.5, 0.3, -0.3, 0.88),
            Part::Bar(-0.16, 0.3, 0.04, 0.88),
        ]);
    }
    if dress.tabby {
        for i in 0..3 {
            let at = 0.02 + 0.2 * i as f32;
            let (a, b) = if dress.standing { ((at, 0.0), (at, 0.36)) } else { ((0.02, at), (0.34, at - 0.06)) };
            pen.part(Part::Line(a, b, 0.05), dark);
        }
    }
    let [left, right] = ears(x, y);
    let [a, b, c] = head(x, y);
    pen.body(&[Part::Area(&left), Part::Area(&right), a, b, c]);
    pen.part(Part::Disc(x - 0.15, y - 0.04, 0.09, 0.1), [110, 220, 100]);
    pen.part(Part::Disc(x + 0.15, y - 0.04, 0.09, 0.1), [110, 220, 100]);
    pen.part(Part::Disc(x, y + 0.14, 0.08, 0.06), EYE);
}

pub(super) fn person(pen: &mut Pen<'_>, dress: &Dress) {
    let Dress { shirt, trousers, skin, hair, .. } = *dress;
    if dress.cut == Hair::Long && !dress.cap {
        pen.part(Part::Bar(-0.42, -0.76, 0.42, -0.36), hair);
    }
    // Legs, then the arms behind the shirt.
    if dress.skirt {
        pen.part(Part::Bar(-0.3, 0.6, -0.08, 0.97), skin);
        pen.part(Part::Bar(0.08, 0.6, 0.3, 0.97), skin);
        pen.part(Part::Area(&[(-0.36, 0.2), (0.36, 0.2), (0.58, 0.68), (-0.58, 0.68)]), trousers);
    } else {
        pen.part(Part::Bar(-0.38, 0.2, -0.05, 0.97), trousers);
        pen.part(Part::Bar(0.05, 0.2, 0.38, 0.97), trousers);
        pen.part(Part::Bar(-0.38, 0.2, 0.38, 0.4), trousers);
    }
    pen.part(Part::Bar(-0.44, 0.94, -0.05, 1.0), EYE);
    pen.part(Part::Bar(0.05, 0.94, 0.44, 1.0), EYE);
    let sleeve = scaled(shirt, 0.78);
    let left = [(-0.5, -0.36), (-0.72, -0.02), (-0.72, 0.26)];
    let right = match dress.arms {
        Arms::Down => [(0.5, -0.36), (0.72, -0.02), (0.72, 0.26)],
        Arms::OneUp => [(0.5, -0.36), (0.8, -0.56), (0.82, -0.86)],
        Arms::Akimbo => [(0.5, -0.36), (0.88, -0.08), (0.44, 0.14)],
    };
    for arm in [left, right] {
        pen.part(Part::Line(arm[0], arm[1], 0.13), sleeve);
        pen.part(Part::Line(arm[1], arm[2], 0.12), sleeve);
        pen.part(Part::Disc(arm[2].0, arm[2].1, 0.15, 0.07), skin);
    }
    pen.part(Part::Area(&[(-0.56, -0.42), (0.56, -0.42), (0.42, 0.28), (-0.42, 0.28)]), scaled(shirt, 0.55));
    pen.part(Part::Area(&[(-0.48, -0.4), (0.48, -0.4), (0.36, 0.25), (-0.36, 0.25)]), shirt);
    pen.part(Part::Bar(-0.12, -0.5, 0.12, -0.38), skin);
    if dress.cut == Hair::Bun {
        pen.part(Part::Disc(0.0, -0.94, 0.18, 0.07), hair);
    }
    if dress.cut == Hair::None {
        pen.part(Part::Disc(0.0, -0.68, 0.37, 0.24), scaled(skin, 0.6));
    } else {
        pen.part(Part::Disc(0.0, -0.72, 0.42, 0.24), hair);
    }
    pen.part(Part::Disc(0.0, -0.66, 0.33, 0.21), skin);
    if dress.cap {
        let wool = scaled(trousers, 1.25);
        pen.part(Part::Area(&[(-0.4, -0.72), (-0.34, -0.92), (0.0, -0.99), (0.34, -0.92), (0.4, -0.72)]), wool);
    }
    pen.part(Part::Disc(-0.13, -0.68, 0.06, 0.03), EYE);
    pen.part(Part::Disc(0.13, -0.68, 0.06, 0.03), EYE);
    pen.part(Part::Bar(-0.1, -0.56, 0.1, -0.54), scaled(skin, 0.6));
}
