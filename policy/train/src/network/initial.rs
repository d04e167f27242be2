//! First weights of the learners' networks.

use trimtab_scenes::Rng;

use super::{Activation, Dense, Mlp, normal};

impl Mlp {
    /// Layers of these widths with orthogonal weights and biases of zero: hidden ones `hidden_gain` times orthonormal, the last
    /// one `last_gain` times. Source: Saxe, McClelland and Ganguli 2014.
    #[must_use]
    pub fn orthogonal(
        widths: &[usize],
        activation: Activation,
        hidden_gain: f32,
        last_gain: f32,
        rng: &mut Rng,
    ) -> Self {
        let last = widths.len().saturating_sub(2);
        let layers = widths.windows(2).enumerate().map(|(index, pair)| {
            let gain = if index == last { last_gain } else { hidden_gain };
            Dense { weight: orthonormal(pair[0], pair[1], gain, rng), ..Dense::zeros(pair[0], pair[1]) }
        });
        Self { layers: layers.collect(), activation }
    }

    /// Layers of these widths with weights and biases drawn evenly from ±1/√inputs.
    #[must_use]
    pub fn uniform(widths: &[usize], activation: Activation, rng: &mut Rng) -> Self {
        let layers = widths.windows(2).map(|pair| {
            let mut layer = Dense::zeros(pair[0], pair[1]);
            let reach = 1.0 / (pair[0] as f32).sqrt();
            layer.weight.iter_mut().chain(&mut layer.bias).for_each(|w| *w = rng.range(-reach, reach));
            layer
        });
        Self { layers: layers.collect(), activation }
    }
}

/// `[inputs, outputs]`, `gain` times a matrix whose rows or columns, whichever are fewer, are orthonormal: normal draws made
/// so by Gram and Schmidt, each twice against rounding.
fn orthonormal(inputs: usize, outputs: usize, gain: f32, rng: &mut Rng) -> Vec<f32> {
    let (few, many) = (inputs.min(outputs), inputs.max(outputs));
    let mut lines: Vec<Vec<f32>> = Vec::with_capacity(few);
    for _ in 0..few {
        let mut line: Vec<f32> = (0..many).map(|_| normal(rng)).collect();
        for _ in 0..2 {
            for earlier in &lines {
                let along: f32 = line.iter().zip(earlier).map(|(a, b)| a * b).sum();
                line.iter_mut().zip(earlier).for_each(|(a, b)| *a -= along * b);
            }
        }
        let length = line.iter().map(|x| x * x).sum::<f32>().sqrt();
        line.iter_mut().for_each(|x| *x /= length);
        lines.push(line);
    }
    let at = |input: usize, output: usize| {
        if inputs <= outputs { lines[input][output] } else { lines[output][input] }
    };
    (0..inputs)
        .flat_map(|input| (0..outputs).map(move |output| (input, output)))
        .map(|(i, o)| gain * at(i, o))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_side_is_orthonormal_times_the_gain() {
        let mut rng = Rng::for_purpose(2, "orthogonal");
        for (inputs, outputs) in [(25, 64), (64, 9), (7, 7)] {
            let w = orthonormal(inputs, outputs, 2.0, &mut rng);
            let few = inputs.min(outputs);
            let line = |index: usize| -> Vec<f32> {
                if inputs <= outputs {
                    w[index * outputs..(index + 1) * outputs].to_vec()
                } else {
                    w.iter().skip(index).step_by(outputs).copied().collect()
                }
            };
            for a in 0..few {
                for b in 0..few {
                    let dot: f32 = line(a).iter().zip(line(b)).map(|(x, y)| x * y).sum();
                    let expect = if a == b { 4.0 } else { 0.0 };
                    assert!((dot - expect).abs() < 1e-4, "{inputs}x{outputs}: {a} {b} {dot}");
                }
            }
        }
    }
}
