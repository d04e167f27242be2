//! What the kernels of 256 bits share: eight outputs in one register.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::x86_64::{
    __m256, __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_fmadd_ps,
    _mm256_loadu_si256, _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_ps, _mm256_srli_epi16, _mm256_storeu_ps,
};

use crate::blocks::{QUAD, Tile};

/// Outputs of a panel.
pub(super) const COLUMNS: usize = 8;
/// Bytes of a group.
pub(super) const GROUP: usize = COLUMNS * QUAD;

/// Low and high nibbles of a group.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn split(bytes: &[u8; GROUP]) -> [__m256i; 2] {
    let low = _mm256_set1_epi8(15);
    // SAFETY: 32 bytes.
    let bytes = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
    [_mm256_and_si256(bytes, low), _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low)]
}

/// Adds the sums of a block, times its scales, to the results.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn scale<const ROWS: usize>(
    tile: &Tile<'_, COLUMNS>,
    block: usize,
    sums: [__m256i; ROWS],
    results: &mut [__m256; ROWS],
) {
    // SAFETY: eight half floats.
    let scales = _mm256_cvtph_ps(unsafe { _mm_loadu_si128(tile.scales(block).as_ptr().cast()) });
    for (row, (sum, result)) in sums.into_iter().zip(results).enumerate() {
        let factor = _mm256_set1_ps(tile.factors[row * tile.blocks + block]);
        *result = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), _mm256_mul_ps(scales, factor), *result);
    }
}

/// Results as numbers.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store<const ROWS: usize>(results: [__m256; ROWS]) -> [[f32; COLUMNS]; ROWS] {
    let mut found = [[0.0; COLUMNS]; ROWS];
    for (found, result) in found.iter_mut().zip(results) {
        // SAFETY: eight floats.
        unsafe { _mm256_storeu_ps(found.as_mut_ptr(), result) }
    }
    found
}
