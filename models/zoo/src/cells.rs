//! Dense supervision of a trunk: what stands in each of its 8×8 cells. It exists in training only; a trunk that can name
//! every cell learns to associate and to answer from far fewer questions.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use trimtab_scenes::{Colour, Kind, Room, Sighting, Thing};

/// Cells along a side of a trunk's output.
pub const SIDE: usize = 8;
const NO_COLOUR: usize = 0;
/// Nothing but the room of each kind, the item kinds, the states of lamp, stove and door, cat, person.
const THINGS: usize = Room::ALL.len() + Kind::ALL.len() + 6 + 2;
/// Nothing, then the colours of items.
const COLOURS: usize = 1 + Colour::ALL.len();
/// A cell belongs to a thing when its centre lies in the inner part of the thing's box.
const INNER: f32 = 0.42;

fn thing_class(thing: Thing) -> usize {
    let fixtures = Room::ALL.len() + Kind::ALL.len();
    match thing {
        Thing::Item { kind, .. } => Room::ALL.len() + kind.index(),
        Thing::Lamp { on } => fixtures + usize::from(on),
        Thing::Stove { on } => fixtures + 2 + usize::from(on),
        Thing::Door { open } => fixtures + 4 + usize::from(open),
        Thing::Cat => fixtures + 6,
        Thing::Person => fixtures + 7,
    }
}

fn colour_class(thing: Thing) -> usize {
    match thing {
        Thing::Item { colour, .. } => 1 + colour.index(),
        _ => NO_COLOUR,
    }
}

/// What stands in every cell of a view, row by row: the class of the thing, or of the room where nothing stands, and
/// the class of the colour.
#[must_use]
pub fn labels(room: Room, sightings: &[Sighting]) -> Vec<[i32; 2]> {
    let at = |i: usize| (i as f32 + 0.5) / SIDE as f32;
    (0..SIDE * SIDE)
        .map(|cell| {
            let (x, y) = (at(cell % SIDE), at(cell / SIDE));
            let here =
                sightings.iter().find(|s| (s.x - x).abs() < INNER * s.width && (s.y - y).abs() < INNER * s.height);
            here.map_or([room.index() as i32, NO_COLOUR as i32], |s| {
                [thing_class(s.thing) as i32, colour_class(s.thing) as i32]
            })
        })
        .collect()
}

/// Names the thing and the colour in every cell.
#[derive(Module, Debug)]
pub struct CellHead {
    out: Conv2d,
}

impl CellHead {
    /// For a trunk that ends in `channels`.
    #[must_use]
    pub fn new(channels: usize, device: &Device) -> Self {
        Self { out: Conv2dConfig::new([channels, THINGS + COLOURS], [1, 1]).init(device) }
    }

    /// Mean cross-entropy of things and colours over all cells of all views; `labels` is `[b · 64, 2]`.
    #[must_use]
    pub fn loss(&self, features: Tensor<4>, labels: &[[i32; 2]]) -> Tensor<1> {
        let device = features.device();
        let [b, ..] = features.dims();
        let cells = b * SIDE * SIDE;
        let logits = self.out.forward(features).permute([0, 2, 3, 1]).reshape([cells, THINGS + COLOURS]);
        let column = |which: usize| -> Tensor<2, Int> {
            let values: Vec<i32> = labels.iter().map(|l| l[which]).collect();
            Tensor::from_data(TensorData::new(values, [cells, 1]), &device)
        };
        let part = |range: core::ops::Range<usize>, which: usize| {
            let chosen = log_softmax(logits.clone().slice([0..cells, range]), 1).gather(1, column(which));
            -chosen.mean()
        };
        part(0..THINGS, 0) + part(THINGS..THINGS + COLOURS, 1)
    }
}
