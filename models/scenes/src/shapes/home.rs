//! Everything else about the house.

use super::pen::{Part, Pen};
use super::tools::LIGHT;
use crate::canvas::{Paint, Rgb};
use crate::thing::Kind;

const FOLIAGE: Rgb = [88, 122, 72];
const SCREEN_ON: Rgb = [226, 246, 250];
const SCREEN_OFF: Rgb = [58, 60, 64];
const INSIDE: Rgb = [46, 40, 38];

pub(super) fn draw(pen: &mut Pen<'_>, kind: Kind, active: bool) {
    match kind {
        Kind::Book => book(pen, active),
        Kind::Vase => {
            pen.body(&[
                Part::Arc((-0.4, -0.16), (0.34, 0.36), 0.08, (6, 13)),
                Part::Arc((0.4, -0.16), (0.34, 0.36), 0.08, (11, 18)),
                Part::Area(&[(-0.36, -0.88), (0.36, -0.88), (0.18, -0.5), (0.2, -0.3), (-0.2, -0.3), (-0.18, -0.5)]),
                Part::Disc(0.0, 0.16, 0.5, 0.52),
                Part::Area(&[(-0.24, 0.5), (0.24, 0.5), (0.36, 0.88), (-0.36, 0.88)]),
            ]);
            pen.paper(Part::Bar(-0.5, 0.06, 0.5, 0.24));
        }
        Kind::Plant => {
            for (x, y) in [(-0.8, -0.5), (-0.46, -0.92), (0.0, -1.0), (0.46, -0.92), (0.8, -0.5)] {
                pen.part(
                    Part::Area(&[
                        (-0.14, 0.0),
                        (x * 0.7 - 0.22, y * 0.6),
                        (x, y),
                        (x * 0.7 + 0.22, y * 0.6),
                        (0.14, 0.0),
                    ]),
                    FOLIAGE,
                );
            }
            pen.body(&[
                Part::Bar(-0.66, -0.12, 0.66, 0.16),
                Part::Area(&[(-0.54, 0.1), (0.54, 0.1), (0.38, 0.88), (-0.38, 0.88)]),
            ]);
        }
        Kind::Candle => candle(pen, active),
        Kind::Clock => {
            pen.body(&[
                Part::Disc(-0.5, -0.68, 0.26, 0.2),
                Part::Disc(0.5, -0.68, 0.26, 0.2),
                Part::Line((-0.5, 0.6), (-0.66, 0.88), 0.1),
                Part::Line((0.5, 0.6), (0.66, 0.88), 0.1),
                Part::Disc(0.0, 0.1, 0.78, 0.76),
            ]);
            pen.part(Part::Disc(0.0, 0.1, 0.46, 0.46), [246, 246, 240]);
            pen.part(Part::Line((0.0, 0.1), (0.0, -0.26), 0.07), [40, 36, 34]);
            pen.part(Part::Line((0.0, 0.1), (0.26, 0.1), 0.07), [40, 36, 34]);
        }
        Kind::Basket => {
            pen.body(&[
                Part::Arc((0.0, -0.06), (0.68, 0.78), 0.08, (8, 16)),
                Part::Area(&[(-0.88, -0.08), (0.88, -0.08), (0.64, 0.86), (-0.64, 0.86)]),
            ]);
            pen.part(Part::Bar(-0.82, 0.18, 0.82, 0.28), pen.shade);
            pen.part(Part::Bar(-0.74, 0.5, 0.74, 0.6), pen.shade);
            for x in [-0.42, 0.0, 0.42] {
                pen.part(Part::Bar(x - 0.05, -0.08, x + 0.05, 0.86), pen.shade);
            }
        }
        Kind::Box => carton_box(pen, active),
        Kind::Bag => bag(pen, active),
        Kind::Pan => {
            pen.body(&[Part::Line((-0.1, -0.05), (0.8, -0.76), 0.13), Part::Disc(-0.28, 0.28, 0.58, 0.58)]);
            pen.part(Part::Arc((-0.28, 0.28), (0.38, 0.38), 0.05, (0, 16)), pen.shade);
            pen.ink(Part::Disc(0.8, -0.76, 0.12, 0.12));
        }
        Kind::Bowl => {
            let half = [(-0.88, -0.24), (0.88, -0.24), (0.74, 0.24), (0.4, 0.6), (-0.4, 0.6), (-0.74, 0.24)];
            pen.body(&[Part::Area(&half), Part::Bar(-0.34, 0.6, 0.34, 0.8), Part::Disc(0.0, -0.24, 0.88, 0.22)]);
            pen.ink(Part::Disc(0.0, -0.26, 0.72, 0.15));
        }
        Kind::Phone => {
            pen.body(&[Part::Bar(-0.5, -0.88, 0.5, 0.88)]);
            pen.part(Part::Bar(-0.3, -0.6, 0.3, 0.42), if active { SCREEN_ON } else { SCREEN_OFF });
            if active {
                pen.part(Part::Bar(-0.2, -0.4, 0.2, -0.28), SCREEN_OFF);
                pen.part(Part::Bar(-0.2, -0.12, 0.08, 0.0), SCREEN_OFF);
            }
            pen.paper(Part::Disc(0.0, 0.66, 0.13, 0.12));
        }
        Kind::Laptop => laptop(pen, active),
        Kind::Guitar => {
            pen.body(&[
                Part::Bar(-0.2, -0.88, 0.2, -0.7),
                Part::Disc(0.0, 0.06, 0.4, 0.3),
                Part::Disc(0.0, 0.52, 0.64, 0.36),
            ]);
            pen.ink(Part::Bar(-0.13, -0.74, 0.13, 0.0));
            pen.ink(Part::Disc(0.0, 0.24, 0.2, 0.16));
            pen.paper(Part::Bar(-0.26, 0.56, 0.26, 0.68));
        }
        Kind::Bell => {
            pen.ink(Part::Disc(0.0, 0.78, 0.24, 0.2));
            pen.body(&[
                Part::Arc((0.0, -0.72), (0.16, 0.14), 0.06, (0, 16)),
                Part::Area(&[
                    (-0.34, -0.54),
                    (0.34, -0.54),
                    (0.54, -0.26),
                    (0.56, 0.2),
                    (0.84, 0.56),
                    (0.84, 0.68),
                    (-0.84, 0.68),
                    (-0.84, 0.56),
                    (-0.56, 0.2),
                    (-0.54, -0.26),
                ]),
            ]);
            pen.paper(Part::Bar(-0.58, 0.26, 0.58, 0.4));
        }
        _ => umbrella(pen, active),
    }
}

