//! What each candidate should take, from model cards, offers and link probes; [`Calibration`] makes upper bounds of it.

use crate::calibration::Calibration;
use serde::{Deserialize, Serialize};
use trimtab_core::{Bytes, Joules, Millis, NodeProfile, Quote, Usd, Watts};
use trimtab_wire::price::{Prices, Size};

/// An upper estimate that rises fast and falls slowly: the expectile for weights 20 : 1, which lies near the 95th
/// percentile of what was seen. It starts from a prior.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Upper(f32);

impl Upper {
    const RISE: f32 = 0.2;
    const FALL: f32 = 0.01;

    /// Starts at a prior, from a model card or a declared profile.
    #[must_use]
    pub const fn from_prior(prior: f32) -> Self {
        Self(prior)
    }
    /// Learns one observation; what is no finite number is not learnt.
    pub fn learn(&mut self, seen: f32) {
        if seen.is_finite() {
            self.0 += if seen > self.0 { Self::RISE } else { Self::FALL } * (seen - self.0);
        }
    }
    /// The estimate, rounded up.
    #[must_use]
    pub fn ceil(&self) -> u64 {
        // A float cast saturates, so a wild estimate becomes the largest number and is ruled out by any budget.
        let floor = self.0.max(0.0) as u64;
        if (floor as f32) < self.0 { floor.saturating_add(1) } else { floor }
    }
}

/// The local engine and what its answers should take, as far as its card or a measurement says.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct LocalEngine {
    /// What the policy sees of it.
    pub profile: NodeProfile,
    /// What it allocates at most while it answers, on top of what is resident.
    pub memory: Bytes,
    /// Power while it computes.
    pub draw: Watts,
    /// Milliseconds before the first token.
    pub first_token: Upper,
    /// Milliseconds for each further token.
    pub per_token: Upper,
    /// Tokens of an answer.
    pub tokens: Upper,
}

impl LocalEngine {
    /// What an answer of a usual length should take, of at most `max_tokens`.
    #[must_use]
    pub fn quote(&self, max_tokens: u32) -> Quote {
        self.of(self.tokens.0.min(max_tokens as f32))
    }

    /// What an answer of so many tokens should take.
    #[must_use]
    pub fn longest(&self, max_tokens: u32) -> Quote {
        self.of(max_tokens as f32)
    }

    fn of(&self, tokens: f32) -> Quote {
        let whole = Upper::from_prior(self.first_token.0 + self.per_token.0.max(0.0) * tokens);
        let latency = Millis::new(whole.ceil().max(1));
        Quote {
            latency,
            energy: Joules::of(self.draw, latency),
            money: Usd::ZERO,
            bytes: Bytes::ZERO,
            memory: self.memory,
        }
    }
}

/// What sending and waiting take from the battery.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Radio {
    pub(crate) per_mebibyte: Joules,
    pub(crate) waiting: Watts,
}

/// What is learnt of a cloud node on top of its offer.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct CloudTrack {
    /// Tokens of its answers, for which there has to be money.
    pub(crate) tokens: Upper,
    /// What its answers take, of what they should.
    pub(crate) taken: Calibration,
}

/// Bytes of a request beyond prompt and views: envelope, topic, MQTT and TCP headers, telemetry of the turn.
const REQUEST_OVERHEAD_BYTES: u64 = 2048;
/// Bytes of headers for each chunk of 64 KiB or part of one, for each view.
const VIEW_OVERHEAD_BYTES: u64 = 512;
/// Tokens that an answer is expected to need before anything is known.
const ANSWER_TOKENS_PRIOR: f32 = 48.0;
/// Tokens that an answer's money is good for at least, however short the answers were so far.
const PAID_TOKENS_MIN: u64 = 64;

impl CloudTrack {
    pub(crate) const NEW: Self = Self { tokens: Upper::from_prior(ANSWER_TOKENS_PRIOR), taken: Calibration::NEW };

    /// What a request with these views should take, priced as the bridge prices it. Bytes and money are bounds: the client sends
    /// no more, and the bridge charges no more.
    pub(crate) fn base(
        &self,
        profile: &NodeProfile,
        radio: Radio,
        uplink_bits_per_s: u64,
        prompt_bytes: u64,
        views: &[Bytes],
        max_tokens: u32,
    ) -> Quote {
        let uploads = views.iter().copied().map(|view| view.plus(Bytes::new(VIEW_OVERHEAD_BYTES))).sum::<Bytes>();
        let bytes = Bytes::new(prompt_bytes).plus(uploads).plus(Bytes::new(REQUEST_OVERHEAD_BYTES));
        let usual = (ANSWER_TOKENS_PRIOR as u64).min(u64::from(max_tokens));
        let latency =
            bytes.transfer_time(uplink_bits_per_s).plus(profile.latency_p95).plus(profile.token_time.times(usual));
        let tokens = self.tokens.ceil().min(u64::from(max_tokens));
        let prices =
            Prices { prompt: profile.price_prompt, completion: profile.price_completion, image: profile.price_image };
        let size = Size { text_bytes: prompt_bytes, messages: 1, images: views.len() as u64 };
        // The bridge cuts an answer where its money ends, so there is money for a longer one than is expected. The
        // profile's image price includes the tokens that a node counts for one.
        let paid = u32::try_from(tokens.max(PAID_TOKENS_MIN)).unwrap_or(u32::MAX).min(max_tokens);
        let money = prices.worst(&size, 0, paid);
        let sending = radio.per_mebibyte.scaled_up(bytes.get(), 1 << 20);
        Quote {
            latency,
            energy: sending.plus(Joules::of(radio.waiting, latency)),
            money,
            bytes,
            memory: bytes.times(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upper_estimate_covers_nearly_all_of_what_it_sees() {
        let mut upper = Upper::from_prior(1.0);
        // A linear congruential sequence over 0..100, without a period that the estimate could follow.
        let (mut state, mut covered) = (7_u32, 0);
        for round in 0..4000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let seen = (state >> 16) as f32 % 100.0;
            if round >= 1000 && seen <= upper.ceil() as f32 {
                covered += 1;
            }
            upper.learn(seen);
        }
        let share = f64::from(covered) / 3000.0;
        assert!((0.75..0.99).contains(&share), "covered {share}");
    }
}
