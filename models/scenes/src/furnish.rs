//! The filling of a room: fixtures, people, a cat, items, screens and clutter, each in a spot of its own.

use crate::camera::Placement;
use crate::layout::{
    COLUMN, COLUMNS, FLOOR_DEPTH, Layout, SCREEN_DEPTH, SHELF_DEPTH, SHELF_HEIGHT, TABLE_DEPTH, TABLE_HEIGHT,
    TALL_DEPTH, WALL_DEPTH, middle,
};
use crate::placed::{Placed, What};
use crate::rng::Rng;
use crate::scene::Split;
use crate::shapes::{CLUTTER, Dress};
use crate::thing::{Colour, Finish, Kind, Place, Thing, is_held_out};

const ITEMS_MIN: usize = 7;
const ITEMS_MAX: usize = 10;
const PEOPLE_MAX: usize = 3;
const CAT_PRESENT: f32 = 0.5;
/// Chance that a folding screen stands before one column of the room.
const SCREEN_PRESENT: f32 = 0.5;
const CLUTTER_MAX: usize = 9;
/// Side of an item, metres: drawn large, so that small pictures show it.
const ITEM_SIZE: f32 = 0.47;
const TALL_HEIGHT: f32 = 1.3;
const STOVE_HEIGHT: f32 = 0.95;
const TALL_HALF_WIDTH: f32 = 0.24;
/// Share of items that are plain.
const PLAIN: f32 = 0.5;

/// Draws what is in a room.
pub(crate) struct Furnisher<'a> {
    rng: &'a mut Rng,
    layout: &'a Layout,
    cameras: &'a [Placement],
    low: Vec<(Place, usize)>,
    tall: Vec<usize>,
    placed: Vec<Placed>,
}

impl<'a> Furnisher<'a> {
    /// For a room of which `cameras` show some columns: nothing is put where none looks.
    pub(crate) fn new(layout: &'a Layout, cameras: &'a [Placement], rng: &'a mut Rng) -> Self {
        let covered = |column: usize| cameras.iter().any(|camera| camera.covers(column));
        let low = layout.low_spots().into_iter().filter(|&(_, column)| covered(column)).collect();
        let tall = layout.tall_columns().into_iter().filter(|&column| covered(column)).collect();
        Self { rng, layout, cameras, low, tall, placed: Vec::new() }
    }

    /// Everything that stands in the room.
    pub(crate) fn furnish(mut self, split: Split) -> Vec<Placed> {
        let fixtures = [
            Thing::Lamp { on: self.rng.chance(0.5) },
            Thing::Stove { on: self.rng.chance(0.5) },
            Thing::Door { open: self.rng.chance(0.5) },
        ];
        for fixture in fixtures {
            self.put_tall(fixture);
        }
        for _ in 0..self.rng.below(PEOPLE_MAX + 1) {
            // People are counted, so they stand where one camera looks, if there is such a spot.
            self.tall.retain(|&column| self.cameras.iter().filter(|camera| camera.covers(column)).count() == 1);
            self.put_tall(Thing::Person);
        }
        if self.rng.chance(CAT_PRESENT) {
            self.put_low(Thing::Cat, Place::Floor);
        }
        self.items(split);
        self.screen();
        self.clutter();
        self.placed
    }

    fn items(&mut self, split: Split) {
        let mut kinds = Kind::ALL.to_vec();
        self.rng.shuffle(&mut kinds);
        kinds.truncate(ITEMS_MIN + self.rng.below(ITEMS_MAX - ITEMS_MIN + 1));
        for kind in kinds {
            let allowed: Vec<Colour> =
                (Colour::ALL.iter().copied()).filter(|&c| split == Split::HeldOut || !is_held_out(kind, c)).collect();
            let colour = *self.rng.pick(&allowed);
            let finish = if self.rng.chance(PLAIN) { Finish::Plain } else { *self.rng.pick(Finish::ALL) };
            let active = kind.states().is_some() && self.rng.chance(0.5);
            let place = *self.rng.pick(&[Place::Shelf, Place::Shelf, Place::Table, Place::Table, Place::Floor]);
            self.put_low(Thing::Item { kind, colour, finish, active }, place);
        }
    }

    fn put(&mut self, what: What, foot: [f32; 3], half_width: f32, height: f32) {
        let half_width = half_width * self.rng.range(0.92, 1.06);
        let height = height * self.rng.range(0.92, 1.06);
        let dress = Dress::draw(self.rng);
        let mirrored = self.rng.chance(0.5);
        self.placed.push(Placed { what, foot, half_width, height, mirrored, dress });
    }

    fn put_tall(&mut self, thing: Thing) {
        if self.tall.is_empty() {
            return;
        }
        let column = self.tall.swap_remove(self.rng.below(self.tall.len()));
        let height = if matches!(thing, Thing::Stove { .. }) { STOVE_HEIGHT } else { TALL_HEIGHT };
        let foot = [middle(column) + self.rng.range(-0.03, 0.03), TALL_DEPTH + self.rng.range(-0.15, 0.15), 0.0];
        self.put(What::Thing(thing, None), foot, TALL_HALF_WIDTH, height);
    }

    /// Puts a thing of item size at `place`, unless that is full.
    fn put_low(&mut self, thing: Thing, place: Place) {
        let free: Vec<usize> = (0..self.low.len()).filter(|&i| self.low[i].0 == place).collect();
        if free.is_empty() {
            return;
        }
        let (_, column) = self.low.swap_remove(*self.rng.pick(&free));
        let (depth, height) = match place {
            Place::Shelf => (SHELF_DEPTH, SHELF_HEIGHT),
            Place::Table => (TABLE_DEPTH, TABLE_HEIGHT),
            Place::Floor => (FLOOR_DEPTH, 0.0),
        };
        let foot = [middle(column) + self.rng.range(-0.04, 0.04), depth + self.rng.range(-0.12, 0.12), height];
        let lies = matches!(thing, Thing::Item { .. }).then_some(place);
        self.put(What::Thing(thing, lies), foot, 0.5 * ITEM_SIZE, ITEM_SIZE);
    }

    fn screen(&mut self) {
        if self.rng.chance(SCREEN_PRESENT) {
            let x = middle(self.rng.below(COLUMNS)) + self.rng.range(-0.2, 0.2);
            let foot = [x, SCREEN_DEPTH + self.rng.range(-0.3, 0.1), 0.0];
            self.put(What::Screen, foot, 0.27, 1.25);
        }
    }

    fn clutter(&mut self) {
        for _ in 0..self.rng.below(CLUTTER_MAX + 1) {
            let column = self.rng.below(COLUMNS);
            let x = middle(column) + self.rng.range(-0.5, 0.5) * COLUMN;
            let foot = match self.rng.below(3) {
                0 if self.layout.is_furnished(column) => [x, TABLE_DEPTH + 0.2, TABLE_HEIGHT],
                1 => [x, self.rng.range(0.8, 2.3), 0.0],
                _ => [x, WALL_DEPTH - 0.02, self.rng.range(0.3, 1.9)],
            };
            let grey = self.rng.range(70.0, 190.0);
            let tone =
                [grey as u8, (grey * self.rng.range(0.88, 1.0)) as u8, (grey * self.rng.range(0.75, 0.98)) as u8];
            let which = self.rng.below(CLUTTER);
            let size = self.rng.range(0.08, 0.24);
            self.put(What::Clutter { which, tone }, foot, size, size);
        }
    }
}
