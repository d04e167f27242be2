//! Rows of activations as int8 with a scale for each block.

use super::{BLOCK, ZERO};
use crate::Isa;
use crate::activations::{grow, largest, round, scale_and_factor};
use crate::wide::{self, STRIDE, Wide, Work};

/// Quantised rows. Room is kept from one use to the next.
#[derive(Clone, Debug)]
pub struct BlockActivations {
    isa: Isa,
    pub(super) inputs: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) factors: Vec<f32>,
    pub(super) offsets: Vec<i32>,
}

impl BlockActivations {
    /// No rows; quantised with the instructions named, which the processor has to have when it comes to it.
    #[must_use]
    pub const fn new(isa: Isa) -> Self {
        Self { isa, inputs: 0, bytes: Vec::new(), factors: Vec::new(), offsets: Vec::new() }
    }

    /// Quantises `x`, `[rows, inputs]` row-major, in place of the rows before. Numbers that are not whole rows are left out. A
    /// block with a number that is infinite or none has no scale either: what is computed from it is no number.
    pub fn quantise(&mut self, x: &[f32], inputs: usize) {
        self.inputs = inputs;
        let rows = x.len() / inputs.max(1);
        let blocks = inputs.div_ceil(BLOCK);
        self.bytes.resize(rows * blocks * BLOCK, 0);
        self.factors.resize(rows * blocks, 0.0);
        self.offsets.resize(rows * blocks, 0);
        wide::on(self.isa, Quantise { rows: self, x });
    }

    /// Rows that were quantised.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.factors.len() / self.inputs.div_ceil(BLOCK).max(1)
    }
}

struct Quantise<'a> {
    rows: &'a mut BlockActivations,
    x: &'a [f32],
}

impl Work for Quantise<'_> {
    #[inline(always)]
    fn run<S: Wide>(self, wide: S) {
        let BlockActivations { inputs, bytes, factors, offsets, .. } = self.rows;
        let blocks = inputs.div_ceil(BLOCK);
        if blocks == 0 {
            return;
        }
        let rows = self.x.chunks_exact(*inputs).zip(bytes.chunks_exact_mut(blocks * BLOCK));
        let rows = rows.zip(factors.chunks_exact_mut(blocks)).zip(offsets.chunks_exact_mut(blocks));
        for (((x, bytes), factors), offsets) in rows {
            let mut parts = bytes.as_chunks_mut::<BLOCK>().0.iter_mut().zip(factors).zip(offsets);
            let (whole, rest) = x.as_chunks::<BLOCK>();
            for (x, ((bytes, factor), offset)) in whole.iter().zip(parts.by_ref()) {
                (*factor, *offset) = block(wide, x, bytes);
            }
            if let Some(((bytes, factor), offset)) = parts.next() {
                let mut padded = [0.0; BLOCK];
                padded[..rest.len()].copy_from_slice(rest);
                (*factor, *offset) = block(wide, &padded, bytes);
            }
        }
    }
}

/// Scale and offset of a block.
#[inline(always)]
fn block<S: Wide>(wide: S, x: &[f32; BLOCK], bytes: &mut [u8; BLOCK]) -> (f32, i32) {
    let (x, bytes) = (x.as_chunks::<STRIDE>().0, bytes.as_chunks_mut::<STRIDE>().0);
    let mut most = [wide.splat(0.0); STRIDE / 4];
    for x in x {
        grow(wide, &mut most, x);
    }
    let (scale, factor) = scale_and_factor(largest(wide, &most));
    let mut sum = 0.0;
    for (x, bytes) in x.iter().zip(bytes) {
        sum += wide::total(wide, &round(wide, x, factor, 0, bytes));
    }
    // A sum of so few bytes is whole; of what is no number, nobody looks at it.
    (scale, sum as i32 * i32::from(ZERO))
}
