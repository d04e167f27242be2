//! Dot products of four bytes: eight rows by eight outputs. The intrinsic is not stable, the instruction by name is.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::aarch64::{int8x16_t, int32x4_t, vdupq_n_s8, vdupq_n_s32, vld1q_s8, vst1q_s32};
use std::arch::asm;

use crate::Isa;
use crate::job::{Job, kernel};
use crate::wide::neon::Neon;

const COLUMNS: usize = Isa::NeonDot.columns();
/// Inputs that are read at once of a row.
const STEP: usize = 16;

/// Runs a layer that was packed for these instructions.
pub(crate) fn multiply(job: &mut Job<'_>) {
    assert!(Isa::NeonDot.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { walk(job) }
}

kernel!(#[target_feature(enable = "neon,dotprod")] tile, Neon, 8, 8: 1 2 3 4 5 6 7 8);

/// Adds to each of four sums the dot product of its four weights with four of the activations, the ones of that lane.
macro_rules! dot {
    ($sum:expr, $weights:expr, $x:expr, $lane:literal) => {
        // SAFETY: registers alone; the function that this stands in is compiled for the instruction.
        unsafe {
            asm!(
                concat!("sdot {0:v}.4s, {1:v}.16b, {2:v}.4b[", $lane, "]"),
                inout(vreg) $sum, in(vreg) $weights, in(vreg_low16) $x,
                options(pure, nomem, nostack, preserves_flags)
            )
        }
    };
}

#[inline]
#[target_feature(enable = "neon,dotprod")]
fn tile<const ROWS: usize>(panel: &[i8], rows: &[u8], depth: usize) -> [[i32; COLUMNS]; ROWS] {
    assert!(rows.len() == ROWS * depth && panel.len() == depth * COLUMNS);
    let mut sums: [[int32x4_t; 2]; ROWS] = [[vdupq_n_s32(0); 2]; ROWS];
    for (step, weights) in panel.as_chunks::<{ STEP * COLUMNS }>().0.iter().enumerate() {
        let mut x: [int8x16_t; ROWS] = [vdupq_n_s8(0); ROWS];
        for (row, x) in x.iter_mut().enumerate() {
            // SAFETY: a row has 16 bytes for each of the depth / 16 steps, and there are that many rows.
            *x = unsafe { vld1q_s8(rows.as_ptr().add(row * depth + STEP * step).cast()) };
        }
        macro_rules! quad {
            ($number:literal, $lane:literal) => {
                let part = |part: usize| {
                    // SAFETY: 16 of the step's 128 bytes.
                    unsafe { vld1q_s8(weights[32 * $number + 16 * part..][..16].as_ptr()) }
                };
                let (low, high) = (part(0), part(1));
                for (sums, x) in sums.iter_mut().zip(x) {
                    dot!(sums[0], low, x, $lane);
                    dot!(sums[1], high, x, $lane);
                }
            };
        }
        quad!(0, "0");
        quad!(1, "1");
        quad!(2, "2");
        quad!(3, "3");
    }
    let mut found = [[0; COLUMNS]; ROWS];
    for (found, sums) in found.iter_mut().zip(sums) {
        for (found, sum) in found.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
            // SAFETY: four numbers of 32 bits.
            unsafe { vst1q_s32(found.as_mut_ptr(), sum) }
        }
    }
    found
}
