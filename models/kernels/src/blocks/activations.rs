//! Rows of activations as int8 with a scale for each block.

use super::{BLOCK, ZERO};
use crate::Isa;

/// Added to a number below 2²², leaves it rounded to the nearest whole one, ties to even, in the low bits.
const ROUNDING: f32 = 12_582_912.0;
/// A block whose largest number is below this is taken for zeros: one over it would be infinite.
const SMALLEST: f32 = 1e-35;
/// Largest int8 of either sign that is used.
const LARGEST: f32 = 127.0;

/// Quantised rows. Room is kept from one use to the next.
#[derive(Clone, Debug)]
pub struct BlockActivations {
    isa: Isa,
    pub(super) inputs: usize,
    pub(super) bytes: Vec<i8>,
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
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni | Isa::AvxVnni | Isa::Avx2 => super::x86::quantise(self, x),
            _ => self.fill(x),
        }
    }

    /// Rows that were quantised.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.factors.len() / self.inputs.div_ceil(BLOCK).max(1)
    }

    /// The same for any instruction set; compiled anew into each that calls it.
    #[inline(always)]
    pub(super) fn fill(&mut self, x: &[f32]) {
        let blocks = self.inputs.div_ceil(BLOCK);
        if blocks == 0 {
            return;
        }
        let rows = x.chunks_exact(self.inputs).zip(self.bytes.chunks_exact_mut(blocks * BLOCK));
        let rows = rows.zip(self.factors.chunks_exact_mut(blocks)).zip(self.offsets.chunks_exact_mut(blocks));
        for (((x, bytes), factors), offsets) in rows {
            let mut parts = bytes.as_chunks_mut::<BLOCK>().0.iter_mut().zip(factors).zip(offsets);
            let (whole, rest) = x.as_chunks::<BLOCK>();
            for (x, ((bytes, factor), offset)) in whole.iter().zip(parts.by_ref()) {
                (*factor, *offset) = block(x, bytes);
            }
            if let Some(((bytes, factor), offset)) = parts.next() {
                let mut padded = [0.0; BLOCK];
                padded[..rest.len()].copy_from_slice(rest);
                (*factor, *offset) = block(&padded, bytes);
            }
        }
    }
}

/// Scale and offset of a block.
#[inline(always)]
fn block(x: &[f32; BLOCK], bytes: &mut [i8; BLOCK]) -> (f32, i32) {
    // Floats without their sign are in the order of their bits, and what is no number comes after all others.
    let largest = x.iter().fold(0, |most: u32, x| most.max(x.to_bits() & 0x7fff_ffff));
    let size = f32::from_bits(largest);
    let (scale, factor) = match size {
        _ if !size.is_finite() => (f32::NAN, 0.0),
        _ if size < SMALLEST => (0.0, 0.0),
        _ => (size / LARGEST, LARGEST / size),
    };
    for (byte, x) in bytes.iter_mut().zip(x) {
        *byte = (x * factor + ROUNDING).to_bits() as i8;
    }
    let sum: i32 = bytes.iter().map(|byte| i32::from(*byte)).sum();
    (scale, sum * i32::from(ZERO))
}
