//! One number at a time: for any processor, and what the others are held against.

use crate::job::{Job, kernel};
use crate::pack::QUAD;
use crate::wide::Plain;

kernel!(tile, Plain, 8, 4: 1 2 3 4);

/// Runs a layer.
pub(crate) fn multiply(job: &mut Job<'_>) {
    walk(job);
}

fn tile<const ROWS: usize>(panel: &[i8], rows: &[u8], depth: usize) -> [[i32; 8]; ROWS] {
    let mut sums = [[0; 8]; ROWS];
    for (quad, weights) in panel.chunks_exact(8 * QUAD).enumerate() {
        for (row, sums) in sums.iter_mut().enumerate() {
            let bytes = &rows[row * depth + quad * QUAD..][..QUAD];
            for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(QUAD)) {
                *sum += weights.iter().zip(bytes).map(|(w, x)| i32::from(*w) * i32::from(*x as i8)).sum::<i32>();
            }
        }
    }
    sums
}
