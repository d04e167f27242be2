//! Discrete Fourier transforms of any length, small rather than fast.
//!
//! The inference library can transform sound and asks for the crate `rustfft` to do so, whose kernels for every length and
//! processor would be a tenth of the installed program. No model here has ears, so this crate stands in its place: the same
//! names as far as that library uses them, and one recursion for every length. A length n of prime factors p takes about
//! n · Σp steps.

use std::fmt::Debug;
use std::sync::Arc;

pub use num_complex;
pub use num_traits;

use num_complex::Complex;
use num_traits::{FromPrimitive, Signed, Zero};

/// A number that can be transformed.
pub trait FftNum: Copy + FromPrimitive + Signed + Sync + Send + Debug + 'static {}

impl<T: Copy + FromPrimitive + Signed + Sync + Send + Debug + 'static> FftNum for T {}

/// Which way: forward has the exponent -2πi, inverse +2πi. Neither divides by the length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FftDirection {
    /// From samples to frequencies.
    Forward,
    /// From frequencies to samples.
    Inverse,
}

/// A transform of one length and direction.
pub trait Fft<T: FftNum>: Sync + Send {
    /// Transforms each stretch of the planned length in place. Panics when `buffer` is not a whole number of them.
    fn process(&self, buffer: &mut [Complex<T>]);
}

/// Plans transforms.
#[derive(Clone, Copy, Default, Debug)]
pub struct FftPlanner<T> {
    number: std::marker::PhantomData<T>,
}

impl<T: FftNum> FftPlanner<T> {
    /// A planner; it keeps nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { number: std::marker::PhantomData }
    }

    /// A transform of `length` values.
    pub fn plan_fft(&mut self, length: usize, direction: FftDirection) -> Arc<dyn Fft<T>> {
        let turn = if direction == FftDirection::Forward { -std::f64::consts::TAU } else { std::f64::consts::TAU };
        let root = |k: usize| {
            let (sin, cos) = (turn * k as f64 / length as f64).sin_cos();
            Complex::new(T::from_f64(cos).unwrap_or_else(T::zero), T::from_f64(sin).unwrap_or_else(T::zero))
        };
        Arc::new(Plan { roots: (0..length).map(root).collect() })
    }

    /// A transform of `length` samples to frequencies.
    pub fn plan_fft_forward(&mut self, length: usize) -> Arc<dyn Fft<T>> {
        self.plan_fft(length, FftDirection::Forward)
    }
}

/// The powers of the first root of unity; as many as the transform is long.
struct Plan<T> {
    roots: Vec<Complex<T>>,
}

impl<T: FftNum> Fft<T> for Plan<T> {
    fn process(&self, buffer: &mut [Complex<T>]) {
        let length = self.roots.len();
        if length < 2 {
            return;
        }
        assert!(buffer.len().is_multiple_of(length), "{} values for a transform of {length}", buffer.len());
        for stretch in buffer.chunks_exact_mut(length) {
            let samples = stretch.to_vec();
            self.transform(&samples, 1, stretch);
        }
    }
}

impl<T: FftNum> Plan<T> {
    /// Transforms every `stride`-th sample into `out`: the parts of the smallest prime factor by themselves, then together.
    fn transform(&self, samples: &[Complex<T>], stride: usize, out: &mut [Complex<T>]) {
        let length = out.len();
        let Some(factor) = smallest_factor(length) else {
            out[0] = samples[0];
            return;
        };
        let part = length / factor;
        for (index, out) in out.chunks_exact_mut(part).enumerate() {
            self.transform(&samples[index * stride..], stride * factor, out);
        }
        let mut column = vec![Complex::zero(); factor];
        for k in 0..part {
            for (index, value) in column.iter_mut().enumerate() {
                *value = out[index * part + k];
            }
            for q in 0..factor {
                let bin = q * part + k;
                let root = |index: usize| self.roots[index * bin % length * stride];
                let sum = |sum, (index, value): (usize, &Complex<T>)| sum + *value * root(index);
                out[bin] = column.iter().enumerate().fold(Complex::zero(), sum);
            }
        }
    }
}

/// The smallest prime that divides `number`; none for 1.
fn smallest_factor(number: usize) -> Option<usize> {
    let divides = |factor: &usize| number.is_multiple_of(*factor);
    let small = (2..).take_while(|factor| factor * factor <= number).find(divides);
    small.or(Some(number)).filter(|factor| *factor > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, term by term.
    fn by_definition(samples: &[Complex<f64>], turn: f64) -> Vec<Complex<f64>> {
        let n = samples.len() as f64;
        let bin = |k: usize| {
            let term = |(i, x): (usize, &Complex<f64>)| {
                let (sin, cos) = (turn * (i * k) as f64 / n).sin_cos();
                x * Complex::new(cos, sin)
            };
            samples.iter().enumerate().map(term).sum()
        };
        (0..samples.len()).map(bin).collect()
    }

    #[test]
    fn every_length_agrees_with_the_definition() {
        for length in (1..=64).chain([97, 100, 128, 210, 243, 400]) {
            let sample = |i: usize| Complex::new((i as f64 * 1.7).sin(), (i as f64 * 0.9 + 1.0).cos());
            let samples: Vec<_> = (0..length).map(sample).collect();
            for (direction, turn) in
                [(FftDirection::Forward, -std::f64::consts::TAU), (FftDirection::Inverse, std::f64::consts::TAU)]
            {
                let mut found = samples.clone();
                FftPlanner::new().plan_fft(length, direction).process(&mut found);
                for (found, expected) in found.iter().zip(by_definition(&samples, turn)) {
                    assert!((found - expected).l1_norm() < 1e-9, "length {length}: {found} is not {expected}");
                }
            }
        }
    }
}