fn book(pen: &mut Pen<'_>, open: bool) {
    if open {
        pen.body(&[
            Part::Area(&[(-0.88, -0.5), (0.0, -0.3), (0.0, 0.74), (-0.88, 0.54)]),
            Part::Area(&[(0.88, -0.5), (0.0, -0.3), (0.0, 0.74), (0.88, 0.54)]),
        ]);
        let page: Rgb = [250, 248, 236];
        pen.part(Part::Area(&[(-0.6, -0.58), (-0.06, -0.42), (-0.06, 0.36), (-0.62, 0.2)]), page);
        pen.part(Part::Area(&[(0.6, -0.58), (0.06, -0.42), (0.06, 0.36), (0.62, 0.2)]), page);
        for y in [-0.32, -0.1] {
            pen.part(Part::Line((-0.54, y), (-0.16, y + 0.1), 0.05), [120, 116, 110]);
            pen.part(Part::Line((0.54, y), (0.16, y + 0.1), 0.05), [120, 116, 110]);
        }
    } else {
        // Lying, the back to the left, the pages to the front.
        pen.body(&[Part::Area(&[
            (-0.56, -0.62),
            (0.88, -0.62),
            (0.7, 0.14),
            (0.7, 0.72),
            (-0.88, 0.72),
            (-0.88, 0.14),
        ])]);
        pen.part(Part::Bar(-0.66, 0.24, 0.74, 0.56), [248, 246, 236]);
        pen.paper(Part::Area(&[(-0.22, -0.44), (0.46, -0.44), (0.34, -0.08), (-0.34, -0.08)]));
    }
}

fn candle(pen: &mut Pen<'_>, on: bool) {
    if on {
        pen.part(Part::Disc(0.0, -0.6, 0.86, 0.4), Paint::veil(LIGHT, 0.6));
    }
    pen.body(&[
        Part::Arc((0.62, 0.6), (0.2, 0.22), 0.07, (0, 16)),
        Part::Disc(-0.06, 0.72, 0.62, 0.16),
        Part::Bar(-0.3, -0.4, 0.3, 0.7),
    ]);
    pen.ink(Part::Bar(-0.07, -0.74, 0.07, -0.36));
    if on {
        pen.part(
            Part::Area(&[(0.0, -1.0), (0.32, -0.66), (0.18, -0.4), (-0.18, -0.4), (-0.32, -0.66)]),
            [250, 150, 40],
        );
        pen.part(Part::Disc(0.0, -0.62, 0.13, 0.16), [255, 240, 140]);
    }
}

