//! 256 bits at once without dot products: four rows by 16 outputs.
//!
//! The instruction for products of bytes takes one side unsigned and adds pairs in 16 bits. So the sign of an activation is given
//! to the weights, and what is left of it is at most 127: a pair is at most 2 · 127 · 127, which fits.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::x86_64::{
    __m256i, _mm256_abs_epi8, _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_sign_epi8, _mm256_storeu_si256,
};

use super::quad;
use crate::job::{Job, kernel};
use crate::{Activations, Isa};

const COLUMNS: usize = Isa::Avx2.columns();
/// Bytes of one step: four inputs of every output.
const STEP: usize = 4 * COLUMNS;

/// Runs a layer that was packed for these instructions.
pub(crate) fn multiply(job: &mut Job<'_>) {
    assert!(Isa::Avx2.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { walk(job) }
}

/// Quantises rows.
pub(crate) fn quantise(rows: &mut Activations, x: &[f32]) {
    #[target_feature(enable = "avx2")]
    fn fill(rows: &mut Activations, x: &[f32]) {
        rows.fill(x);
    }
    assert!(Isa::Avx2.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { fill(rows, x) }
}

kernel!(#[target_feature(enable = "avx2,fma")] tile, 16, 4: 1 2 3 4);

#[inline]
#[target_feature(enable = "avx2")]
fn tile<const ROWS: usize>(panel: &[i8], rows: &[u8], depth: usize) -> [[i32; COLUMNS]; ROWS] {
    assert!(rows.len() == ROWS * depth && panel.len() == depth * COLUMNS);
    let ones = _mm256_set1_epi16(1);
    let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
    for (step, weights) in panel.as_chunks::<STEP>().0.iter().enumerate() {
        let part = |part: usize| -> __m256i {
            // SAFETY: 32 of the step's 64 bytes.
            unsafe { _mm256_loadu_si256(weights[32 * part..][..32].as_ptr().cast()) }
        };
        let weights = [part(0), part(1)];
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
    let mut found = [[0; COLUMNS]; ROWS];
    for (found, sums) in found.iter_mut().zip(sums) {
        for (found, sum) in found.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
            // SAFETY: eight numbers of 32 bits.
            unsafe { _mm256_storeu_si256(found.as_mut_ptr().cast(), sum) }
        }
    }
    found
}
