//! Kernels for 64-bit ARM.
#![allow(unsafe_code, reason = "instructions by name")]

pub(super) mod dot;
pub(super) mod pairs;

use std::arch::aarch64::{
    float32x4_t, int32x4_t, uint16x4_t, vandq_u32, vcvtq_f32_s32, vdupq_n_f32, vdupq_n_u32, vfmaq_f32, vld1_u16,
    vmovl_u16, vmulq_f32, vorrq_u32, vreinterpretq_f32_u32, vshlq_n_u32, vst1q_f32,
};

use super::Tile;

/// Outputs of a panel.
const COLUMNS: usize = 8;

/// Half floats as floats: their bits moved, and the difference of the two exponents' offsets made up for.
#[inline]
#[target_feature(enable = "neon")]
fn widen(halves: uint16x4_t) -> float32x4_t {
    let wide = vmovl_u16(halves);
    let sign = vshlq_n_u32::<16>(vandq_u32(wide, vdupq_n_u32(0x8000)));
    let size = vshlq_n_u32::<13>(vandq_u32(wide, vdupq_n_u32(0x7fff)));
    let offset = vdupq_n_f32(f32::from_bits((127 + 112) << 23));
    let size = vmulq_f32(vreinterpretq_f32_u32(size), offset);
    vreinterpretq_f32_u32(vorrq_u32(sign, std::arch::aarch64::vreinterpretq_u32_f32(size)))
}

/// Adds the sums of a block, times its scales, to the results.
#[inline]
#[target_feature(enable = "neon")]
fn scale<const ROWS: usize>(
    tile: &Tile<'_, COLUMNS>,
    block: usize,
    sums: [[int32x4_t; 2]; ROWS],
    results: &mut [[float32x4_t; 2]; ROWS],
) {
    let halves = tile.scales(block);
    for part in 0..2 {
        // SAFETY: four of the eight half floats.
        let scales = widen(unsafe { vld1_u16(halves[4 * part..][..4].as_ptr()) });
        for (row, (sums, results)) in sums.iter().zip(results.iter_mut()).enumerate() {
            let scales = vmulq_f32(scales, vdupq_n_f32(tile.factors[row * tile.blocks + block]));
            results[part] = vfmaq_f32(results[part], vcvtq_f32_s32(sums[part]), scales);
        }
    }
}

/// Results as numbers.
#[inline]
#[target_feature(enable = "neon")]
fn store<const ROWS: usize>(results: [[float32x4_t; 2]; ROWS]) -> [[f32; COLUMNS]; ROWS] {
    let mut found = [[0.0; COLUMNS]; ROWS];
    for (found, results) in found.iter_mut().zip(results) {
        for (found, result) in found.as_chunks_mut::<4>().0.iter_mut().zip(results) {
            // SAFETY: four floats.
            unsafe { vst1q_f32(found.as_mut_ptr(), result) }
        }
    }
    found
}
