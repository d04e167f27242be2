//! Inputs levelled for int8: the weights of an output share one step, so an input whose weights are large makes those of all
//! others coarse. Where each input is scaled by the largest of its own weights, all are as fine.

use trimtab_core::observation::TMO1_WIDTH;

use super::encoding::Ramp;
use super::state::FIELDS;
use super::{Costs, HISTORY, TASKS};
use crate::network::{Activation, Mlp};

/// The network behind ramps, one for each number that it reads, each as long as its weights are small. What it says of an
/// observation within the layout's range stays the same.
pub(super) fn levelled(network: &Mlp, costs: &Costs) -> (Vec<Ramp>, Mlp) {
    let mut levelled = network.clone();
    let first = &mut levelled.layers[0];
    let ranges: Vec<(f32, f32)> = (0..first.inputs).map(|input| range(input, costs)).collect();
    let peaks: Vec<f32> = first.weight.chunks_exact(first.outputs).map(peak).collect();
    // Short enough to be fine, long enough that none ends within its range.
    let level = peaks.iter().zip(&ranges).map(|(peak, (low, high))| peak * (high - low)).fold(0.0, f32::max);
    let mut ramps = Vec::with_capacity(first.inputs);
    for (input, row) in first.weight.chunks_exact_mut(first.outputs).enumerate() {
        let (low, high) = ranges[input];
        let length = if peaks[input] > 0.0 { level / peaks[input] } else { high - low };
        first.bias.iter_mut().zip(row.iter()).for_each(|(bias, weight)| *bias += low * weight);
        row.iter_mut().for_each(|weight| *weight *= length);
        ramps.push(Ramp { input, from: low, to: low + length });
    }
    (ramps, levelled)
}

/// The network with its hidden numbers levelled alike, where the activation lets a scale pass: of ReLU, not of the tangent. What
/// it says stays the same.
pub(super) fn levelled_within(network: &Mlp) -> Mlp {
    let mut levelled = network.clone();
    if network.activation != Activation::Relu {
        return levelled;
    }
    for index in 1..levelled.layers.len() {
        let (before, after) = levelled.layers.split_at_mut(index);
        let (before, after) = (&mut before[index - 1], &mut after[0]);
        for (hidden, row) in after.weight.chunks_exact_mut(after.outputs).enumerate() {
            let peak = peak(row);
            if peak > 0.0 {
                row.iter_mut().for_each(|weight| *weight /= peak);
                before.weight.iter_mut().skip(hidden).step_by(before.outputs).for_each(|weight| *weight *= peak);
                before.bias[hidden] *= peak;
            }
        }
    }
    levelled
}

/// The size of the largest.
fn peak(weights: &[f32]) -> f32 {
    weights.iter().fold(0.0, |peak, weight| peak.max(weight.abs()))
}

/// The range of a number of the layout; of what remains, as far over a budget as a drawn one can be large.
fn range(input: usize, costs: &Costs) -> (f32, f32) {
    let most = |amounts: &[f64]| (HISTORY as f64 * amounts.iter().copied().fold(0.0, f64::max)) as f32;
    match input {
        TMO1_WIDTH => (-most(&costs.seconds), most(&costs.seconds)),
        input if input > TMO1_WIDTH => (-most(&costs.usd), most(&costs.usd)),
        input if input % FIELDS == FIELDS - 1 => (-1.0, (TASKS - 1) as f32),
        _ => (-1.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::{ACTIONS, Budget, State, observe};
    use trimtab_scenes::Rng;

    #[test]
    fn a_levelled_network_says_the_same() {
        let mut rng = Rng::for_purpose(6, "levels");
        let costs = Costs::default();
        for activation in [Activation::Tanh, Activation::Relu] {
            let network = Mlp { activation, ..Mlp::random(&[27, 16, 12, ACTIONS], &mut rng) };
            let (ramps, levelled) = levelled(&levelled_within(&network), &costs);
            for _ in 0..200 {
                let task = rng.below(TASKS) as u8;
                let state = (0..3).fold(State::first(task), |state, _| state.then(rng.below(ACTIONS), task));
                let remaining = Budget { seconds: rng.range(-30.0, 30.0).into(), usd: rng.range(-0.05, 0.05).into() };
                let observation = observe(state, remaining);
                let behind: Vec<f32> = ramps.iter().map(|ramp| ramp.of(&observation)).collect();
                let (a, b) = (network.trace(&observation), levelled.trace(&behind));
                assert!(a.outputs().iter().zip(b.outputs()).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} {b:?}");
            }
        }
    }
}
