//! Dot products of four bytes: four rows by eight outputs. The intrinsic is not stable, the instruction by name is.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::aarch64::{
    int8x16_t, int32x4_t, vandq_u8, vdupq_n_f32, vdupq_n_s32, vdupq_n_u8, vld1q_s8, vld1q_u8, vreinterpretq_s8_u8,
    vshrq_n_u8,
};
use std::arch::asm;

use super::{COLUMNS, scale, store};
use crate::Isa;
use crate::blocks::linear::{Job, kernel};
use crate::blocks::{QUAD, Tile};
use crate::wide::neon::Neon;

/// Runs a layer that was packed for these instructions.
pub(crate) fn multiply(job: &mut Job<'_>) {
    assert!(Isa::NeonDot.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { walk(job) }
}

kernel!(#[target_feature(enable = "neon,dotprod")] tile, Neon, 8, 4: 1 2 3 4);

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
fn tile<const ROWS: usize>(tile: &Tile<'_, COLUMNS>) -> [[f32; COLUMNS]; ROWS] {
    let mut results = [[vdupq_n_f32(0.0); 2]; ROWS];
    for block in 0..tile.blocks {
        let mut sums: [[int32x4_t; 2]; ROWS] = [[vdupq_n_s32(0); 2]; ROWS];
        let mut x: [[int8x16_t; 2]; ROWS] = [[vreinterpretq_s8_u8(vdupq_n_u8(0)); 2]; ROWS];
        for (row, (sums, x)) in sums.iter_mut().zip(&mut x).enumerate() {
            *sums = [vdupq_n_s32(-tile.offsets[row * tile.blocks + block]); 2];
            let bytes = tile.bytes(row, block).as_chunks::<16>().0;
            for (x, bytes) in x.iter_mut().zip(bytes) {
                // SAFETY: 16 bytes.
                *x = unsafe { vld1q_s8(bytes.as_ptr().cast()) };
            }
        }
        let groups = tile.nibbles(block).as_chunks::<{ COLUMNS * QUAD }>().0;
        macro_rules! group {
            ($number:literal, $lane:literal) => {
                for part in 0..2 {
                    // SAFETY: 16 of the group's 32 bytes.
                    let bytes = unsafe { vld1q_u8(groups[$number][16 * part..][..16].as_ptr()) };
                    let first = vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15)));
                    let second = vreinterpretq_s8_u8(vshrq_n_u8::<4>(bytes));
                    for (sums, x) in sums.iter_mut().zip(&x) {
                        dot!(sums[part], first, x[0], $lane);
                        dot!(sums[part], second, x[1], $lane);
                    }
                }
            };
        }
        group!(0, "0");
        group!(1, "1");
        group!(2, "2");
        group!(3, "3");
        scale(tile, block, sums, &mut results);
    }
    store(results)
}
