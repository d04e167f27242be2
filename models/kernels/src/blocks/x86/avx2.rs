//! 256 bits at once without dot products: four rows by eight outputs.
//!
//! Products of nibbles and bytes are added in pairs, and these up over a block, in 16 bits: at most 8 · 2 · 15 · 127, which fits.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::x86_64::{
    _mm256_add_epi16, _mm256_add_epi32, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_setzero_ps, _mm256_setzero_si256,
};

use super::half::{COLUMNS, GROUP, scale, split, store};
use crate::Isa;
use crate::blocks::linear::{Job, kernel};
use crate::blocks::{GROUPS, QUAD, Tile, quad};
use crate::wide::avx2::Avx2;

/// Runs a layer that was packed for these instructions.
pub(crate) fn multiply(job: &mut Job<'_>) {
    assert!(Isa::Avx2.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { walk(job) }
}

kernel!(#[target_feature(enable = "avx2,fma,f16c")] tile, Avx2::new(), 8, 4: 1 2 3 4);

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn tile<const ROWS: usize>(tile: &Tile<'_, COLUMNS>) -> [[f32; COLUMNS]; ROWS] {
    let ones = _mm256_set1_epi16(1);
    let mut results = [_mm256_setzero_ps(); ROWS];
    for block in 0..tile.blocks {
        let mut pairs = [_mm256_setzero_si256(); ROWS];
        for (group, bytes) in tile.nibbles(block).as_chunks::<GROUP>().0.iter().enumerate() {
            let [first, second] = split(bytes);
            for (row, pairs) in pairs.iter_mut().enumerate() {
                let x = tile.bytes(row, block);
                let product = _mm256_maddubs_epi16(first, _mm256_set1_epi32(quad(x, group * QUAD)));
                *pairs = _mm256_add_epi16(*pairs, product);
                let product = _mm256_maddubs_epi16(second, _mm256_set1_epi32(quad(x, (group + GROUPS) * QUAD)));
                *pairs = _mm256_add_epi16(*pairs, product);
            }
        }
        let mut sums = [_mm256_setzero_si256(); ROWS];
        for (row, (sum, pairs)) in sums.iter_mut().zip(pairs).enumerate() {
            let offset = _mm256_set1_epi32(-tile.offsets[row * tile.blocks + block]);
            *sum = _mm256_add_epi32(_mm256_madd_epi16(pairs, ones), offset);
        }
        scale(tile, block, sums, &mut results);
    }
    store(results)
}
