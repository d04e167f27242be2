//! Toys.

use super::pen::{Part, Pen};
use crate::canvas::Rgb;
use crate::thing::Kind;

const GLASS: Rgb = [208, 218, 222];
const BEAK: Rgb = [226, 164, 84];

pub(super) fn draw(pen: &mut Pen<'_>, kind: Kind) {
    match kind {
        Kind::Ball => {
            pen.body(&[Part::Disc(0.0, 0.0, 0.86, 0.86)]);
            pen.paper(Part::Area(&[(-0.82, 0.3), (0.62, -0.6), (0.8, -0.3), (-0.64, 0.6)]));
        }
        Kind::Teddy => {
            pen.body(&[
                Part::Disc(-0.5, -0.72, 0.2, 0.17),
                Part::Disc(0.5, -0.72, 0.2, 0.17),
                Part::Disc(-0.66, 0.24, 0.22, 0.16),
                Part::Disc(0.66, 0.24, 0.22, 0.16),
                Part::Disc(-0.4, 0.76, 0.24, 0.14),
                Part::Disc(0.4, 0.76, 0.24, 0.14),
                Part::Disc(0.0, 0.4, 0.48, 0.44),
                Part::Disc(0.0, -0.38, 0.5, 0.4),
            ]);
            pen.paper(Part::Disc(0.0, -0.2, 0.22, 0.18));
            pen.paper(Part::Disc(0.0, 0.46, 0.26, 0.24));
            pen.ink(Part::Disc(-0.22, -0.46, 0.1, 0.1));
            pen.ink(Part::Disc(0.22, -0.46, 0.1, 0.1));
        }
        Kind::Kite => {
            pen.ink(Part::Line((0.0, 0.3), (0.3, 0.7), 0.07));
            pen.ink(Part::Line((0.3, 0.7), (0.0, 0.96), 0.07));
            pen.ink(Part::Area(&[(0.05, 0.56), (0.55, 0.84), (0.6, 0.5), (0.1, 0.86)]));
            pen.body(&[Part::Area(&[(0.0, -0.86), (0.78, -0.24), (0.0, 0.52), (-0.78, -0.24)])]);
            pen.part(Part::Line((0.0, -0.86), (0.0, 0.52), 0.07), pen.shade);
            pen.part(Part::Line((-0.78, -0.24), (0.78, -0.24), 0.07), pen.shade);
        }
        Kind::Car => {
            pen.body(&[
                Part::Area(&[(-0.5, -0.6), (0.24, -0.6), (0.56, -0.06), (-0.66, -0.06)]),
                Part::Area(&[(-0.88, -0.08), (0.7, -0.08), (0.88, 0.12), (0.88, 0.5), (-0.88, 0.5)]),
            ]);
            pen.part(Part::Area(&[(-0.4, -0.46), (-0.12, -0.46), (-0.12, -0.08), (-0.5, -0.08)]), GLASS);
            pen.part(Part::Area(&[(0.04, -0.46), (0.18, -0.46), (0.38, -0.08), (0.04, -0.08)]), GLASS);
            for x in [-0.48, 0.48] {
                pen.part(Part::Disc(x, 0.54, 0.32, 0.32), [34, 32, 32]);
                pen.part(Part::Disc(x, 0.54, 0.14, 0.14), [170, 172, 176]);
            }
        }
        Kind::Drum => {
            pen.ink(Part::Line((-0.2, -0.3), (0.66, -0.94), 0.08));
            pen.ink(Part::Line((0.2, -0.3), (-0.66, -0.94), 0.08));
            pen.ink(Part::Disc(0.7, -0.9, 0.14, 0.12));
            pen.ink(Part::Disc(-0.7, -0.9, 0.14, 0.12));
            pen.body(&[Part::Bar(-0.82, -0.2, 0.82, 0.7), Part::Disc(0.0, 0.7, 0.82, 0.18)]);
            for x in [-0.82, 0.0] {
                pen.paper(Part::Line((x, 0.0), (x + 0.41, 0.7), 0.06));
                pen.paper(Part::Line((x + 0.41, 0.7), (x + 0.82, 0.0), 0.06));
            }
            pen.outlined(&[Part::Disc(0.0, -0.24, 0.8, 0.14)], [226, 220, 206]);
        }
        Kind::Rocket => {
            let hull =
                [(0.0, -0.9), (0.22, -0.56), (0.3, -0.1), (0.3, 0.62), (-0.3, 0.62), (-0.3, -0.1), (-0.22, -0.56)];
            pen.body(&[
                Part::Area(&[(-0.3, 0.06), (-0.8, 0.5), (-0.8, 0.88), (-0.3, 0.5)]),
                Part::Area(&[(0.3, 0.06), (0.8, 0.5), (0.8, 0.88), (0.3, 0.5)]),
                Part::Area(&hull),
            ]);
            pen.part(Part::Bar(-0.3, 0.64, 0.3, 1.0), [72, 70, 72]);
            pen.part(Part::Area(&[(-0.24, 0.76), (0.24, 0.76), (0.0, 1.0)]), [236, 226, 190]);
            pen.paper(Part::Disc(0.0, -0.26, 0.22, 0.2));
        }
        _ => {
            pen.part(Part::Area(&[(-0.5, -0.52), (-1.0, -0.4), (-1.0, -0.28), (-0.5, -0.2)]), BEAK);
            pen.body(&[
                Part::Disc(0.1, 0.36, 0.72, 0.46),
                Part::Area(&[(0.4, 0.1), (0.9, -0.24), (0.8, 0.5)]),
                Part::Disc(-0.36, -0.42, 0.36, 0.38),
            ]);
            pen.part(Part::Arc((0.22, 0.26), (0.34, 0.2), 0.07, (0, 8)), pen.shade);
            pen.ink(Part::Disc(-0.46, -0.5, 0.11, 0.11));
        }
    }
}
