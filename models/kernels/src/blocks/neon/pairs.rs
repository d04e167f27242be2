//! Without dot products: four rows by eight outputs. Products are added up over a block in 16 bits: at most 8 · 15 · 127, which
//! fits.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::aarch64::{
    int16x8_t, int32x4_t, vaddq_s32, vand_u8, vdup_n_s32, vdup_n_u8, vdupq_n_f32, vdupq_n_s16, vdupq_n_s32, vld1_u8,
    vmlal_s8, vpaddlq_s16, vpaddq_s32, vreinterpret_s8_s32, vreinterpret_s8_u8, vshr_n_u8,
};

use super::{COLUMNS, scale, store};
use crate::Isa;
use crate::blocks::linear::{Job, kernel};
use crate::blocks::{GROUPS, QUAD, Tile, quad};
use crate::wide::neon::Neon;

/// Runs a layer that was packed for these instructions.
pub(crate) fn multiply(job: &mut Job<'_>) {
    assert!(Isa::Neon.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { walk(job) }
}

kernel!(#[target_feature(enable = "neon")] tile, Neon, 8, 4: 1 2 3 4);

#[inline]
#[target_feature(enable = "neon")]
fn tile<const ROWS: usize>(tile: &Tile<'_, COLUMNS>) -> [[f32; COLUMNS]; ROWS] {
    let mut results = [[vdupq_n_f32(0.0); 2]; ROWS];
    for block in 0..tile.blocks {
        // Each of four holds two outputs, of each four sums.
        let mut products: [[int16x8_t; 4]; ROWS] = [[vdupq_n_s16(0); 4]; ROWS];
        for (group, bytes) in tile.nibbles(block).as_chunks::<{ COLUMNS * QUAD }>().0.iter().enumerate() {
            for (place, bytes) in bytes.as_chunks::<8>().0.iter().enumerate() {
                // SAFETY: eight bytes.
                let bytes = unsafe { vld1_u8(bytes.as_ptr()) };
                let first = vreinterpret_s8_u8(vand_u8(bytes, vdup_n_u8(15)));
                let second = vreinterpret_s8_u8(vshr_n_u8::<4>(bytes));
                for (row, products) in products.iter_mut().enumerate() {
                    let x = tile.bytes(row, block);
                    let four = |at: usize| vreinterpret_s8_s32(vdup_n_s32(quad(x, at)));
                    let sum = vmlal_s8(products[place], first, four(group * QUAD));
                    products[place] = vmlal_s8(sum, second, four((group + GROUPS) * QUAD));
                }
            }
        }
        let mut sums: [[int32x4_t; 2]; ROWS] = [[vdupq_n_s32(0); 2]; ROWS];
        for (row, (sums, products)) in sums.iter_mut().zip(products).enumerate() {
            let offset = vdupq_n_s32(-tile.offsets[row * tile.blocks + block]);
            for (part, sum) in sums.iter_mut().enumerate() {
                let [first, second] = [products[2 * part], products[2 * part + 1]].map(|four| vpaddlq_s16(four));
                *sum = vaddq_s32(vpaddq_s32(first, second), offset);
            }
        }
        scale(tile, block, sums, &mut results);
    }
    store(results)
}
