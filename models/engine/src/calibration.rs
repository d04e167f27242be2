//! From an association to the probability that a view shows what a prompt asks.

const STEPS: usize = 400;
/// Added to the curvature, so that a set that a border separates stays finite.
const DAMPING: f64 = 1e-6;

/// A logistic function of the association: `logit_scale` and `logit_bias` of an encoder's `config.json`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Calibration {
    /// Slope.
    pub scale: f32,
    /// Logit at an association of zero.
    pub bias: f32,
}

impl Calibration {
    /// The likeliest function for pairs of an association and how surely the view shows it, 0..=1, by Newton's method on
    /// the mean log-likelihood.
    #[must_use]
    pub fn fit(pairs: &[(f32, f32)]) -> Self {
        let count = pairs.len().max(1) as f64;
        let mean = pairs.iter().map(|(x, _)| f64::from(*x)).sum::<f64>() / count;
        let variance = pairs.iter().map(|(x, _)| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count;
        // Brought to unit spread first: encoders differ in how far their cosines spread by more than tenfold.
        let spread = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        let (mut slope, mut level) = (1.0_f64, 0.0_f64);
        for _ in 0..STEPS {
            let (mut g, mut h) = ([0.0; 2], [DAMPING, 0.0, DAMPING]);
            for &(x, y) in pairs {
                let x = (f64::from(x) - mean) / spread;
                let p = 1.0 / (1.0 + (-(slope * x + level)).exp());
                let w = p * (1.0 - p);
                g[0] += (f64::from(y) - p) * x;
                g[1] += f64::from(y) - p;
                h[0] += w * x * x;
                h[1] += w * x;
                h[2] += w;
            }
            let determinant = h[0] * h[2] - h[1] * h[1];
            if determinant.abs() < f64::MIN_POSITIVE {
                break;
            }
            slope += 0.5 * (h[2] * g[0] - h[1] * g[1]) / determinant;
            level += 0.5 * (h[0] * g[1] - h[1] * g[0]) / determinant;
        }
        Self { scale: (slope / spread) as f32, bias: (level - slope * mean / spread) as f32 }
    }

    /// Probability at an association, 0..=1.
    #[must_use]
    pub fn probability(&self, association: f32) -> f32 {
        1.0 / (1.0 + (-(self.scale * association + self.bias)).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_that_made_the_pairs_is_found_wherever_they_lie() {
        for (middle, scale) in [(0.0, 12.0), (0.25, 140.0)] {
            let made = Calibration { scale, bias: -scale * middle - 1.0 };
            let pairs: Vec<(f32, f32)> = (-50_i8..=50)
                .map(|i| middle + f32::from(i) * 6.0 / (50.0 * scale))
                .map(|x| (x, made.probability(x)))
                .collect();
            let found = Calibration::fit(&pairs);
            assert!((found.scale / scale - 1.0).abs() < 1e-3, "{found:?}");
            assert!((found.bias - made.bias).abs() < 1e-2 * (1.0 + made.bias.abs()), "{found:?}");
        }
    }

    #[test]
    fn a_set_that_a_border_separates_stays_finite() {
        for pairs in [&[(0.1, 0.0), (0.9, 1.0)][..], &[(0.3, 0.0); 4], &[]] {
            let found = Calibration::fit(pairs);
            assert!((0.0..=1.0).contains(&found.probability(0.5)), "{found:?}");
        }
    }
}
