//! Weights in the order in which a kernel reads them: panel by panel, four inputs of every output of the panel at a time.

use crate::Isa;
use crate::linear::Weights;

/// Inputs that are read at once: a multiple of what every kernel reads.
const STEP: usize = 16;
/// Inputs of one dot product.
pub(crate) const QUAD: usize = 4;

/// Inputs rounded up.
pub(crate) const fn depth(inputs: usize) -> usize {
    inputs.next_multiple_of(STEP)
}

/// Packed weights; what pads them is zero.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Packed {
    pub(crate) outputs: usize,
    pub(crate) depth: usize,
    pub(crate) columns: usize,
    /// `[panels, depth / 4, columns, 4]`.
    pub(crate) weights: Vec<i8>,
    pub(crate) scales: Vec<f32>,
    pub(crate) bias: Vec<f32>,
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
        for (input, row) in weights.values.chunks_exact(weights.outputs).enumerate() {
            for (output, weight) in row.iter().enumerate() {
                let quad = (output / columns * depth + input / QUAD * QUAD) * columns;
                packed[quad + output % columns * QUAD + input % QUAD] = *weight;
                excess[output] += i32::from(isa.offset()) * i32::from(*weight);
            }
        }
        let padded = |numbers: &[f32]| {
            let mut numbers = numbers.to_vec();
            numbers.resize(wide, 0.0);
            numbers
        };
        Self {
            outputs: weights.outputs,
            depth,
            columns,
            weights: packed,
            scales: padded(weights.scales),
            bias: padded(weights.bias.unwrap_or(&[])),
            excess,
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
