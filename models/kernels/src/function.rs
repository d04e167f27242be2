//! Functions of one number that follow a layer in a network, computed on its results while these are in registers.
//!
//! Plain arithmetic without branches, so that every instruction set computes many at once and all give the same bits.

/// What is done to each result of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Function {
    /// Nothing.
    #[default]
    Identity,
    /// `x · Φ(x)`, with the error function (GELU; Hendrycks and Gimpel 2016). Within 1e-6 · (1 + |x|) of it.
    Gelu,
    /// The same by a hyperbolic tangent, as the paper approximates it.
    GeluTanh,
    /// `x / (1 + exp(-1.702 x))`, as CLIP was trained with.
    QuickGelu,
    /// `x / (1 + exp(-x))`.
    Silu,
}

/// Lowest and highest exponent of a float that is neither zero nor infinite.
const EXPONENT: std::ops::Range<f32> = -87.336_54..88.722_83;
/// Added to a number below 2²², leaves it rounded to the nearest whole one in the low bits.
const ROUNDING: f32 = 12_582_912.0;
/// ln 2 in two parts, the first exact in few bits.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// e^r for |r| <= ln 2 / 2, from the highest power (Cephes, expf).
const POWERS: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
/// The error function by a polynomial in 1 / (1 + p x), from the highest power (Abramowitz and Stegun 7.1.26).
const ERROR: [f32; 5] = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
const ERROR_P: f32 = 0.327_591_1;

impl Function {
    /// Replaces each number by its function.
    #[inline(always)]
    pub(crate) fn apply(self, numbers: &mut [f32]) {
        match self {
            Self::Identity => {}
            Self::Gelu => numbers.iter_mut().for_each(|x| *x = gelu(*x)),
            Self::GeluTanh => numbers.iter_mut().for_each(|x| *x = gelu_tanh(*x)),
            Self::QuickGelu => numbers.iter_mut().for_each(|x| *x *= logistic(1.702 * *x)),
            Self::Silu => numbers.iter_mut().for_each(|x| *x *= logistic(*x)),
        }
    }
}

/// Of what is no number: no number; never infinite.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Comparisons that keep what is no number.
    let x = if x < EXPONENT.start { EXPONENT.start } else { x };
    let x = if x > EXPONENT.end { EXPONENT.end } else { x };
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUNDING);
    let whole = rounded - ROUNDING;
    let rest = whole.mul_add(-LN_2[1], whole.mul_add(-LN_2[0], x));
    let series = POWERS.iter().fold(0.0_f32, |sum, power| sum.mul_add(rest, *power));
    let series = (series * rest).mul_add(rest, rest + 1.0);
    // Twice by half the power of two, because the highest one alone would be infinite.
    let half = (rounded.to_bits() as i32).wrapping_sub(ROUNDING.to_bits() as i32) >> 1;
    let other = (rounded.to_bits() as i32).wrapping_sub(ROUNDING.to_bits() as i32).wrapping_sub(half);
    series * power_of_two(half) * power_of_two(other)
}

#[inline(always)]
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits((exponent.wrapping_add(127) as u32) << 23)
}

#[inline(always)]
fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn gelu(x: f32) -> f32 {
    let size = (x * std::f32::consts::FRAC_1_SQRT_2).abs();
    let t = 1.0 / ERROR_P.mul_add(size, 1.0);
    let series = ERROR.iter().fold(0.0_f32, |sum, factor| sum.mul_add(t, *factor)) * t;
    let error = 1.0 - series * exp(-size * size);
    0.5 * x * (1.0 + error.copysign(x))
}

#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    let inner = std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2 * (0.044_715 * x * x).mul_add(x, x);
    // (1 + tanh y) / 2 is the logistic function of 2 y.
    x * logistic(2.0 * inner)
}

#[cfg(test)]
mod tests {
    use super::{Function, exp};

    #[test]
    fn each_function_is_what_it_says() {
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        // erf by its series, which converges everywhere.
        let erf = |x: f64| {
            let mut term = x;
            let mut sum = x;
            for n in 1..200 {
                term *= -x * x / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            sum * 2.0 / std::f64::consts::PI.sqrt()
        };
        let tanh = |x: f64| (0.797_884_560_802_865_4 * (x + 0.044_715 * x * x * x)).tanh();
        for step in -400..=400 {
            let x = f64::from(step) / 100.0;
            let check = |function: Function, expected: f64| {
                let mut found = [x as f32];
                function.apply(&mut found);
                let error = (f64::from(found[0]) - expected).abs();
                assert!(error <= 1e-6 * (1.0 + x.abs()), "{function:?}({x}) = {} is not {expected}", found[0]);
            };
            check(Function::Identity, x);
            check(Function::Gelu, 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)));
            check(Function::GeluTanh, 0.5 * x * (1.0 + tanh(x)));
            check(Function::QuickGelu, x * logistic(1.702 * x));
            check(Function::Silu, x * logistic(x));
        }
    }

    #[test]
    fn extremes_stay_numbers_and_what_is_none_stays_none() {
        for function in [Function::Gelu, Function::GeluTanh, Function::QuickGelu, Function::Silu] {
            let mut numbers = [1e4, -1e4, 0.0, f32::NAN];
            function.apply(&mut numbers);
            assert!(numbers[0] == 1e4 && numbers[1].abs() < 1e-30 && numbers[2] == 0.0, "{function:?}: {numbers:?}");
            assert!(numbers[3].is_nan(), "{function:?}");
        }
        for step in -870..=880 {
            let x = step as f32 / 10.0;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() < 3e-7, "exp({x}) = {}", exp(x));
        }
        assert!(exp(-1e9) < 2e-38 && exp(1e9).is_finite());
    }
}
