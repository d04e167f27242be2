//! From numbers for actions to probabilities and choices.

use trimtab_scenes::Rng;

/// Fills in the probabilities `e^logit / Σ e^logit`; returns the logarithm of the sum, so that the logarithm of a probability
/// is its logit minus it.
pub(super) fn softmax(logits: &[f32], probabilities: &mut [f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (probability, logit) in probabilities.iter_mut().zip(logits) {
        *probability = (logit - top).exp();
        sum += *probability;
    }
    probabilities.iter_mut().for_each(|probability| *probability /= sum);
    top + sum.ln()
}

/// Draws an action.
pub(super) fn draw(probabilities: &[f32], rng: &mut Rng) -> usize {
    let mut left = rng.unit();
    for (action, probability) in probabilities.iter().enumerate() {
        left -= probability;
        if left < 0.0 {
            return action;
        }
    }
    // Rounding has left a remainder: it belongs to what is likely.
    largest(probabilities)
}

/// The largest, the first among equals.
pub(super) fn largest(values: &[f32]) -> usize {
    let better = |best: usize, (index, value): (usize, &f32)| if *value > values[best] { index } else { best };
    values.iter().enumerate().fold(0, better)
}
