//! What the kernels of 256 bits share: 16 outputs in two registers.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_storeu_si256};

/// Outputs of a panel.
pub(super) const COLUMNS: usize = 16;
/// Bytes of one step: four inputs of every output.
pub(super) const STEP: usize = 4 * COLUMNS;

/// The weights of one step.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load(weights: &[i8; STEP]) -> [__m256i; 2] {
    let part = |part: usize| {
        // SAFETY: 32 of the step's 64 bytes.
        unsafe { _mm256_loadu_si256(weights[32 * part..][..32].as_ptr().cast()) }
    };
    [part(0), part(1)]
}

/// Sums as numbers.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store<const ROWS: usize>(sums: [[__m256i; 2]; ROWS]) -> [[i32; COLUMNS]; ROWS] {
    let mut found = [[0; COLUMNS]; ROWS];
    for (found, sums) in found.iter_mut().zip(sums) {
        for (found, sum) in found.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
            // SAFETY: eight numbers of 32 bits.
            unsafe { _mm256_storeu_si256(found.as_mut_ptr().cast(), sum) }
        }
    }
    found
}
