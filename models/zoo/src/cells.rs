//! What stands in each cell of a view: a head that names thing, colour and place of every cell. It is supervised densely,
//! so a trunk learns to name things from far fewer questions; what it says is what the models associate and answer from.

use anyhow::Result;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{log_softmax, relu, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use trimtab_quant::Graph;
use trimtab_scenes::{Colour, Kind, Place, Room, Sighting, Thing};

use crate::layers::write_linear;
use crate::weights::Weights;

/// Classes of colour: none, then those of items.
pub const COLOURS: usize = 1 + Colour::ALL.len();
/// Classes of place: none, then those of items.
pub const PLACES: usize = 1 + Place::ALL.len();
/// The three groups of classes: thing, colour, place.
pub const GROUPS: usize = 3;
/// Weight of a cell of a thing; one of the room has 1.
const THING_WEIGHT: f32 = 8.0;
/// Numbers between the features of a cell and its classes.
const HIDDEN: usize = 192;
/// A cell belongs to a thing when its centre lies in the inner part of the thing's box.
const INNER: f32 = 0.42;
const ACTIVE: usize = Room::ALL.len() + Kind::ALL.len();
const FIXTURES: usize = ACTIVE + active_before(Kind::ALL.len());
/// Lamp, stove and door in two states each, cat, person.
const OTHERS: usize = 6 + 2;

/// Classes of thing: nothing but the room of each kind, the item kinds, those of them that are open or lit, the states of
/// lamp, stove and door, cat, person.
pub const THINGS: usize = FIXTURES + OTHERS;

const WIDTHS: [usize; GROUPS] = [THINGS, COLOURS, PLACES];
/// Classes of all groups.
pub const CLASSES: usize = THINGS + COLOURS + PLACES;

/// How many of the first kinds have two states.
const fn active_before(kinds: usize) -> usize {
    let (mut at, mut count) = (0, 0);
    while at < kinds {
        if Kind::ALL[at].states().is_some() {
            count += 1;
        }
        at += 1;
    }
    count
}

/// The classes of an item of a kind, in any state.
#[must_use]
pub fn kind_classes(kind: Kind) -> Vec<usize> {
    let plain = Room::ALL.len() + kind.index();
    let active = kind.states().map(|_| ACTIVE + active_before(kind.index()));
    [plain].into_iter().chain(active).collect()
}

/// The classes of the lamp, the stove, the door, the cat and a person.
pub const LAMP: [usize; 2] = [FIXTURES, FIXTURES + 1];
/// See [`LAMP`].
pub const STOVE: [usize; 2] = [FIXTURES + 2, FIXTURES + 3];
/// See [`LAMP`].
pub const DOOR: [usize; 2] = [FIXTURES + 4, FIXTURES + 5];
/// See [`LAMP`].
pub const CAT: usize = FIXTURES + 6;
/// See [`LAMP`].
pub const PERSON: usize = FIXTURES + 7;

/// The class of a thing in its state.
#[must_use]
pub fn thing_class(thing: Thing) -> usize {
    match thing {
        Thing::Item { kind, active: true, .. } if kind.states().is_some() => ACTIVE + active_before(kind.index()),
        Thing::Item { kind, .. } => Room::ALL.len() + kind.index(),
        Thing::Lamp { on } => LAMP[usize::from(on)],
        Thing::Stove { on } => STOVE[usize::from(on)],
        Thing::Door { open } => DOOR[usize::from(open)],
        Thing::Cat => CAT,
        Thing::Person => PERSON,
    }
}

fn class(sighting: &Sighting) -> [i32; GROUPS] {
    let colour = match sighting.thing {
        Thing::Item { colour, .. } => 1 + colour.index(),
        _ => 0,
    };
    let thing = thing_class(sighting.thing);
    [thing as i32, colour as i32, sighting.place.map_or(0, |place| 1 + place.index() as i32)]
}

/// What stands in every one of `side` × `side` cells of a view, row by row: the class of the thing, or of the room where
/// nothing stands, and the classes of colour and place. Of things that overlap the smaller is named; every thing is named
/// in the cell of its centre at least.
#[must_use]
pub fn labels(room: Room, sightings: &[Sighting], side: usize) -> Vec<[i32; GROUPS]> {
    let mut made = vec![[room.index() as i32, 0, 0]; side * side];
    let mut large_first: Vec<&Sighting> = sightings.iter().collect();
    large_first.sort_by(|a, b| (b.width * b.height).total_cmp(&(a.width * a.height)));
    let at = |i: usize| (i as f32 + 0.5) / side as f32;
    for sighting in &large_first {
        for (cell, label) in made.iter_mut().enumerate() {
            let (x, y) = (at(cell % side), at(cell / side));
            if (sighting.x - x).abs() < INNER * sighting.width && (sighting.y - y).abs() < INNER * sighting.height {
                *label = class(sighting);
            }
        }
    }
    for sighting in large_first {
        made[centre(sighting, side)] = class(sighting);
    }
    made
}

const UNKNOWN: i32 = -1;

/// Leaves the colour of a cell open: none is then taught.
pub fn forget_colour(label: &mut [i32; GROUPS]) {
    label[1] = UNKNOWN;
}

/// The cell that holds the centre of a thing.
fn centre(sighting: &Sighting, side: usize) -> usize {
    let at = |share: f32| ((share * side as f32) as usize).min(side - 1);
    at(sighting.y) * side + at(sighting.x)
}

/// For every item in a view whether logits `[cells, CLASSES]` name each group right in the cell of its centre.
#[must_use]
pub fn items_named(logits: &[f32], sightings: &[Sighting], side: usize) -> Vec<[bool; GROUPS]> {
    let items = sightings.iter().filter(|s| matches!(s.thing, Thing::Item { .. }));
    items
        .map(|item| {
            let row = &logits[centre(item, side) * CLASSES..][..CLASSES];
            let meant = class(item);
            let mut start = 0;
            core::array::from_fn(|which| {
                let part = &row[start..start + WIDTHS[which]];
                start += part.len();
                let best = (0..part.len()).max_by(|&a, &b| part[a].total_cmp(&part[b]));
                best == Some(meant[which] as usize)
            })
        })
        .collect()
}

/// Names the thing, the colour and the place in every cell.
#[derive(Module, Debug)]
pub struct CellHead {
    hidden: Linear,
    out: Linear,
}

/// Probabilities in every cell, each `[b, m, classes]`.
pub struct Named {
    /// Of the things.
    pub things: Tensor<3>,
    /// Of the colours.
    pub colours: Tensor<3>,
    /// Of the places.
    pub places: Tensor<3>,
}

impl CellHead {
    /// For features of `channels` numbers.
    #[must_use]
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(channels, HIDDEN).init(device),
            out: LinearConfig::new(HIDDEN, CLASSES).init(device),
        }
    }

    /// `[b, m, channels]` to logits `[b, m, CLASSES]`.
    #[must_use]
    pub fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let [b, m, channels] = features.dims();
        let hidden = relu(self.hidden.forward(features.reshape([b * m, channels])));
        self.out.forward(hidden).reshape([b, m, CLASSES])
    }

    /// Takes the weights of a written head.
    pub(crate) fn take(&mut self, weights: &Weights, device: &Device) -> Result<()> {
        weights.put_linear("cells.hidden", &mut self.hidden, device)?;
        weights.put_linear("cells", &mut self.out, device)
    }

    /// Writes the head and the probabilities of each group for features `[b, m, channels]`.
    pub(crate) fn write(&self, g: &mut Graph, features: &str) -> [String; GROUPS] {
        let hidden = write_linear(g, "cells.hidden", &self.hidden, features);
        let hidden = g.op("Relu", &[&hidden], &[]);
        let logits = write_linear(g, "cells", &self.out, &hidden);
        let axis = g.initializer_i64("cells.axis", &[2], &[1]);
        let mut start = 0;
        WIDTHS.map(|width| {
            let from = g.initializer_i64(&format!("cells.{start}.from"), &[start as i64], &[1]);
            let to = g.initializer_i64(&format!("cells.{start}.to"), &[(start + width) as i64], &[1]);
            start += width;
            let part = g.op("Slice", &[&logits, &from, &to, &axis], &[]);
            g.op("Softmax", &[&part], &[("axis", 2.into())])
        })
    }
}

