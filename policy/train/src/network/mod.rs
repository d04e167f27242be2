//! A small multi-layer perceptron with its gradient written out, for one input ([`Trace`]) or many at once ([`Tape`]), and
//! the optimisers.

mod initial;
mod optimiser;
mod product;
mod tape;

use serde::{Deserialize, Serialize};
use trimtab_scenes::Rng;

pub use optimiser::{Adam, RmsProp, clip_norm};
pub use tape::Tape;

/// One linear layer: `y[o] = b[o] + Σ x[i] · w[i · outputs + o]`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Dense {
    /// Numbers in.
    pub inputs: usize,
    /// Numbers out.
    pub outputs: usize,
    /// Row-major, `[inputs, outputs]`.
    pub weight: Vec<f32>,
    /// One for each output.
    pub bias: Vec<f32>,
}

/// What stands between two linear layers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// The hyperbolic tangent, within 3e-7 of the exact one.
    Tanh,
}

/// Linear layers with an activation between them; none follows the last.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Mlp {
    /// First to last.
    pub layers: Vec<Dense>,
    /// Between the layers.
    #[serde(default)]
    pub activation: Activation,
}

impl Activation {
    /// Applies it in place.
    fn apply(self, y: &mut [f32]) {
        match self {
            Self::Relu => y.iter_mut().for_each(|y| *y = y.max(0.0)),
            Self::Tanh => y.iter_mut().for_each(|y| *y = tanh(*y)),
        }
    }

    /// Turns slopes along its results `y` into slopes along its arguments.
    fn pass_back(self, y: &[f32], slopes: &mut [f32]) {
        let pairs = slopes.iter_mut().zip(y);
        match self {
            Self::Relu => pairs.for_each(|(d, y)| *d = if *y > 0.0 { *d } else { 0.0 }),
            Self::Tanh => pairs.for_each(|(d, y)| *d *= 1.0 - y * y),
        }
    }
}

impl Dense {
    fn zeros(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, weight: vec![0.0; inputs * outputs], bias: vec![0.0; outputs] }
    }

    fn forward(&self, x: &[f32]) -> Vec<f32> {
        let mut y = self.bias.clone();
        for (x, row) in x.iter().zip(self.weight.chunks_exact(self.outputs)) {
            if *x != 0.0 {
                y.iter_mut().zip(row).for_each(|(y, w)| *y += x * w);
            }
        }
        y
    }

    /// Adds the gradient of this layer to `sum`; returns the gradient of its input.
    fn backward(&self, x: &[f32], dy: &[f32], sum: &mut Self) -> Vec<f32> {
        sum.bias.iter_mut().zip(dy).for_each(|(b, d)| *b += d);
        let rows = self.weight.chunks_exact(self.outputs);
        let sums = sum.weight.chunks_exact_mut(self.outputs);
        x.iter()
            .zip(rows.zip(sums))
            .map(|(x, (row, sum))| {
                if *x != 0.0 {
                    sum.iter_mut().zip(dy).for_each(|(s, d)| *s += x * d);
                }
                row.iter().zip(dy).map(|(w, d)| w * d).sum()
            })
            .collect()
    }
}

impl Mlp {
    /// He-initialised layers of these widths with ReLU between them, from the input to the outputs; the last layer starts
    /// small, so that the training of a logit starts near a probability of one half.
    #[must_use]
    pub fn random(widths: &[usize], rng: &mut Rng) -> Self {
        let last = widths.len().saturating_sub(2);
        let layers = widths.windows(2).enumerate().map(|(index, pair)| {
            let mut layer = Dense::zeros(pair[0], pair[1]);
            let shrink = if index == last { 0.1 } else { 1.0 };
            let spread = shrink * (2.0 / pair[0] as f32).sqrt();
            layer.weight.iter_mut().for_each(|w| *w = spread * normal(rng));
            layer
        });
        Self { layers: layers.collect(), activation: Activation::Relu }
    }

