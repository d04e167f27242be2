//! The silhouette of every thing, drawn in a box of its own.
//!
//! Outline first: every kind keeps an outline of its own down to 13 pixels, and one or two dark or light details on top. An
//! item's colour fills most of it.

mod beings;
mod clutter;
mod dress;
mod drink;
mod fixtures;
mod food;
mod fruit;
mod home;
mod pen;
#[cfg(test)]
mod tests;
mod tools;
mod toys;
mod wear;

pub(crate) use clutter::{CLUTTER, clutter};
pub(crate) use dress::Dress;
pub(crate) use pen::Frame;

use crate::canvas::Canvas;
use crate::thing::{Category, Kind, Thing};
use pen::Pen;

/// Draws `thing` into `frame`, with the looks of `dress` that no prompt asks about.
pub(crate) fn draw(canvas: &mut Canvas, frame: Frame, thing: Thing, dress: &Dress) {
    match thing {
        Thing::Item { kind, colour, finish, active } => {
            let mut pen = Pen::item(canvas, frame, colour.rgb(), finish, dress);
            item(&mut pen, kind, active);
        }
        Thing::Lamp { on } => fixtures::lamp(&mut Pen::plain(canvas, frame, dress.shade), on, dress),
        Thing::Stove { on } => fixtures::stove(&mut Pen::plain(canvas, frame, dress.enamel), on, dress),
        Thing::Door { open } => fixtures::door(&mut Pen::plain(canvas, frame, dress.wood), open, dress),
        Thing::Cat => beings::cat(&mut Pen::plain(canvas, frame, dress.fur), dress),
        Thing::Person => beings::person(&mut Pen::plain(canvas, frame, dress.shirt), dress),
    }
}

fn item(pen: &mut Pen<'_>, kind: Kind, active: bool) {
    match kind.category() {
        Category::Fruit => fruit::draw(pen, kind),
        Category::Food => food::draw(pen, kind),
        Category::Drink => drink::draw(pen, kind),
        Category::Toy => toys::draw(pen, kind),
        Category::Wear => wear::draw(pen, kind),
        Category::Tool => tools::draw(pen, kind, active),
        Category::Other => home::draw(pen, kind, active),
    }
}
