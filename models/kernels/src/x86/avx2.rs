//! 256 bits at once without dot products: four rows by 16 outputs.
//!
//! The instruction for products of bytes takes one side unsigned and adds pairs in 16 bits. So the sign of an activation is given
//! to the weights, and what is left of it is at most 127: a pair is at most 2 · 127 · 127, which fits.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::x86_64::{
    _mm256_abs_epi8, _mm256_add_epi32, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_sign_epi8,
};

use super::half::{COLUMNS, STEP, load, store};
use super::quad;
use crate::Isa;
use crate::job::{Job, kernel};
use crate::wide::avx2::Avx2;

/// Runs a layer that was packed for these instructions.
pub(crate) fn multiply(job: &mut Job<'_>) {
    assert!(Isa::Avx2.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { walk(job) }
}

kernel!(#[target_feature(enable = "avx2,fma")] tile, Avx2::new(), 16, 4: 1 2 3 4);

#[inline]
#[target_feature(enable = "avx2")]
fn tile<const ROWS: usize>(panel: &[i8], rows: &[u8], depth: usize) -> [[i32; COLUMNS]; ROWS] {
    assert!(rows.len() == ROWS * depth && panel.len() == depth * COLUMNS);
    let ones = _mm256_set1_epi16(1);
    let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
    for (step, weights) in panel.as_chunks::<STEP>().0.iter().enumerate() {
        let weights = load(weights);
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: a row has four bytes for each of the depth / 4 steps, and there are that many rows.
            let x = _mm256_set1_epi32(unsafe { quad(rows, row * depth + 4 * step) });
            let size = _mm256_abs_epi8(x);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                let pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(weights, x));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
    }
    store(sums)
}
