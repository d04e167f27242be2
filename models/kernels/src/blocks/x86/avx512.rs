//! 512 bits at once: eight rows by 16 outputs.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::x86_64::{
    _mm256_loadu_si256, _mm512_and_si512, _mm512_cvtepi32_ps, _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps,
    _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_srli_epi16, _mm512_storeu_ps,
};

use crate::Isa;
use crate::blocks::linear::{Job, kernel};
use crate::blocks::{GROUPS, QUAD, Tile, quad};
use crate::wide::avx512::Avx512;

const COLUMNS: usize = 16;
/// Bytes of a group.
const GROUP: usize = COLUMNS * QUAD;

/// Runs a layer that was packed for these instructions.
pub(crate) fn multiply(job: &mut Job<'_>) {
    assert!(Isa::Avx512Vnni.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { walk(job) }
}

kernel!(#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma")] tile, Avx512::new(), 16, 8: 1 2 3 4 5 6 7 8);

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma")]
fn tile<const ROWS: usize>(tile: &Tile<'_, COLUMNS>) -> [[f32; COLUMNS]; ROWS] {
    let low = _mm512_set1_epi8(15);
    let mut results = [_mm512_setzero_ps(); ROWS];
    for block in 0..tile.blocks {
        let mut sums = [_mm512_set1_epi32(0); ROWS];
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum = _mm512_set1_epi32(-tile.offsets[row * tile.blocks + block]);
        }
        for (group, bytes) in tile.nibbles(block).as_chunks::<GROUP>().0.iter().enumerate() {
            // SAFETY: 64 bytes.
            let bytes = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
            let first = _mm512_and_si512(bytes, low);
            let second = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), low);
            for (row, sum) in sums.iter_mut().enumerate() {
                let x = tile.bytes(row, block);
                *sum = _mm512_dpbusd_epi32(*sum, first, _mm512_set1_epi32(quad(x, group * QUAD)));
                *sum = _mm512_dpbusd_epi32(*sum, second, _mm512_set1_epi32(quad(x, (group + GROUPS) * QUAD)));
            }
        }
        // SAFETY: 16 half floats.
        let scales = _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(tile.scales(block).as_ptr().cast()) });
        for (row, (sum, result)) in sums.into_iter().zip(&mut results).enumerate() {
            let factor = _mm512_set1_ps(tile.factors[row * tile.blocks + block]);
            *result = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(scales, factor), *result);
        }
    }
    let mut found = [[0.0; COLUMNS]; ROWS];
    for (found, result) in found.iter_mut().zip(results) {
        // SAFETY: 16 floats.
        unsafe { _mm512_storeu_ps(found.as_mut_ptr(), result) }
    }
    found
}
