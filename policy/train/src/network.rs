//! A small multi-layer perceptron with its gradient written out, and Adam. One output: a logit.

use serde::{Deserialize, Serialize};
use trimtab_scenes::Rng;

/// Decay of Adam's first moment. Source: Kingma and Ba 2015, as the other two.
const BETA_1: f32 = 0.9;
/// Decay of Adam's second moment.
const BETA_2: f32 = 0.999;
/// Keeps Adam's quotient finite.
const EPSILON: f32 = 1e-8;

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

/// Linear layers with a ReLU between them; the last has one output.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Mlp {
    /// First to last.
    pub layers: Vec<Dense>,
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
    /// He-initialised layers of these widths, from the input to the single output; the last layer starts small, so that
    /// training starts near a probability of one half.
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
        Self { layers: layers.collect() }
    }

    /// A network of the same shape, all zero: where gradients are summed.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        let zeros = |layer: &Dense| Dense::zeros(layer.inputs, layer.outputs);
        Self { layers: self.layers.iter().map(zeros).collect() }
    }

    /// The logit for one input.
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
                y.iter_mut().for_each(|v| *v = v.max(0.0));
            }
            inputs.push(y);
        }
        Trace { inputs }
    }

    /// Adds to `sum` the gradient of a loss whose slope along the logit of a run is `slope`.
    pub fn backward(&self, trace: &Trace, slope: f32, sum: &mut Self) {
        let mut gradient = vec![slope];
        for index in (0..self.layers.len()).rev() {
            gradient = self.layers[index].backward(&trace.inputs[index], &gradient, &mut sum.layers[index]);
            if index > 0 {
                let passed = |(d, x): (&mut f32, &f32)| {
                    if *x <= 0.0 {
                        *d = 0.0;
                    }
                };
                gradient.iter_mut().zip(&trace.inputs[index]).for_each(passed);
            }
        }
    }

    /// Every weight and bias, layer by layer.
    pub fn parameters(&self) -> impl Iterator<Item = &f32> {
        self.layers.iter().flat_map(|layer| layer.weight.iter().chain(&layer.bias))
    }
    /// The same, to be changed.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        self.layers.iter_mut().flat_map(|layer| layer.weight.iter_mut().chain(&mut layer.bias))
    }
}

/// One run of a network: the input of every layer, and the logit.
#[derive(Clone, PartialEq, Debug)]
pub struct Trace {
    inputs: Vec<Vec<f32>>,
}

impl Trace {
    /// What came out.
    #[must_use]
    pub fn logit(&self) -> f32 {
        self.inputs[self.inputs.len() - 1][0]
    }
}

/// Adam with decoupled weight decay. Source: Kingma and Ba 2015; Loshchilov and Hutter 2019.
#[derive(Clone, Debug)]
pub struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    step: i32,
}

impl Adam {
    /// For a network of this shape.
    #[must_use]
    pub fn new(network: &Mlp) -> Self {
        let count = network.parameters().count();
        Self { first: vec![0.0; count], second: vec![0.0; count], step: 0 }
    }

    /// Moves the network against `gradient` at a learning rate, and its weights towards zero.
    pub fn step(&mut self, network: &mut Mlp, gradient: &Mlp, rate: f32, decay: f32) {
        self.step = self.step.saturating_add(1);
        let (bias_1, bias_2) = (1.0 - BETA_1.powi(self.step), 1.0 - BETA_2.powi(self.step));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((parameter, gradient), (m, v)) in network.parameters_mut().zip(gradient.parameters()).zip(moments) {
            *m = BETA_1 * *m + (1.0 - BETA_1) * gradient;
            *v = BETA_2 * *v + (1.0 - BETA_2) * gradient * gradient;
            let direction = (*m / bias_1) / ((*v / bias_2).sqrt() + EPSILON);
            *parameter -= rate * (direction + decay * *parameter);
        }
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
