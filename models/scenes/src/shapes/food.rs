//! Food other than fruit.

use super::fruit::LEAF;
use super::pen::{Part, Pen};
use crate::thing::Kind;

pub(super) fn draw(pen: &mut Pen<'_>, kind: Kind) {
    match kind {
        Kind::Carrot => {
            for (x, y) in [(-0.46, -0.9), (0.0, -1.0), (0.46, -0.9)] {
                pen.part(Part::Line((0.0, -0.3), (x, y), 0.13), LEAF);
            }
            pen.body(&[
                Part::Area(&[(-0.58, -0.36), (0.58, -0.36), (0.12, 0.88), (-0.12, 0.88)]),
                Part::Disc(0.0, -0.36, 0.58, 0.18),
            ]);
            pen.ink(Part::Bar(-0.5, -0.12, -0.06, -0.02));
            pen.ink(Part::Bar(0.04, 0.18, 0.34, 0.28));
        }
        Kind::Bread => {
            pen.body(&[Part::Disc(0.0, 0.0, 0.88, 0.62), Part::Bar(-0.8, 0.0, 0.8, 0.7)]);
            for x in [-0.5, 0.0, 0.5] {
                pen.paper(Part::Line((x - 0.12, 0.2), (x + 0.12, -0.34), 0.09));
            }
        }
        _ => {
            for x in [-0.42, 0.0, 0.42] {
                pen.ink(Part::Bar(x - 0.08, -0.9, x + 0.08, -0.3));
                pen.part(Part::Disc(x, -0.9, 0.11, 0.11), [250, 214, 120]);
            }
            pen.paper(Part::Disc(0.0, 0.82, 1.0, 0.18));
            pen.body(&[Part::Bar(-0.74, -0.3, 0.74, 0.76)]);
            pen.paper(Part::Bar(-0.8, -0.36, 0.8, -0.1));
            for x in [-0.54, 0.0, 0.54] {
                pen.paper(Part::Disc(x, -0.1, 0.2, 0.2));
            }
        }
    }
}
