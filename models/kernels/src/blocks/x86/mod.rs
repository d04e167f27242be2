//! Kernels for x86.
#![allow(unsafe_code, reason = "instructions by name")]

pub(super) mod avx2;
pub(super) mod avx512;
pub(super) mod avxvnni;
mod half;

use super::{BLOCK, BlockActivations};
use crate::Isa;

/// Quantises rows with 256 bits at once.
pub(super) fn quantise(rows: &mut BlockActivations, x: &[f32]) {
    #[target_feature(enable = "avx2")]
    fn fill(rows: &mut BlockActivations, x: &[f32]) {
        rows.fill(x);
    }
    assert!(Isa::Avx2.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { fill(rows, x) }
}

/// Four activations of a block, from `at` on, as one number.
#[inline(always)]
fn quad(x: &[i8; BLOCK], at: usize) -> i32 {
    i32::from_le_bytes([x[at] as u8, x[at + 1] as u8, x[at + 2] as u8, x[at + 3] as u8])
}
