//! Chooses the next token; the only source of chance is the seed.

use super::GenerateOptions;
use crate::softmax;
use crate::tokenizer::TokenId;

pub(super) struct Draw {
    temperature: f32,
    top_p: f32,
    state: u64,
}

impl Draw {
    pub(super) fn new(options: &GenerateOptions) -> Self {
        let within = |value: f32, otherwise: f32| if value > 0.0 { value } else { otherwise };
        Self { temperature: within(options.temperature, 0.0), top_p: within(options.top_p, 1.0), state: options.seed }
    }

    /// The token and the logarithm of its probability at temperature 1.
    pub(super) fn token(&mut self, logits: &[f32]) -> (TokenId, f32) {
        let peak = peak(logits);
        let mut chosen = logits.iter().position(|logit| *logit == peak).unwrap_or(0);
        if self.temperature > 0.0 {
            let mut softened: Vec<f32> = logits.iter().map(|l| l / self.temperature).collect();
            softmax(&mut softened);
            if self.top_p < 1.0 {
                self.keep_likely(&mut softened);
            }
            let mut left = self.uniform() * softened.iter().sum::<f32>();
            let drawn = softened.iter().position(|p| {
                left -= p;
                left < 0.0
            });
            chosen = drawn.unwrap_or(chosen);
        }
        let log_total = total(logits, peak).ln();
        (chosen as TokenId, logits.get(chosen).map_or(0.0, |l| l - peak - log_total))
    }

    /// Sets all but the likeliest tokens to zero: as many of these as have `top_p` together (nucleus sampling; Holtzman et al.
    /// 2020, section 3.1), at least one.
    fn keep_likely(&self, probabilities: &mut [f32]) {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_unstable_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]).then(a.cmp(&b)));
        let mut total = 0.0;
        let beyond = order.iter().position(|&token| {
            let full = total >= self.top_p;
            total += probabilities[token];
            full
        });
        for &token in &order[beyond.unwrap_or(order.len())..] {
            probabilities[token] = 0.0;
        }
    }

    /// The next number in 0..1 of a SplitMix64 sequence.
    fn uniform(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }
}

/// Numbers that are taken side by side, so that a compiler can take them at once: a vocabulary is long, and every token asks.
const LANES: usize = 8;

/// The largest number; one that is none is passed over.
fn peak(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (parts, rest) = values.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for part in parts {
        for (lane, value) in lanes.iter_mut().zip(part) {
            *lane = larger(*lane, *value);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger)
}

/// The sum of e to the power of each number less the largest; no number if one of them is none.
fn total(values: &[f32], peak: f32) -> f32 {
    let (parts, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for part in parts {
        for (lane, value) in lanes.iter_mut().zip(part) {
            *lane += power(value - peak);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|value| power(value - peak)).sum::<f32>()
}

/// e to the power of a number that is not above zero, to six digits: two to a whole power, which is an exponent's bits, times a
/// series for what is left.
fn power(value: f32) -> f32 {
    /// Below this a single-precision number has no more digits.
    const LEAST: f32 = -87.0;
    /// Added to a number, it leaves the nearest whole number in the last bits.
    const ROUND: f32 = 12_582_912.0;
    /// The logarithm of two in two parts, so that a large multiple of it loses no digits.
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    const SERIES: [f32; 5] = [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];
    let value = if value < LEAST { LEAST } else { value };
    let rounded = value * std::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let left = value - whole * LN_2.0 - whole * LN_2.1;
    let series = SERIES.iter().fold(1.0 / 720.0, |sum, factor| sum * left + factor) * left + 1.0;
    series * f32::from_bits((rounded.to_bits() << 23).wrapping_add(0x3f80_0000))
}

#[cfg(test)]
mod tests {
    use super::{Draw, GenerateOptions, peak, power, total};

    #[test]
    fn sums_of_powers_are_those_of_the_library() {
        for step in 0..=8700 {
            let value = -0.01 * step as f32;
            let (ours, theirs) = (power(value), value.exp());
            assert!((ours - theirs).abs() <= 1e-6 * theirs, "{value}: {ours} {theirs}");
        }
        let values: Vec<f32> = (0..1003).map(|n| ((n * 37 % 1003) as f32).sqrt() - 9.0).collect();
        let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert_eq!(peak(&values), largest);
        let sum: f32 = values.iter().map(|value| (value - largest).exp()).sum();
        assert!((total(&values, largest) - sum).abs() <= 1e-4 * sum);
        assert!(total(&[1.0, f32::NAN], 1.0).is_nan() && total(&[f32::INFINITY], f32::INFINITY).is_nan());
        assert!(total(&[0.0, f32::NEG_INFINITY], 0.0) - 1.0 < 1e-6);
    }

    #[test]
    fn only_tokens_within_the_nucleus_are_drawn() {
        // Probabilities of some .09, .24, .64 and .03.
        let logits = [1.0_f32, 2.0, 3.0, 0.0];
        let drawn = |top_p: f32| -> Vec<u32> {
            let options = GenerateOptions { temperature: 1.0, top_p, seed: 7, ..GenerateOptions::default() };
            let mut draw = Draw::new(&options);
            let mut seen: Vec<u32> = (0..500).map(|_| draw.token(&logits).0).collect();
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        assert_eq!(drawn(1.0), [0, 1, 2, 3]);
        assert_eq!(drawn(0.9), [0, 1, 2]);
        assert_eq!(drawn(0.8), [1, 2]);
        assert_eq!(drawn(0.01), [2]);
    }
}
