//! How probable it is that a whole reply is right.
//!
//! The raw confidence of a finished reply is the product of the probabilities of its tokens at temperature 1, the one that ends it
//! included: what the model itself gives the reply. A logistic function of its logit, fitted on replies known right or wrong
//! (Platt 1999), makes of it the share of such replies that are right.

use serde::{Deserialize, Serialize};

use crate::Calibration;

/// Raw confidences beyond these bounds count as the bounds: a logit is finite.
const LEAST: f64 = 1e-6;

/// `confidence` in a language model's `config.json`: the logit of a reply's confidence is `scale · logit(raw) + bias`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confidence {
    /// Per unit of the raw logit; 1 where nothing is corrected.
    pub scale: f32,
    /// The logit at a raw confidence of one half; 0 where nothing is corrected.
    pub bias: f32,
}

impl Confidence {
    /// The raw confidence as it is.
    pub const RAW: Self = Self { scale: 1.0, bias: 0.0 };

    /// The likeliest function for raw confidences of replies that were right or wrong.
    #[must_use]
    pub fn fit(replies: &[(f32, bool)]) -> Self {
        let pairs: Vec<(f32, f32)> =
            (replies.iter()).map(|&(raw, right)| (logit(f64::from(raw)) as f32, f32::from(u8::from(right)))).collect();
        let Calibration { scale, bias } = Calibration::fit(&pairs);
        Self { scale, bias }
    }

    /// The confidence of a reply, given the natural logarithm of the product of its tokens' probabilities.
    pub(super) fn of(self, logarithm: f64) -> f32 {
        Calibration { scale: self.scale, bias: self.bias }.probability(logit(logarithm.exp()) as f32)
    }
}

fn logit(raw: f64) -> f64 {
    // What is no number passes for the least: a reply without a probability is not to be trusted.
    let raw = if raw.is_nan() { LEAST } else { raw.clamp(LEAST, 1.0 - LEAST) };
    (raw / (1.0 - raw)).ln()
}

#[cfg(test)]
mod tests {
    use super::Confidence;

    #[test]
    fn a_confidence_is_a_probability_and_grows_with_the_raw_one() {
        let fitted =
            Confidence::fit(&[(0.2, false), (0.5, false), (0.6, true), (0.7, false), (0.9, true), (0.99, true)]);
        let mut last = 0.0;
        for logarithm in [f64::NEG_INFINITY, -20.0, -1.0, -0.1, -1e-9, 0.0] {
            let confidence = fitted.of(logarithm);
            assert!((0.0..=1.0).contains(&confidence) && confidence >= last, "{confidence} after {last}");
            last = confidence;
        }
        assert!(fitted.of(f64::NAN) <= fitted.of(-20.0));
        assert!((Confidence::RAW.of(0.25_f64.ln()) - 0.25).abs() < 1e-6);
    }
}
