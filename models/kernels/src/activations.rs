//! Rows of activations as int8, each with its own scale. Several layers that read the same rows share one.

use crate::Isa;
use crate::pack::depth;

/// Added to a number below 2²², leaves it rounded to the nearest whole one, ties to even, in the low bits.
const ROUNDING: f32 = 12_582_912.0;
/// Bits of the smallest float that is no number.
const NO_NUMBER: u32 = 0x7f80_0000;
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
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => crate::x86::avx512::quantise(self, x),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni | Isa::Avx2 => crate::x86::avx2::quantise(self, x),
            _ => self.fill(x),
        }
    }

    /// Rows that were quantised.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.scales.len()
    }

    /// The same for any instruction set; compiled anew into each that calls it.
    #[inline(always)]
    pub(crate) fn fill(&mut self, x: &[f32]) {
        let (inputs, offset) = (self.inputs, self.isa.offset());
        if inputs == 0 {
            return;
        }
        let rows = x.chunks_exact(inputs).zip(self.bytes.chunks_exact_mut(depth(inputs))).zip(&mut self.scales);
        for ((x, bytes), scale) in rows {
            // Floats without their sign are in the order of their bits, and what is no number comes after all others.
            let largest = x.iter().fold(0, |most: u32, x| most.max(x.to_bits() & 0x7fff_ffff));
            let size = f32::from_bits(largest);
            let (of_row, factor) = match size {
                _ if largest >= NO_NUMBER => (f32::NAN, 0.0),
                _ if size < SMALLEST => (0.0, 0.0),
                _ => (size / LARGEST, LARGEST / size),
            };
            *scale = of_row;
            let (used, padding) = bytes.split_at_mut(inputs);
            for (byte, x) in used.iter_mut().zip(x) {
                *byte = ((x * factor + ROUNDING).to_bits() as u8).wrapping_add(offset);
            }
            padding.fill(offset);
        }
    }
}
