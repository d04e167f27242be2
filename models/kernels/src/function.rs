//! Functions of one number that follow a layer in a network, computed on its results while these are in registers.
//!
//! Arithmetic without branches, on as many at once as a register holds; every instruction set gives the same bits.

use crate::wide::{ROUNDING, Wide};

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
/// ln 2 in two parts, the first exact in few bits.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// e^r for |r| <= ln 2 / 2, from the highest power (Cephes, expf).
const POWERS: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
/// The error function by a polynomial in 1 / (1 + p x), from the highest power (Abramowitz and Stegun 7.1.26).
const ERROR: [f32; 5] = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
const ERROR_P: f32 = 0.327_591_1;

impl Function {
    /// Of each number.
    #[inline(always)]
    pub(crate) fn of<S: Wide>(self, wide: S, x: S::Floats) -> S::Floats {
        match self {
            Self::Identity => x,
            Self::Gelu => gelu(wide, x),
            Self::GeluTanh => gelu_tanh(wide, x),
            Self::QuickGelu => wide.mul(x, logistic(wide, wide.mul(wide.splat(1.702), x))),
            Self::Silu => wide.mul(x, logistic(wide, x)),
        }
    }
}

/// Of what is no number: no number; never infinite.
#[inline(always)]
pub(crate) fn exp<S: Wide>(wide: S, x: S::Floats) -> S::Floats {
    let splat = |number| wide.splat(number);
    let x = wide.min(splat(EXPONENT.end), wide.max(splat(EXPONENT.start), x));
    let rounded = wide.mul_add(x, splat(std::f32::consts::LOG2_E), splat(ROUNDING));
    let whole = wide.sub(rounded, splat(ROUNDING));
    let rest = wide.mul_add(whole, splat(-LN_2[1]), wide.mul_add(whole, splat(-LN_2[0]), x));
    let series = wide.mul(polynomial(wide, &POWERS, rest), rest);
    let series = wide.mul_add(series, rest, wide.add(rest, splat(1.0)));
    let [half, other] = wide.powers_of_two(rounded);
    wide.mul(wide.mul(series, half), other)
}

/// Factors from the highest power on.
#[inline(always)]
fn polynomial<S: Wide, const N: usize>(wide: S, factors: &[f32; N], x: S::Floats) -> S::Floats {
    let mut sum = wide.splat(0.0);
    for factor in factors {
        sum = wide.mul_add(sum, x, wide.splat(*factor));
    }
    sum
}

#[inline(always)]
fn logistic<S: Wide>(wide: S, x: S::Floats) -> S::Floats {
    let one = wide.splat(1.0);
    wide.div(one, wide.add(one, exp(wide, wide.mul(x, wide.splat(-1.0)))))
}

#[inline(always)]
fn gelu<S: Wide>(wide: S, x: S::Floats) -> S::Floats {
    let one = wide.splat(1.0);
    let size = wide.size(wide.mul(x, wide.splat(std::f32::consts::FRAC_1_SQRT_2)));
    let t = wide.div(one, wide.mul_add(wide.splat(ERROR_P), size, one));
    let series = wide.mul(polynomial(wide, &ERROR, t), t);
    let square = wide.mul(wide.mul(size, wide.splat(-1.0)), size);
    let error = wide.sub(one, wide.mul(series, exp(wide, square)));
    wide.mul(wide.mul(wide.splat(0.5), x), wide.add(one, wide.signed(error, x)))
}

#[inline(always)]
fn gelu_tanh<S: Wide>(wide: S, x: S::Floats) -> S::Floats {
    let cube = wide.mul_add(wide.mul(wide.mul(wide.splat(0.044_715), x), x), x, x);
    // Twice √(2/π); (1 + tanh y) / 2 is the logistic function of 2 y.
    let factor = 2.0 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;
    wide.mul(x, logistic(wide, wide.mul(wide.splat(factor), cube)))
}

#[cfg(test)]
mod tests {
    use crate::wide::{Plain, Wide};

    use super::Function;

    fn of(function: Function, x: f32) -> f32 {
        function.of(Plain, Plain.splat(x))[0]
    }

    fn exp(x: f32) -> f32 {
        super::exp(Plain, Plain.splat(x))[0]
    }

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
                let found = of(function, x as f32);
                let error = (f64::from(found) - expected).abs();
                assert!(error <= 1e-6 * (1.0 + x.abs()), "{function:?}({x}) = {found} is not {expected}");
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
            let numbers = [1e4, -1e4, 0.0, f32::NAN].map(|x| of(function, x));
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
