//! Weights in the order in which a kernel reads them: panel by panel, four inputs of every output of the panel at a time.

use crate::Isa;
use crate::linear::{Order, Weights};

/// Inputs that are read at once: a multiple of what every kernel reads.
const STEP: usize = 16;
/// Inputs of one dot product.
pub(crate) const QUAD: usize = 4;

/// Inputs rounded up.
pub(crate) const fn depth(inputs: usize) -> usize {
    inputs.next_multiple_of(STEP)
}

/// Where a weight is.
const fn place(columns: usize, depth: usize, input: usize, output: usize) -> usize {
    (output / columns * depth + input / QUAD * QUAD) * columns + output % columns * QUAD + input % QUAD
}

/// Packed weights; what pads them is zero.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Packed {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) depth: usize,
    pub(crate) columns: usize,
    /// `[panels, depth / 4, columns, 4]`.
    pub(crate) weights: Vec<i8>,
    pub(crate) scales: Vec<f32>,
    /// What the offset of the activations adds to each sum.
    pub(crate) excess: Vec<i32>,
}

impl Packed {
    /// Of checked weights.
    pub(crate) fn new(weights: &Weights<'_>, isa: Isa) -> Self {
        let (columns, depth) = (isa.columns(), depth(weights.inputs));
        let wide = weights.outputs.next_multiple_of(columns);
        let mut packed = vec![0; wide * depth];
        let mut excess = vec![0; wide];
        let mut set = |input: usize, output: usize, weight: i8| {
            packed[place(columns, depth, input, output)] = weight;
            excess[output] += i32::from(isa.offset()) * i32::from(weight);
        };
        match weights.order {
            Order::InputsFirst => {
                for (input, row) in weights.values.chunks_exact(weights.outputs).enumerate() {
                    row.iter().enumerate().for_each(|(output, weight)| set(input, output, *weight));
                }
            }
            Order::OutputsFirst => {
                for (output, row) in weights.values.chunks_exact(weights.inputs).enumerate() {
                    row.iter().enumerate().for_each(|(input, weight)| set(input, output, *weight));
                }
            }
        }
        let mut scales = weights.scales.to_vec();
        scales.resize(wide, 0.0);
        let (inputs, outputs) = (weights.inputs, weights.outputs);
        Self { inputs, outputs, depth, columns, weights: packed, scales, excess }
    }
    /// The weights of one output, which there is, as floats.
    pub(crate) fn weights_of(&self, output: usize, out: &mut [f32]) {
        let scale = self.scales[output];
        for (input, number) in out.iter_mut().enumerate() {
            *number = f32::from(self.weights[place(self.columns, self.depth, input, output)]) * scale;
        }
    }
    /// The weights of one panel.
    pub(crate) fn panel(&self, panel: usize) -> &[i8] {
        &self.weights[panel * self.columns * self.depth..][..self.columns * self.depth]
    }
    /// How many there are.
    pub(crate) fn panels(&self) -> usize {
        self.scales.len() / self.columns
    }
}
