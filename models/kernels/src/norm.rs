//! Rows brought to a mean square of one, about their mean (layer normalisation; Ba et al. 2016) or about zero (RMS normalisation; Zhang
//! and Sennrich 2019), then scaled and shifted: `(x - mean) / √(variance + epsilon) · scale + bias`.

use crate::wide::{self, STRIDE, Wide, Work, total};
use crate::{Isa, LinearError};

/// What rows of one width become.
#[derive(Clone, PartialEq, Debug)]
pub struct Norm {
    isa: Isa,
    width: usize,
    centred: bool,
    epsilon: f32,
    /// Filled up to whole strides.
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl Norm {
    /// For rows of `width` numbers on the fastest instructions of this processor; `centred`: about their mean.
    #[must_use]
    pub fn new(width: usize, centred: bool, epsilon: f32) -> Self {
        let wide = width.next_multiple_of(STRIDE);
        Self { isa: Isa::best(), width, centred, epsilon, scale: vec![1.0; wide], bias: vec![0.0; wide] }
    }

    /// The same on the instructions named, which the processor has to have when it comes to it.
    #[must_use]
    pub fn on(self, isa: Isa) -> Self {
        Self { isa, ..self }
    }

    /// The same with a factor for each number of a row.
    pub fn with_scale(mut self, scale: &[f32]) -> Result<Self, LinearError> {
        self.check(scale)?;
        self.scale[..scale.len()].copy_from_slice(scale);
        Ok(self)
    }

    /// The same with a number to add to each of a row.
    pub fn with_bias(mut self, bias: &[f32]) -> Result<Self, LinearError> {
        self.check(bias)?;
        self.bias[..bias.len()].copy_from_slice(bias);
        Ok(self)
    }

    /// Numbers of a row.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Replaces rows, `[rows, width]` row-major; what is not a whole row stays as it is.
    pub fn run(&self, rows: &mut [f32]) {
        wide::on(self.isa, Run { norm: self, rows });
    }

    fn check(&self, numbers: &[f32]) -> Result<(), LinearError> {
        if numbers.len() == self.width {
            return Ok(());
        }
        Err(LinearError::Shape { what: format!("{} numbers for rows of {}", numbers.len(), self.width) })
    }
}

struct Run<'a> {
    norm: &'a Norm,
    rows: &'a mut [f32],
}

impl Work for Run<'_> {
    #[inline(always)]
    fn run<S: Wide>(self, wide: S) {
        let Norm { width, centred, epsilon, scale, bias, .. } = self.norm;
        for row in self.rows.chunks_exact_mut((*width).max(1)) {
            let (strides, rest) = row.as_chunks_mut::<STRIDE>();
            let mean = if *centred { (sum(wide, strides) + rest.iter().sum::<f32>()) / *width as f32 } else { 0.0 };
            // What fills the last stride up is at the mean, and adds nothing.
            let mut last = [mean; STRIDE];
            last[..rest.len()].copy_from_slice(rest);
            let squares = squares(wide, strides.iter().chain([&last]), mean);
            let factor = 1.0 / (squares / *width as f32 + epsilon).sqrt();
            let whole = strides.iter_mut().chain([&mut last]);
            for ((x, scale), bias) in whole.zip(scale.as_chunks::<STRIDE>().0).zip(bias.as_chunks::<STRIDE>().0) {
                for part in 0..STRIDE / S::WIDTH {
                    let at = part * S::WIDTH;
                    let centred = wide.sub(wide.load(&x[at..]), wide.splat(mean));
                    let normal = wide.mul(centred, wide.splat(factor));
                    wide.store(wide.mul_add(normal, wide.load(&scale[at..]), wide.load(&bias[at..])), &mut x[at..]);
                }
            }
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }
}

#[inline(always)]
fn sum<S: Wide>(wide: S, strides: &[[f32; STRIDE]]) -> f32 {
    let mut sums = [wide.splat(0.0); STRIDE / 4];
    for x in strides {
        for (part, sum) in sums.iter_mut().enumerate().take(STRIDE / S::WIDTH) {
            *sum = wide.add(*sum, wide.load(&x[part * S::WIDTH..]));
        }
    }
    total(wide, &sums)
}

/// The sum of squares about the mean.
#[inline(always)]
fn squares<'a, S: Wide>(wide: S, strides: impl Iterator<Item = &'a [f32; STRIDE]>, mean: f32) -> f32 {
    let mut sums = [wide.splat(0.0); STRIDE / 4];
    for x in strides {
        for (part, sum) in sums.iter_mut().enumerate().take(STRIDE / S::WIDTH) {
            let centred = wide.sub(wide.load(&x[part * S::WIDTH..]), wide.splat(mean));
            *sum = wide.mul_add(centred, centred, *sum);
        }
    }
    total(wide, &sums)
}
