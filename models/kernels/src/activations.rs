//! Rows of activations as int8, each with its own scale. Several layers that read the same rows share one.

use crate::Isa;
use crate::pack::depth;
use crate::wide::{self, Parts, ROUNDING, STRIDE, Wide, Work};

/// A row whose largest number is below this is taken for zeros: one over it would be infinite.
const SMALLEST: f32 = 1e-35;
/// Largest int8 of either sign that is used.
const LARGEST: f32 = 127.0;

/// Quantised rows. Room is kept from one use to the next.
#[derive(Clone, Debug)]
pub struct Activations {
    pub(crate) isa: Isa,
    pub(crate) inputs: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) scales: Vec<f32>,
}

impl Activations {
    /// No rows, for layers on that instruction set.
    #[must_use]
    pub const fn new(isa: Isa) -> Self {
        Self { isa, inputs: 0, bytes: Vec::new(), scales: Vec::new() }
    }

    /// Quantises `x`, `[rows, inputs]` row-major, in place of the rows before. Numbers that are not whole rows are left out. A row
    /// with a number that is infinite or none has no scale either: what is computed from it is no number.
    pub fn quantise(&mut self, x: &[f32], inputs: usize) {
        self.inputs = inputs;
        let rows = x.len() / inputs.max(1);
        self.bytes.resize(rows * depth(inputs), 0);
        self.scales.resize(rows, 0.0);
        wide::on(self.isa, Quantise { rows: self, x });
    }

    /// Rows that were quantised.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.scales.len()
    }
}

struct Quantise<'a> {
    rows: &'a mut Activations,
    x: &'a [f32],
}

impl Work for Quantise<'_> {
    #[inline(always)]
    fn run<S: Wide>(self, wide: S) {
        let Activations { isa, inputs, bytes, scales } = self.rows;
        if *inputs == 0 {
            return;
        }
        let rows = self.x.chunks_exact(*inputs).zip(bytes.chunks_exact_mut(depth(*inputs))).zip(scales);
        for ((x, bytes), scale) in rows {
            let (whole, rest) = x.as_chunks::<STRIDE>();
            let mut last = [0.0; STRIDE];
            last[..rest.len()].copy_from_slice(rest);
            let mut most = [wide.splat(0.0); STRIDE / 4];
            for x in whole {
                grow(wide, &mut most, x);
            }
            grow(wide, &mut most, &last);
            let (of_row, factor) = scale_and_factor(largest(wide, &most));
            *scale = of_row;
            // Rows of bytes are whole strides; what fills them up is a number like any other: zero.
            let (bytes, _) = bytes.as_chunks_mut::<STRIDE>();
            for (x, bytes) in whole.iter().chain([&last]).zip(bytes) {
                round(wide, x, factor, isa.offset(), bytes);
            }
        }
    }
}

/// The larger of each part and the numbers without their signs.
#[inline(always)]
pub(crate) fn grow<S: Wide>(wide: S, most: &mut Parts<S>, x: &[f32; STRIDE]) {
    for part in 0..STRIDE / S::WIDTH {
        most[part] = wide.max_of_bits(most[part], wide.size(wide.load(&x[part * S::WIDTH..])));
    }
}

/// The largest of all parts; what is no number is larger than what is.
#[inline(always)]
pub(crate) fn largest<S: Wide>(wide: S, most: &Parts<S>) -> f32 {
    let mut largest = 0;
    for number in wide::spread(wide, most) {
        largest = number.to_bits().max(largest);
    }
    f32::from_bits(largest)
}

/// What int8 numbers are to be multiplied with, and floats before they are rounded, where the largest has this size.
#[inline(always)]
pub(crate) fn scale_and_factor(size: f32) -> (f32, f32) {
    match size {
        _ if !size.is_finite() => (f32::NAN, 0.0),
        _ if size < SMALLEST => (0.0, 0.0),
        _ => (size / LARGEST, LARGEST / size),
    }
}

/// Numbers as int8, with what is added to these; returns the int8 numbers as floats.
#[inline(always)]
pub(crate) fn round<S: Wide>(
    wide: S,
    x: &[f32; STRIDE],
    factor: f32,
    offset: u8,
    bytes: &mut [u8; STRIDE],
) -> Parts<S> {
    let mut numbers = [wide.splat(0.0); STRIDE / 4];
    for (part, number) in numbers.iter_mut().enumerate().take(STRIDE / S::WIDTH) {
        let at = part * S::WIDTH;
        let rounded = wide.add(wide.mul(wide.load(&x[at..]), wide.splat(factor)), wide.splat(ROUNDING));
        wide.store_low_bytes(rounded, offset, &mut bytes[at..]);
        *number = wide.sub(rounded, wide.splat(ROUNDING));
    }
    numbers
}
