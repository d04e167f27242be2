//! Where things may stand: a long room of three zones, each four columns wide, with a shelf and a table over two of them.

use crate::rng::Rng;
use crate::thing::Place;

/// Zones of a room; each camera of the usual rig is pointed at one.
pub(crate) const ZONES: usize = 3;
pub(crate) const COLUMNS_A_ZONE: usize = 4;
pub(crate) const COLUMNS: usize = ZONES * COLUMNS_A_ZONE;
/// Width of a column, metres.
pub(crate) const COLUMN: f32 = 0.46;
/// The back wall's distance from the viewer's edge of the room, metres.
pub(crate) const WALL_DEPTH: f32 = 2.5;
pub(crate) const SHELF_DEPTH: f32 = 2.2;
pub(crate) const SHELF_HEIGHT: f32 = 1.34;
pub(crate) const TABLE_DEPTH: f32 = 1.7;
pub(crate) const TABLE_HEIGHT: f32 = 0.7;
pub(crate) const FLOOR_DEPTH: f32 = 1.1;
/// Where tall things stand, behind what lies on the floor.
pub(crate) const TALL_DEPTH: f32 = 2.0;
/// Folding screens stand in front of everything.
pub(crate) const SCREEN_DEPTH: f32 = 0.75;

/// Middle of a column, metres along the room.
pub(crate) fn middle(column: usize) -> f32 {
    (column as f32 + 0.5) * COLUMN
}

/// Which columns of each zone hold its shelf and table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    furniture_left: [bool; ZONES],
}

impl Layout {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Self { furniture_left: core::array::from_fn(|_| rng.chance(0.5)) }
    }

    /// The two columns of `zone` under its shelf.
    pub(crate) const fn furniture(&self, zone: usize) -> core::ops::Range<usize> {
        let first = zone * COLUMNS_A_ZONE + if self.furniture_left[zone] { 0 } else { 2 };
        first..first + 2
    }

    /// Whether `column` is under a shelf.
    pub(crate) fn is_furnished(&self, column: usize) -> bool {
        (0..ZONES).any(|zone| self.furniture(zone).contains(&column))
    }

    /// Every spot for an item: three places in the furnished columns, the floor before the others.
    pub(crate) fn low_spots(&self) -> Vec<(Place, usize)> {
        (0..COLUMNS)
            .flat_map(|column| Place::ALL.iter().map(move |&place| (place, column)))
            .filter(|&(place, column)| place == Place::Floor || self.is_furnished(column))
            .collect()
    }

    /// Every column where something tall may stand.
    pub(crate) fn tall_columns(&self) -> Vec<usize> {
        (0..COLUMNS).filter(|&column| !self.is_furnished(column)).collect()
    }
}
