//! Fruit.

use super::pen::{Part, Pen};
use crate::canvas::Rgb;
use crate::thing::Kind;

/// Leaves are paler than a green item, so that they do not name its colour.
pub(super) const LEAF: Rgb = [104, 138, 84];

pub(super) fn draw(pen: &mut Pen<'_>, kind: Kind) {
    match kind {
        Kind::Apple => {
            pen.body(&[Part::Disc(-0.32, 0.22, 0.54, 0.66), Part::Disc(0.32, 0.22, 0.54, 0.66)]);
            pen.ink(Part::Line((0.0, -0.25), (0.06, -1.0), 0.09));
            pen.part(Part::Disc(0.46, -0.76, 0.38, 0.2), LEAF);
        }
        Kind::Banana => {
            let crescent = [
                (-0.86, -0.5),
                (-0.66, -0.56),
                (-0.5, -0.1),
                (-0.2, 0.16),
                (0.2, 0.16),
                (0.5, -0.1),
                (0.66, -0.74),
                (0.86, -0.74),
                (0.9, -0.1),
                (0.66, 0.44),
                (0.28, 0.74),
                (-0.16, 0.76),
                (-0.6, 0.44),
                (-0.84, 0.0),
            ];
            pen.body(&[Part::Area(&crescent)]);
            pen.ink(Part::Bar(0.6, -0.98, 0.9, -0.66));
            pen.ink(Part::Disc(-0.78, -0.5, 0.16, 0.12));
        }
        Kind::Pear => {
            pen.body(&[
                Part::Disc(0.0, -0.34, 0.32, 0.4),
                Part::Disc(0.0, 0.42, 0.68, 0.46),
                Part::Area(&[(-0.3, -0.3), (0.3, -0.3), (0.6, 0.3), (-0.6, 0.3)]),
            ]);
            pen.ink(Part::Line((0.0, -0.62), (0.14, -1.0), 0.09));
        }
        Kind::Lemon => {
            pen.body(&[
                Part::Disc(0.0, 0.1, 0.68, 0.52),
                Part::Area(&[(-0.9, 0.02), (-0.5, -0.28), (-0.5, 0.48), (-0.9, 0.2)]),
                Part::Area(&[(0.9, 0.02), (0.5, -0.28), (0.5, 0.48), (0.9, 0.2)]),
            ]);
            pen.paper(Part::Arc((0.0, 0.1), (0.46, 0.32), 0.06, (9, 12)));
        }
        Kind::Grapes => {
            pen.ink(Part::Line((0.0, -0.4), (0.0, -1.0), 0.09));
            pen.part(Part::Area(&[(0.05, -0.72), (0.4, -1.0), (0.85, -0.8), (0.4, -0.6)]), LEAF);
            // Each with its own rim, from the top down.
            for (x, y) in [(-0.58, -0.3), (0.58, -0.3), (0.0, -0.34), (-0.3, 0.16), (0.3, 0.16), (0.0, 0.64)] {
                pen.body(&[Part::Disc(x, y, 0.26, 0.25)]);
            }
        }
        _ => {
            pen.ink(Part::Line((-0.5, 0.3), (0.1, -0.94), 0.08));
            pen.ink(Part::Line((0.5, 0.3), (0.1, -0.94), 0.08));
            pen.part(Part::Disc(0.48, -0.8, 0.42, 0.18), LEAF);
            pen.body(&[Part::Disc(-0.5, 0.46, 0.38, 0.4)]);
            pen.body(&[Part::Disc(0.5, 0.46, 0.38, 0.4)]);
        }
    }
}