fn group(logits: &Tensor<3>, which: usize) -> Tensor<3> {
    let [b, m, _] = logits.dims();
    let start: usize = WIDTHS[..which].iter().sum();
    logits.clone().slice([0..b, 0..m, start..start + WIDTHS[which]])
}

/// The probabilities that logits stand for.
#[must_use]
pub fn named(logits: &Tensor<3>) -> Named {
    let [things, colours, places] = core::array::from_fn(|which| softmax(group(logits, which), 2));
    Named { things, colours, places }
}

/// Mean cross-entropy of the groups, summed; `labels` holds every cell of every view. A cell of a thing weighs as much as
/// several that show nothing but the room, which are most.
#[must_use]
pub fn loss(logits: &Tensor<3>, labels: &[[i32; GROUPS]]) -> Tensor<1> {
    let [b, m, _] = logits.dims();
    let is_thing = |label: &[i32; GROUPS]| label[0] as usize >= Room::ALL.len();
    let part = |which: usize| {
        let column: Vec<i32> = labels.iter().map(|l| l[which].max(0)).collect();
        let column: Tensor<3, Int> = Tensor::from_data(TensorData::new(column, [b, m, 1]), &logits.device());
        let weight = |label: &[i32; GROUPS]| match label[which] {
            UNKNOWN => 0.0,
            _ if is_thing(label) => THING_WEIGHT,
            _ => 1.0,
        };
        let weights: Vec<f32> = labels.iter().map(weight).collect();
        let total = weights.iter().sum::<f32>().max(1.0);
        let weights: Tensor<3> = Tensor::from_data(TensorData::new(weights, [b, m, 1]), &logits.device());
        -(log_softmax(group(logits, which), 2).gather(2, column) * weights).sum() / f64::from(total)
    };
    part(0) + part(1) + part(2)
}