    /// A network of the same shape, all zero: where gradients are summed.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        let zeros = |layer: &Dense| Dense::zeros(layer.inputs, layer.outputs);
        Self { layers: self.layers.iter().map(zeros).collect(), activation: self.activation }
    }

    /// The first output for one input: the logit of a network that has no other.
    #[must_use]
    pub fn logit(&self, x: &[f32]) -> f32 {
        self.trace(x).logit()
    }

    /// Runs one input and keeps what the gradient needs.
    #[must_use]
    pub fn trace(&self, x: &[f32]) -> Trace {
        let mut inputs = vec![x.to_vec()];
        for (index, layer) in self.layers.iter().enumerate() {
            let mut y = layer.forward(&inputs[index]);
            if index + 1 < self.layers.len() {
                self.activation.apply(&mut y);
            }
            inputs.push(y);
        }
        Trace { inputs }
    }

    /// Adds to `sum` the gradient of a loss whose slopes along the outputs of a run are `slopes`.
    pub fn backward(&self, trace: &Trace, slopes: &[f32], sum: &mut Self) {
        let mut gradient = slopes.to_vec();
        for index in (0..self.layers.len()).rev() {
            gradient = self.layers[index].backward(&trace.inputs[index], &gradient, &mut sum.layers[index]);
            if index > 0 {
                self.activation.pass_back(&trace.inputs[index], &mut gradient);
            }
        }
    }

    /// Numbers in.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }
    /// Numbers out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Every weight and bias, layer by layer.
    pub fn parameters(&self) -> impl Iterator<Item = &f32> {
        self.layers.iter().flat_map(|layer| layer.weight.iter().chain(&layer.bias))
    }
    /// The same, to be changed.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        self.layers.iter_mut().flat_map(|layer| layer.weight.iter_mut().chain(&mut layer.bias))
    }
    /// Weights and biases as slices, in the order of [`Mlp::parameters`].
    fn tensors(&self) -> impl Iterator<Item = &[f32]> {
        self.layers.iter().flat_map(|layer| [layer.weight.as_slice(), layer.bias.as_slice()])
    }
    /// The same, to be changed.
    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.layers.iter_mut().flat_map(|layer| [layer.weight.as_mut_slice(), layer.bias.as_mut_slice()])
    }
    /// Sets every weight and bias to zero.
    pub fn clear(&mut self) {
        self.tensors_mut().for_each(|tensor| tensor.fill(0.0));
    }
}

/// One run of a network: the input of every layer, and the outputs.
#[derive(Clone, PartialEq, Debug)]
pub struct Trace {
    inputs: Vec<Vec<f32>>,
}

impl Trace {
    /// What went into a layer; for the number after the last one, what came out.
    #[must_use]
    pub fn input(&self, layer: usize) -> &[f32] {
        &self.inputs[layer]
    }
    /// What came out.
    #[must_use]
    pub fn outputs(&self) -> &[f32] {
        &self.inputs[self.inputs.len() - 1]
    }
    /// The first number that came out.
    #[must_use]
    pub fn logit(&self) -> f32 {
        self.outputs()[0]
    }
}

/// `1 / (1 + e^-x)`.
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The logistic loss of a logit, written so that no large logit overflows.
#[must_use]
pub fn logistic_loss(logit: f32, target: f32) -> f32 {
    logit.max(0.0) - logit * target + (-logit.abs()).exp().ln_1p()
}

/// One draw of the standard normal distribution, by Box and Muller.
#[must_use]
pub fn normal(rng: &mut Rng) -> f32 {
    let (a, b) = (1.0 - rng.unit(), rng.unit());
    (-2.0 * a.ln()).sqrt() * (core::f32::consts::TAU * b).cos()
}

/// `1 - 2 / (e^2x + 1)`, with the power of two taken out of `e^2x` and the rest as its Taylor sum: no call and no branch, so
/// that a loop over it runs several numbers at once.
fn tanh(x: f32) -> f32 {
    /// Adding it to a small number leaves that number, rounded, in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// Beyond it the result is 1 in `f32`.
    const FAR: f32 = 9.1;
    let z = 2.0 * x.clamp(-FAR, FAR);
    let rounded = z * core::f32::consts::LOG2_E + ROUND;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    let r = z - (rounded - ROUND) * core::f32::consts::LN_2;
    let tail = 1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0)));
    let rest = 1.0 + r * (1.0 + r * (0.5 + r * tail));
    1.0 - 2.0 / (power * rest + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tangent_is_exact_enough() {
        for step in -2_000..=2_000 {
            let x = step as f32 / 100.0;
            assert!((tanh(x) - x.tanh()).abs() < 3e-7, "{x}: {} against {}", tanh(x), x.tanh());
        }
    }
}
