//! 256 bits at once with dot products: six rows by 16 outputs.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::x86_64::{_mm256_dpbusd_avx_epi32, _mm256_set1_epi32, _mm256_setzero_si256};

use super::half::{COLUMNS, STEP, load, store};
use super::quad;
use crate::Isa;
use crate::job::{Job, kernel};
use crate::wide::avx2::Avx2;

/// Runs a layer that was packed for these instructions.
pub(crate) fn multiply(job: &mut Job<'_>) {
    assert!(Isa::AvxVnni.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { walk(job) }
}

kernel!(#[target_feature(enable = "avx2,fma,avxvnni")] tile, Avx2::new(), 16, 6: 1 2 3 4 5 6);

#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn tile<const ROWS: usize>(panel: &[i8], rows: &[u8], depth: usize) -> [[i32; COLUMNS]; ROWS] {
    assert!(rows.len() == ROWS * depth && panel.len() == depth * COLUMNS);
    let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
    for (step, weights) in panel.as_chunks::<STEP>().0.iter().enumerate() {
        let weights = load(weights);
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: a row has four bytes for each of the depth / 4 steps, and there are that many rows.
            let x = _mm256_set1_epi32(unsafe { quad(rows, row * depth + 4 * step) });
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm256_dpbusd_avx_epi32(*sum, x, weights);
            }
        }
    }
    store(sums)
}
