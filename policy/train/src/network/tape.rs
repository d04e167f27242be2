//! Many runs of a network at once, kept for the gradient. Buffers are made once and reused.

use super::product::{Left, Panel, Shape, add_product};
use super::{Dense, Mlp};

/// Rows that went through a network: the input of every layer, and the outputs.
#[derive(Clone, Debug)]
pub struct Tape {
    rows: usize,
    /// `[rows, width]` for the input and the output of every layer.
    values: Vec<Vec<f32>>,
    /// `[rows, width]` along each of `values`.
    slopes: Vec<Vec<f32>>,
    transposed: Vec<f32>,
    panel: Panel,
}

impl Tape {
    /// Room for so many rows of a network of this shape.
    #[must_use]
    pub fn new(network: &Mlp, rows: usize) -> Self {
        let widths = std::iter::once(network.inputs()).chain(network.layers.iter().map(|layer| layer.outputs));
        let values: Vec<Vec<f32>> = widths.map(|width| vec![0.0; rows * width]).collect();
        Self { rows, slopes: values.clone(), values, transposed: Vec::new(), panel: Panel::default() }
    }

    /// Rows that there is room for.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The input of a row, to be filled.
    pub fn input_mut(&mut self, row: usize) -> &mut [f32] {
        line_mut(&mut self.values[0], self.rows, row)
    }

    /// Runs `count` rows from `first` on.
    pub fn forward(&mut self, network: &Mlp, first: usize, count: usize) {
        let last = network.layers.len() - 1;
        for (index, layer) in network.layers.iter().enumerate() {
            let (before, after) = self.values.split_at_mut(index + 1);
            let x = &before[index][first * layer.inputs..(first + count) * layer.inputs];
            let y = &mut after[0][first * layer.outputs..(first + count) * layer.outputs];
            y.chunks_exact_mut(layer.outputs).for_each(|y| y.copy_from_slice(&layer.bias));
            let shape = Shape { rows: count, depth: layer.inputs, columns: layer.outputs };
            add_product(shape, Left::Plain, x, &layer.weight, y, &mut self.panel);
            if index < last {
                network.activation.apply(y);
            }
        }
    }

    /// What came out for a row.
    #[must_use]
    pub fn outputs(&self, row: usize) -> &[f32] {
        let values = &self.values[self.values.len() - 1];
        let width = values.len() / self.rows;
        &values[row * width..(row + 1) * width]
    }

    /// The slopes of the loss along the outputs of a row, to be filled before [`Tape::backward`].
    pub fn slopes_mut(&mut self, row: usize) -> &mut [f32] {
        let last = self.slopes.len() - 1;
        line_mut(&mut self.slopes[last], self.rows, row)
    }

    /// Adds to `sum` the gradient of the loss over the first `count` rows.
    pub fn backward(&mut self, network: &Mlp, count: usize, sum: &mut Mlp) {
        for (index, layer) in network.layers.iter().enumerate().rev() {
            let (before, after) = self.slopes.split_at_mut(index + 1);
            let dy = &after[0][..count * layer.outputs];
            let x = &self.values[index][..count * layer.inputs];
            let sum = &mut sum.layers[index];
            dy.chunks_exact(layer.outputs)
                .for_each(|dy| sum.bias.iter_mut().zip(dy).for_each(|(sum, slope)| *sum += slope));
            let shape = Shape { rows: layer.inputs, depth: count, columns: layer.outputs };
            add_product(shape, Left::Transposed, x, dy, &mut sum.weight, &mut self.panel);
            if index > 0 {
                let dx = &mut before[index][..count * layer.inputs];
                dx.fill(0.0);
                transpose(layer, &mut self.transposed);
                let shape = Shape { rows: count, depth: layer.outputs, columns: layer.inputs };
                add_product(shape, Left::Plain, dy, &self.transposed, dx, &mut self.panel);
                network.activation.pass_back(x, dx);
            }
        }
    }
}

fn line_mut(values: &mut [f32], rows: usize, row: usize) -> &mut [f32] {
    let width = values.len() / rows;
    &mut values[row * width..(row + 1) * width]
}

/// `[outputs, inputs]` of a layer's weights.
fn transpose(layer: &Dense, into: &mut Vec<f32>) {
    into.resize(layer.weight.len(), 0.0);
    for (input, row) in layer.weight.chunks_exact(layer.outputs).enumerate() {
        for (weight, column) in row.iter().zip(into.chunks_exact_mut(layer.inputs)) {
            column[input] = *weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;
    use trimtab_scenes::Rng;

    #[test]
    fn many_rows_at_once_agree_with_one_at_a_time() {
        let mut rng = Rng::for_purpose(3, "tape");
        for activation in [Activation::Relu, Activation::Tanh] {
            let network = Mlp { activation, ..Mlp::random(&[5, 12, 8, 3], &mut rng) };
            let rows: Vec<[f32; 5]> = (0..6).map(|_| std::array::from_fn(|_| rng.range(-2.0, 2.0))).collect();
            let (mut tape, mut all, mut each) = (Tape::new(&network, 7), network.zeros_like(), network.zeros_like());
            for (index, row) in rows.iter().enumerate() {
                tape.input_mut(index).copy_from_slice(row);
            }
            tape.forward(&network, 0, 4);
            tape.forward(&network, 4, 2);
            for (index, row) in rows.iter().enumerate() {
                let slopes = [0.3, -0.2 * index as f32, 0.1];
                let trace = network.trace(row);
                assert!(close(trace.outputs(), tape.outputs(index)));
                network.backward(&trace, &slopes, &mut each);
                tape.slopes_mut(index).copy_from_slice(&slopes);
            }
            tape.backward(&network, rows.len(), &mut all);
            assert!(all.tensors().zip(each.tensors()).all(|(a, b)| close(a, b)));
        }
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4)
    }
}
