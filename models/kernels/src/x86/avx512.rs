//! 512 bits at once: six rows by 64 outputs, 24 sums in registers.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::x86_64::{
    __m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::quad;
use crate::Isa;
use crate::job::{Job, kernel};
use crate::wide::avx512::Avx512;

const COLUMNS: usize = Isa::Avx512Vnni.columns();
/// Bytes of one step: four inputs of every output.
const STEP: usize = 4 * COLUMNS;

/// Runs a layer that was packed for these instructions.
pub(crate) fn multiply(job: &mut Job<'_>) {
    assert!(Isa::Avx512Vnni.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { walk(job) }
}

kernel!(#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma")] tile, Avx512::new(), 64, 6: 1 2 3 4 5 6);

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn tile<const ROWS: usize>(panel: &[i8], rows: &[u8], depth: usize) -> [[i32; COLUMNS]; ROWS] {
    assert!(rows.len() == ROWS * depth && panel.len() == depth * COLUMNS);
    let mut sums = [[_mm512_setzero_si512(); 4]; ROWS];
    for (step, weights) in panel.as_chunks::<STEP>().0.iter().enumerate() {
        let part = |part: usize| -> __m512i {
            // SAFETY: 64 of the step's 256 bytes.
            unsafe { _mm512_loadu_si512(weights[64 * part..][..64].as_ptr().cast()) }
        };
        let weights = [part(0), part(1), part(2), part(3)];
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: a row has four bytes for each of the depth / 4 steps, and there are that many rows.
            let x = _mm512_set1_epi32(unsafe { quad(rows, row * depth + 4 * step) });
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm512_dpbusd_epi32(*sum, x, weights);
            }
        }
    }
    let mut found = [[0; COLUMNS]; ROWS];
    for (found, sums) in found.iter_mut().zip(sums) {
        for (found, sum) in found.as_chunks_mut::<16>().0.iter_mut().zip(sums) {
            // SAFETY: 16 numbers of 32 bits.
            unsafe { _mm512_storeu_si512(found.as_mut_ptr().cast(), sum) }
        }
    }
    found
}
