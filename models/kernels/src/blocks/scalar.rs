//! One number at a time: for any processor, and what the others are held against.

use half::f16;

use super::linear::{Job, kernel};
use super::{BLOCK, GROUPS, QUAD, Tile};
use crate::wide::Plain;

const COLUMNS: usize = 8;

kernel!(tile, Plain, 8, 4: 1 2 3 4);

/// Runs a layer.
pub(super) fn multiply(job: &mut Job<'_>) {
    walk(job);
}

fn tile<const ROWS: usize>(tile: &Tile<'_, COLUMNS>) -> [[f32; COLUMNS]; ROWS] {
    let mut results = [[0.0_f32; COLUMNS]; ROWS];
    for block in 0..tile.blocks {
        let (nibbles, scales) = (tile.nibbles(block), tile.scales(block));
        for (row, results) in results.iter_mut().enumerate() {
            let (x, at) = (tile.bytes(row, block), row * tile.blocks + block);
            for (column, result) in results.iter_mut().enumerate() {
                let mut sum = -tile.offsets[at];
                for input in 0..BLOCK / 2 {
                    let byte = nibbles[(input / QUAD * COLUMNS + column) * QUAD + input % QUAD];
                    sum += i32::from(byte & 15) * i32::from(x[input] as i8);
                    sum += i32::from(byte >> 4) * i32::from(x[input + GROUPS * QUAD] as i8);
                }
                let scale = f16::from_bits(scales[column]).to_f32() * tile.factors[at];
                *result = (sum as f32).mul_add(scale, *result);
            }
        }
    }
    results
}
