//! Small things that are no kind and of no named colour.

use super::pen::{Frame, Part, Pen};
use crate::canvas::{Canvas, Rgb, scaled};

/// How many sorts of clutter there are.
pub(crate) const CLUTTER: usize = 9;

/// Draws the sort `which` (taken modulo [`CLUTTER`]) in `tone`, which should be greyish or brownish.
pub(crate) fn clutter(canvas: &mut Canvas, frame: Frame, which: usize, tone: Rgb) {
    let mut pen = Pen::plain(canvas, frame, tone);
    let (dark, light) = (scaled(tone, 0.6), scaled(tone, 1.25));
    match which % CLUTTER {
        // A cable.
        0 => {
            pen.part(Part::Arc((-0.5, 0.2), (0.4, 0.4), 0.05, (8, 16)), dark);
            pen.part(Part::Arc((0.3, 0.2), (0.4, 0.4), 0.05, (0, 8)), dark);
            pen.part(Part::Bar(0.6, -0.2, 0.8, 0.2), dark);
        }
        // A sheet of paper.
        1 => {
            pen.part(Part::Area(&[(-0.7, -0.4), (0.5, -0.6), (0.8, 0.4), (-0.4, 0.6)]), light);
            for y in [-0.2, 0.1] {
                pen.part(Part::Line((-0.4, y), (0.4, y - 0.13), 0.04), dark);
            }
        }
        // A stain.
        2 => {
            pen.part(Part::Disc(-0.1, 0.2, 0.6, 0.24), dark);
            pen.part(Part::Disc(0.5, 0.3, 0.34, 0.2), dark);
            pen.part(Part::Disc(-0.84, -0.1, 0.12, 0.1), dark);
        }
        // Crumbs.
        3 => {
            for (x, y) in [(-0.7, 0.1), (-0.3, -0.3), (0.0, 0.3), (0.3, -0.1), (0.6, 0.4), (0.75, -0.4)] {
                pen.part(Part::Disc(x, y, 0.1, 0.1), dark);
            }
        }
        // A picture frame.
        4 => {
            pen.part(Part::Bar(-0.8, -0.9, 0.8, 0.9), dark);
            pen.part(Part::Bar(-0.6, -0.7, 0.6, 0.7), light);
            pen.part(Part::Area(&[(-0.6, 0.7), (-0.1, -0.1), (0.2, 0.3), (0.4, 0.1), (0.6, 0.7)]), tone);
        }
        // A rug.
        5 => {
            pen.part(Part::Disc(0.0, 0.0, 1.0, 0.45), dark);
            pen.part(Part::Disc(0.0, 0.0, 0.8, 0.32), tone);
        }
        // A socket.
        6 => {
            pen.part(Part::Bar(-0.6, -0.6, 0.6, 0.6), dark);
            pen.part(Part::Bar(-0.5, -0.5, 0.5, 0.5), light);
            pen.part(Part::Disc(-0.2, 0.0, 0.1, 0.1), dark);
            pen.part(Part::Disc(0.2, 0.0, 0.1, 0.1), dark);
        }
        // A cobweb.
        7 => {
            for end in [(0.9, -0.7), (0.7, 0.4), (0.1, 0.9), (-0.7, 0.9)] {
                pen.part(Part::Line((-0.9, -0.9), end, 0.03), light);
            }
            pen.part(Part::Arc((-0.9, -0.9), (1.0, 1.0), 0.03, (0, 4)), light);
        }
        // A nail board with hooks.
        _ => {
            pen.part(Part::Bar(-0.9, -0.3, 0.9, 0.0), tone);
            for x in [-0.6, 0.0, 0.6] {
                pen.part(Part::Bar(x - 0.06, -0.15, x + 0.06, 0.35), dark);
            }
        }
    }
}
