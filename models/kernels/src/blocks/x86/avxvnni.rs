//! 256 bits at once with dot products: four rows by eight outputs.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::x86_64::{_mm256_dpbusd_avx_epi32, _mm256_set1_epi32, _mm256_setzero_ps};

use super::half::{COLUMNS, GROUP, scale, split, store};
use crate::Isa;
use crate::blocks::linear::{Job, kernel};
use crate::blocks::{GROUPS, QUAD, Tile, quad};
use crate::wide::avx2::Avx2;

/// Runs a layer that was packed for these instructions.
pub(crate) fn multiply(job: &mut Job<'_>) {
    assert!(Isa::AvxVnni.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { walk(job) }
}

kernel!(#[target_feature(enable = "avx2,fma,f16c,avxvnni")] tile, Avx2::new(), 8, 4: 1 2 3 4);

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
fn tile<const ROWS: usize>(tile: &Tile<'_, COLUMNS>) -> [[f32; COLUMNS]; ROWS] {
    let mut results = [_mm256_setzero_ps(); ROWS];
    for block in 0..tile.blocks {
        let mut sums = [_mm256_set1_epi32(0); ROWS];
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum = _mm256_set1_epi32(-tile.offsets[row * tile.blocks + block]);
        }
        for (group, bytes) in tile.nibbles(block).as_chunks::<GROUP>().0.iter().enumerate() {
            let [first, second] = split(bytes);
            for (row, sum) in sums.iter_mut().enumerate() {
                let x = tile.bytes(row, block);
                *sum = _mm256_dpbusd_avx_epi32(*sum, first, _mm256_set1_epi32(quad(x, group * QUAD)));
                *sum = _mm256_dpbusd_avx_epi32(*sum, second, _mm256_set1_epi32(quad(x, (group + GROUPS) * QUAD)));
            }
        }
        scale(tile, block, sums, &mut results);
    }
    store(results)
}
