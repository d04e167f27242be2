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
        let mut chosen =
            (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(b.cmp(&a))).unwrap_or(0);
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
        let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let log_total = logits.iter().map(|l| (l - peak).exp()).sum::<f32>().ln();
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

#[cfg(test)]
mod tests {
    use super::{Draw, GenerateOptions};

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
