//! Tools.

use super::pen::{Part, Pen};
use crate::canvas::{Paint, Rgb};
use crate::thing::Kind;

const STEEL: Rgb = [136, 140, 146];
const BRISTLE: Rgb = [206, 190, 158];
pub(super) const LIGHT: Rgb = [255, 244, 176];

pub(super) fn draw(pen: &mut Pen<'_>, kind: Kind, active: bool) {
    match kind {
        Kind::Hammer => {
            pen.body(&[
                Part::Bar(-0.17, -0.5, 0.17, 0.88),
                Part::Bar(-0.84, -0.86, 0.3, -0.34),
                Part::Area(&[(0.2, -0.86), (0.6, -0.76), (0.88, -0.3), (0.7, -0.24), (0.5, -0.44), (0.2, -0.38)]),
            ]);
            pen.part(Part::Bar(-0.92, -0.94, -0.6, -0.26), STEEL);
        }
        Kind::Scissors => {
            pen.body(&[
                Part::Line((-0.4, -0.84), (0.3, 0.3), 0.13),
                Part::Line((0.4, -0.84), (-0.3, 0.3), 0.13),
                Part::Arc((-0.46, 0.52), (0.28, 0.26), 0.12, (0, 16)),
                Part::Arc((0.46, 0.52), (0.28, 0.26), 0.12, (0, 16)),
            ]);
            pen.paper(Part::Line((-0.42, -0.88), (-0.1, -0.36), 0.06));
            pen.paper(Part::Line((0.42, -0.88), (0.1, -0.36), 0.06));
        }
        Kind::Key => {
            pen.body(&[
                Part::Arc((-0.48, -0.04), (0.28, 0.42), 0.13, (0, 16)),
                Part::Bar(-0.1, -0.2, 0.88, 0.08),
                Part::Bar(0.3, 0.0, 0.46, 0.44),
                Part::Bar(0.7, 0.0, 0.88, 0.52),
            ]);
        }
        Kind::Torch => {
            if active {
                pen.part(Part::Area(&[(0.3, -0.3), (1.0, -0.96), (1.0, 0.96), (0.3, 0.3)]), Paint::veil(LIGHT, 0.85));
            }
            pen.body(&[
                Part::Bar(-0.88, -0.24, 0.1, 0.24),
                Part::Area(&[(-0.04, -0.24), (0.3, -0.56), (0.44, -0.56), (0.44, 0.56), (0.3, 0.56), (-0.04, 0.24)]),
            ]);
            let lens = if active { [255, 252, 226] } else { [70, 70, 74] };
            pen.part(Part::Bar(0.38, -0.62, 0.56, 0.62), lens);
            pen.ink(Part::Bar(-0.5, -0.34, -0.24, -0.12));
        }
        _ => {
            pen.outlined(&[Part::Bar(-0.88, 0.1, 0.24, 0.78)], BRISTLE);
            for x in [-0.66, -0.4, -0.14] {
                pen.part(Part::Bar(x, 0.2, x + 0.1, 0.9), [108, 96, 76]);
            }
            pen.body(&[Part::Bar(-0.88, -0.4, 0.26, 0.12), Part::Line((0.1, -0.2), (0.86, -0.5), 0.17)]);
        }
    }
}