fn carton_box(pen: &mut Pen<'_>, open: bool) {
    if open {
        pen.outlined(&[Part::Area(&[(-0.66, 0.06), (-0.46, -0.46), (0.46, -0.46), (0.66, 0.06)])], INSIDE);
        pen.body(&[
            Part::Area(&[(-0.66, 0.06), (-0.9, -0.3), (-0.7, -0.82), (-0.46, -0.46)]),
            Part::Area(&[(0.66, 0.06), (0.9, -0.3), (0.7, -0.82), (0.46, -0.46)]),
            Part::Bar(-0.68, 0.06, 0.68, 0.86),
        ]);
        pen.ink(Part::Bar(-0.68, 0.0, 0.68, 0.08));
    } else {
        pen.body(&[
            Part::Area(&[(-0.74, -0.2), (-0.5, -0.66), (0.5, -0.66), (0.74, -0.2)]),
            Part::Bar(-0.74, -0.2, 0.74, 0.86),
        ]);
        pen.ink(Part::Bar(-0.78, -0.24, 0.78, -0.14));
        pen.paper(Part::Area(&[(-0.12, -0.66), (0.12, -0.66), (0.16, -0.2), (0.16, 0.2), (-0.16, 0.2), (-0.16, -0.2)]));
    }
}

fn bag(pen: &mut Pen<'_>, open: bool) {
    if open {
        pen.body(&[
            Part::Arc((0.0, -0.36), (0.42, 0.5), 0.07, (8, 16)),
            Part::Area(&[(-0.88, -0.4), (0.88, -0.4), (0.74, 0.86), (-0.74, 0.86)]),
        ]);
        pen.part(Part::Area(&[(-0.86, -0.44), (0.86, -0.44), (0.5, 0.16), (-0.5, 0.16)]), INSIDE);
    } else {
        pen.body(&[
            Part::Arc((0.0, -0.16), (0.4, 0.64), 0.07, (8, 16)),
            Part::Area(&[(-0.6, -0.16), (0.6, -0.16), (0.86, 0.86), (-0.86, 0.86)]),
        ]);
        pen.part(Part::Area(&[(-0.62, -0.16), (0.62, -0.16), (0.0, 0.4)]), pen.shade);
        pen.paper(Part::Disc(0.0, 0.34, 0.15, 0.15));
    }
}

fn laptop(pen: &mut Pen<'_>, open: bool) {
    if open {
        pen.body(&[Part::Bar(-0.66, -0.86, 0.66, 0.36)]);
        pen.part(Part::Bar(-0.42, -0.62, 0.42, 0.06), SCREEN_ON);
        pen.body(&[Part::Area(&[(-0.68, 0.42), (0.68, 0.42), (0.88, 0.82), (-0.88, 0.82)])]);
        pen.ink(Part::Bar(-0.5, 0.52, 0.5, 0.64));
    } else {
        pen.body(&[
            Part::Area(&[(-0.62, 0.0), (0.62, 0.0), (0.88, 0.48), (-0.88, 0.48)]),
            Part::Bar(-0.88, 0.48, 0.88, 0.74),
        ]);
        pen.ink(Part::Bar(-0.94, 0.44, 0.94, 0.54));
        pen.paper(Part::Disc(0.0, 0.24, 0.15, 0.12));
    }
}

fn umbrella(pen: &mut Pen<'_>, open: bool) {
    if open {
        pen.ink(Part::Bar(-0.06, -0.98, 0.06, 0.8));
        pen.ink(Part::Arc((0.16, 0.74), (0.16, 0.18), 0.06, (0, 8)));
        let dome = [
            (-0.88, 0.14),
            (-0.78, -0.3),
            (-0.44, -0.66),
            (0.0, -0.8),
            (0.44, -0.66),
            (0.78, -0.3),
            (0.88, 0.14),
            (0.6, 0.0),
            (0.3, 0.14),
            (0.0, 0.0),
            (-0.3, 0.14),
            (-0.6, 0.0),
        ];
        pen.body(&[Part::Area(&dome)]);
        pen.part(Part::Line((0.0, -0.74), (-0.3, 0.12), 0.04), pen.shade);
        pen.part(Part::Line((0.0, -0.74), (0.3, 0.12), 0.04), pen.shade);
    } else {
        pen.ink(Part::Bar(-0.06, -1.0, 0.06, 0.7));
        pen.ink(Part::Arc((0.2, 0.68), (0.2, 0.24), 0.08, (0, 8)));
        pen.body(&[Part::Area(&[
            (-0.1, -0.86),
            (0.1, -0.86),
            (0.36, 0.1),
            (0.42, 0.38),
            (0.0, 0.28),
            (-0.42, 0.38),
            (-0.36, 0.1),
        ])]);
        pen.part(Part::Line((0.0, -0.7), (0.0, 0.26), 0.05), pen.shade);
        pen.paper(Part::Bar(-0.36, -0.02, 0.36, 0.1));
    }
}
