//! Int8 weights chosen for what a network says rather than for the weights themselves.
//!
//! Rounded one by one, weights miss by up to half a step each, and where a network hardly prefers one action to another the sum
//! of what they miss decides. Inputs go together, though: what one rounded weight misses, others can make up for. So the steps
//! of every output are chosen to miss least over observations, layer by layer, with the inputs as the rounded layers before
//! give them. Source: Frantar et al. 2023 for making up by the other weights of an output what one of them misses.

use trimtab_quant::{GraphError, Int8Weight, STEPS_MAX};

use crate::network::{Dense, Mlp};

/// Most rounds over the weights of an output; most settle in a few.
const SWEEPS_MAX: usize = 20;
/// What a weight's own miss counts beside what comes out, in mean squares of an input: for observations that were not given.
const NEARNESS: f32 = 1e-3;

/// The network with every weight where an int8 file can hold it. Fails on a weight that is no number.
pub(super) fn rounded(network: &Mlp, observations: &[Vec<f32>]) -> Result<Mlp, GraphError> {
    let mut rounded = network.clone();
    for index in 0..network.layers.len() {
        let exact: Vec<Vec<f32>> = observations.iter().map(|x| network.trace(x).input(index).to_vec()).collect();
        // The layers before this one are rounded already.
        let near: Vec<Vec<f32>> = observations.iter().map(|x| rounded.trace(x).input(index).to_vec()).collect();
        rounded.layers[index] = round(&network.layers[index], &Centred::of(exact), &Centred::of(near))?;
    }
    Ok(rounded)
}

/// Rounds a layer so that it says of inputs `near` what it says of `exact`.
fn round(layer: &Dense, exact: &Centred, near: &Centred) -> Result<Dense, GraphError> {
    let plain = Int8Weight::quantise("layer", &layer.weight, &[layer.inputs, layer.outputs], 1)?;
    let square = near.products(near);
    let diagonal: f32 = (0..layer.inputs).map(|input| square[input][input]).sum();
    let miss = Miss { together: near.products(exact), nearness: NEARNESS * diagonal / layer.inputs as f32, square };
    let mut rounded = layer.clone();
    for output in 0..layer.outputs {
        let places = (output..layer.weight.len()).step_by(layer.outputs);
        let weights: Vec<f32> = places.clone().map(|place| layer.weight[place]).collect();
        let step = plain.scales()[output];
        let mut steps: Vec<f32> = places.clone().map(|place| f32::from(plain.values()[place])).collect();
        miss.settle(&weights, &mut steps, step);
        let settled: Vec<f32> = steps.iter().map(|steps| step * steps).collect();
        rounded.bias[output] += dot(&exact.mean, &weights) - dot(&near.mean, &settled);
        places.zip(settled).for_each(|(place, weight)| rounded.weight[place] = weight);
    }
    Ok(rounded)
}

/// The mean square of what an output misses, and what it follows from.
struct Miss {
    /// Mean products of the inputs as they are.
    square: Vec<Vec<f32>>,
    /// Of those with the exact ones.
    together: Vec<Vec<f32>>,
    nearness: f32,
}

impl Miss {
    /// Moves one weight of an output after the other to where it misses least, until none moves. The largest stays, and with it
    /// the size of a step.
    fn settle(&self, weights: &[f32], steps: &mut [f32], step: f32) {
        let now: Vec<f32> = steps.iter().map(|steps| step * steps).collect();
        let mut slopes: Vec<f32> = (0..steps.len())
            .map(|input| {
                let of_output = dot(&self.together[input], weights) - dot(&self.square[input], &now);
                of_output + self.nearness * (weights[input] - now[input])
            })
            .collect();
        let free: Vec<usize> = (0..steps.len()).filter(|input| steps[*input].abs() < STEPS_MAX).collect();
        for _ in 0..SWEEPS_MAX {
            let mut settled = true;
            for &input in &free {
                let bend = self.square[input][input] + self.nearness;
                if bend <= 0.0 {
                    continue;
                }
                let to = (steps[input] + (slopes[input] / (step * bend)).round()).clamp(-STEPS_MAX, STEPS_MAX);
                let moved = step * (to - steps[input]);
                if moved != 0.0 {
                    settled = false;
                    steps[input] = to;
                    slopes.iter_mut().zip(&self.square[input]).for_each(|(slope, square)| *slope -= moved * square);
                    slopes[input] -= moved * self.nearness;
                }
            }
            if settled {
                break;
            }
        }
    }
}

/// Rows with their mean taken off.
struct Centred {
    mean: Vec<f32>,
    rows: Vec<Vec<f32>>,
}

impl Centred {
    fn of(mut rows: Vec<Vec<f32>>) -> Self {
        let (count, width) = (rows.len().max(1) as f32, rows.first().map_or(0, Vec::len));
        let mean: Vec<f32> = (0..width).map(|i| rows.iter().map(|row| row[i]).sum::<f32>() / count).collect();
        rows.iter_mut().for_each(|row| row.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean));
        Self { mean, rows }
    }

    /// Mean products of each number of these rows with each of others.
    fn products(&self, other: &Self) -> Vec<Vec<f32>> {
        let part = 1.0 / self.rows.len().max(1) as f32;
        let mut products = vec![vec![0.0; self.mean.len()]; self.mean.len()];
        for (a, b) in self.rows.iter().zip(&other.rows) {
            for (a, products) in a.iter().zip(&mut products) {
                products.iter_mut().zip(b).for_each(|(sum, b)| *sum += part * a * b);
            }
        }
        products
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;
    use trimtab_scenes::Rng;

    /// Over observations that go together, what comes out moves much less than with weights rounded one by one; and the weights
    /// are as an int8 file holds them.
    #[test]
    fn what_one_weight_misses_others_make_up_for() {
        let mut rng = Rng::for_purpose(5, "rounding");
        let network = Mlp { activation: Activation::Tanh, ..Mlp::random(&[12, 24, 16, 5], &mut rng) };
        let observations: Vec<Vec<f32>> = (0..300)
            .map(|_| {
                let hidden: [f32; 4] = std::array::from_fn(|_| rng.range(-1.0, 1.0));
                (0..12).map(|i| hidden[i % 4] + 0.5 * hidden[(i + i / 4) % 4] + 0.05 * rng.unit()).collect()
            })
            .collect();
        let plain = |network: &Mlp| {
            let mut plain = network.clone();
            for layer in &mut plain.layers {
                let shape = [layer.inputs, layer.outputs];
                layer.weight = Int8Weight::quantise("layer", &layer.weight, &shape, 1).unwrap().dequantise();
            }
            plain
        };
        let missed = |other: &Mlp| -> f32 {
            let of = |x: &Vec<f32>| {
                let (exact, near) = (network.trace(x), other.trace(x));
                exact.outputs().iter().zip(near.outputs()).map(|(a, b)| (a - b).powi(2)).sum::<f32>()
            };
            observations.iter().map(of).sum()
        };
        let rounded = rounded(&network, &observations).unwrap();
        assert!(missed(&rounded) < 0.2 * missed(&plain(&network)), "{} {}", missed(&rounded), missed(&plain(&network)));
        let held = plain(&rounded);
        let off = rounded.parameters().zip(held.parameters()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-6, "{off}");
    }
}
