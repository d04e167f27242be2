//! Without dot products: four rows by eight outputs. Two products of bytes are added in 16 bits, which holds 2 · 127 · 127, and
//! then in pairs to 32 bits.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::aarch64::{
    int8x8_t, int32x4_t, vdup_n_s32, vdupq_n_s32, vld1_s8, vpaddq_s32, vreinterpret_s8_s32, vst1q_s32,
};
use std::arch::asm;

use crate::Isa;
use crate::job::{Job, kernel};
use crate::wide::neon::Neon;

const COLUMNS: usize = Isa::Neon.columns();
/// Inputs of one step: two times four.
const STEP: usize = 8;
/// Bytes of four inputs of every output.
const QUAD: usize = 4 * COLUMNS;

/// Runs a layer that was packed for these instructions.
pub(crate) fn multiply(job: &mut Job<'_>) {
    assert!(Isa::Neon.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { walk(job) }
}

kernel!(#[target_feature(enable = "neon")] tile, Neon, 8, 4: 1 2 3 4);

#[inline]
#[target_feature(enable = "neon")]
fn tile<const ROWS: usize>(panel: &[i8], rows: &[u8], depth: usize) -> [[i32; COLUMNS]; ROWS] {
    assert!(rows.len() == ROWS * depth && panel.len() == depth * COLUMNS);
    // Each sum of four holds two outputs: even and odd halves of their inputs.
    let mut sums: [[int32x4_t; 4]; ROWS] = [[vdupq_n_s32(0); 4]; ROWS];
    for (step, weights) in panel.as_chunks::<{ STEP * COLUMNS }>().0.iter().enumerate() {
        let part = |quad: usize, part: usize| -> int8x8_t {
            // SAFETY: eight of the step's 64 bytes.
            unsafe { vld1_s8(weights[QUAD * quad + 8 * part..][..8].as_ptr()) }
        };
        for (row, sums) in sums.iter_mut().enumerate() {
            let x = |quad: usize| {
                let at = row * depth + STEP * step + 4 * quad;
                debug_assert!(at + 4 <= rows.len());
                // SAFETY: a row has eight bytes for each of the depth / 8 steps, and there are that many rows.
                let four = unsafe { rows.as_ptr().add(at).cast::<i32>().read_unaligned() };
                vreinterpret_s8_s32(vdup_n_s32(four))
            };
            let (first, second) = (x(0), x(1));
            for (place, sum) in sums.iter_mut().enumerate() {
                add_products(sum, [part(0, place), part(1, place)], [first, second]);
            }
        }
    }
    let mut found = [[0; COLUMNS]; ROWS];
    for (found, sums) in found.iter_mut().zip(sums) {
        let outputs = [vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3])];
        for (found, four) in found.as_chunks_mut::<4>().0.iter_mut().zip(outputs) {
            // SAFETY: four numbers of 32 bits.
            unsafe { vst1q_s32(found.as_mut_ptr(), four) }
        }
    }
    found
}

/// Adds to each of four sums four products of weights with activations. In one piece, because a compiler that takes it apart to hide
/// what each instruction takes runs out of registers, and half as many again are spent on moving these.
#[inline]
#[target_feature(enable = "neon")]
fn add_products(sums: &mut int32x4_t, weights: [int8x8_t; 2], x: [int8x8_t; 2]) {
    // SAFETY: registers alone.
    unsafe {
        asm!(
            "smull {products:v}.8h, {w0:v}.8b, {x0:v}.8b",
            "smlal {products:v}.8h, {w1:v}.8b, {x1:v}.8b",
            "sadalp {sums:v}.4s, {products:v}.8h",
            products = out(vreg) _,
            sums = inout(vreg) *sums,
            w0 = in(vreg) weights[0], w1 = in(vreg) weights[1],
            x0 = in(vreg) x[0], x1 = in(vreg) x[1],
            options(pure, nomem, nostack, preserves_flags)
        );
    }
}
