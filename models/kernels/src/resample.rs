//! Pictures of three bytes a pixel made of weighted pixels of another: the rows first and then the columns, each into bytes, with
//! whole-number weights. Every instruction set gives the same bytes.

use crate::Isa;

/// Bits after the point of a weight. Eight bits of the pixel, the sign and one bit for overshoot are left of 32.
pub const WEIGHT_BITS: u32 = 22;
const CHANNELS: usize = 3;
/// Numbers of a pixel while it is worked on: its channels, filled up.
const LANES: usize = 4;
/// Half of a byte's step: sums begin there, so that cutting bits off rounds.
const HALF: i32 = 1 << (WEIGHT_BITS - 1);
/// Columns that are summed up together.
const BLOCK: usize = 32;

/// The source pixels that one target pixel is made of, along one side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taps {
    /// The first of them.
    pub first: usize,
    /// Their weights, with [`WEIGHT_BITS`] bits after the point; together one.
    pub weights: Vec<i32>,
}

impl Taps {
    fn end(&self) -> usize {
        self.first + self.weights.len()
    }
}

/// The pixels that `columns` and `rows` make of a picture that is `width` pixels wide: `[rows, columns, 3]`.
///
/// # Panics
/// When a tap lies outside of the picture, or the processor does not have the instructions.
#[must_use]
pub fn resample(isa: Isa, pixels: &[u8], width: usize, columns: &[Taps], rows: &[Taps]) -> Vec<u8> {
    assert!(columns.iter().all(|taps| taps.end() <= width), "a tap lies beyond {width} pixels");
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni | Isa::AvxVnni | Isa::Avx2 => x86::avx2(pixels, width, columns, rows),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonDot | Isa::Neon => arm::neon(pixels, width, columns, rows),
        _ => both(pixels, width, columns, rows, sums),
    }
}

/// The pixels of two rows, side by side.
type Pair = [u8; 2 * LANES];

fn sums(pixels: &[Pair], weights: &[i32]) -> [i32; 2 * LANES] {
    let mut sums = [HALF; 2 * LANES];
    for (pair, weight) in pixels.iter().zip(weights) {
        for (sum, byte) in sums.iter_mut().zip(pair) {
            *sum += i32::from(*byte) * weight;
        }
    }
    sums
}

/// With `sums`, which adds weighted pixels to a half.
#[inline(always)]
fn both(
    pixels: &[u8],
    width: usize,
    columns: &[Taps],
    rows: &[Taps],
    sums: impl Fn(&[Pair], &[i32]) -> [i32; 2 * LANES],
) -> Vec<u8> {
    let first = rows.iter().map(|taps| taps.first).min().unwrap_or(0);
    let last = rows.iter().map(Taps::end).max().unwrap_or(0);
    let narrow = across(&pixels[CHANNELS * width * first..CHANNELS * width * last], width, columns, sums);
    let small = down(&narrow, LANES * columns.len(), first, rows);
    let mut bare = Vec::with_capacity(small.len() / LANES * CHANNELS);
    for pixel in small.chunks_exact(LANES) {
        bare.extend_from_slice(&pixel[..CHANNELS]);
    }
    bare
}

/// Every row of `pixels` with one pixel, of [`LANES`] bytes, for each of `columns`.
#[inline(always)]
fn across(
    pixels: &[u8],
    width: usize,
    columns: &[Taps],
    sums: impl Fn(&[Pair], &[i32]) -> [i32; 2 * LANES],
) -> Vec<u8> {
    let (row, narrow_row) = (CHANNELS * width, LANES * columns.len());
    if row == 0 || narrow_row == 0 {
        return Vec::new();
    }
    let mut narrow = vec![0; pixels.len() / row * narrow_row];
    let mut pairs = vec![[0; 2 * LANES]; width];
    for (source, target) in pixels.chunks(2 * row).zip(narrow.chunks_mut(2 * narrow_row)) {
        for (place, row) in source.chunks_exact(row).enumerate() {
            let place = LANES * place..LANES * (place + 1);
            // The lane beyond the channels takes the next pixel's first byte, which nobody reads; the last pixel has none.
            for (pair, bytes) in pairs.iter_mut().zip(row.windows(LANES).step_by(CHANNELS)) {
                pair[place.clone()].copy_from_slice(bytes);
            }
            if let ([.., pair], [.., r, g, b]) = (&mut pairs[..], row) {
                pair[place].copy_from_slice(&[*r, *g, *b, 0]);
            }
        }
        for (column, taps) in columns.iter().enumerate() {
            let bytes = sums(&pairs[taps.first..taps.end()], &taps.weights).map(byte);
            for (row, pixel) in target.chunks_exact_mut(narrow_row).zip(bytes.chunks_exact(LANES)) {
                row[LANES * column..LANES * (column + 1)].copy_from_slice(pixel);
            }
        }
    }
    narrow
}

/// One row for each of `rows`, of a picture whose rows are `width` bytes and begin with the source's row `first`.
#[inline(always)]
fn down(narrow: &[u8], width: usize, first: usize, rows: &[Taps]) -> Vec<u8> {
    let mut small = vec![0; rows.len() * width];
    if width == 0 {
        return small;
    }
    for (taps, target) in rows.iter().zip(small.chunks_exact_mut(width)) {
        let source = &narrow[(taps.first - first) * width..(taps.end() - first) * width];
        for (block, target) in target.chunks_mut(BLOCK).enumerate() {
            let mut sums = [HALF; BLOCK];
            for (row, weight) in source.chunks_exact(width).zip(&taps.weights) {
                for (sum, byte) in sums.iter_mut().zip(&row[block * BLOCK..][..target.len()]) {
                    *sum += i32::from(*byte) * weight;
                }
            }
            for (byte_there, sum) in target.iter_mut().zip(sums) {
                *byte_there = byte(sum);
            }
        }
    }
    small
}

#[inline(always)]
fn byte(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS).clamp(0, 255) as u8
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(unsafe_code, reason = "instructions by name")]

    use core::arch::x86_64::{
        _mm_loadu_si64, _mm256_add_epi32, _mm256_cvtepu8_epi32, _mm256_mullo_epi32, _mm256_set1_epi32,
        _mm256_storeu_si256,
    };

    use super::{HALF, LANES, Pair, Taps, both};
    use crate::Isa;

    pub(super) fn avx2(pixels: &[u8], width: usize, columns: &[Taps], rows: &[Taps]) -> Vec<u8> {
        #[target_feature(enable = "avx2")]
        fn run(pixels: &[u8], width: usize, columns: &[Taps], rows: &[Taps]) -> Vec<u8> {
            both(pixels, width, columns, rows, |pixels, weights| sums(pixels, weights))
        }
        assert!(Isa::Avx2.is_available(), "the processor lacks AVX2");
        // SAFETY: the processor has the instructions.
        unsafe { run(pixels, width, columns, rows) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn sums(pixels: &[Pair], weights: &[i32]) -> [i32; 2 * LANES] {
        let mut sums = _mm256_set1_epi32(HALF);
        for (pair, weight) in pixels.iter().zip(weights) {
            // SAFETY: a pair is the eight bytes that are read.
            let pair = _mm256_cvtepu8_epi32(unsafe { _mm_loadu_si64(pair.as_ptr()) });
            sums = _mm256_add_epi32(sums, _mm256_mullo_epi32(pair, _mm256_set1_epi32(*weight)));
        }
        let mut numbers = [0; 2 * LANES];
        // SAFETY: the numbers are the eight that are written.
        unsafe { _mm256_storeu_si256(numbers.as_mut_ptr().cast(), sums) };
        numbers
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    #![allow(unsafe_code, reason = "instructions by name")]

    use core::arch::aarch64::{
        vdupq_n_s32, vget_low_u16, vld1_u8, vmlaq_n_s32, vmovl_high_u16, vmovl_u8, vmovl_u16, vreinterpretq_s32_u32,
        vst1q_s32,
    };

    use super::{HALF, LANES, Pair, Taps, both};

    pub(super) fn neon(pixels: &[u8], width: usize, columns: &[Taps], rows: &[Taps]) -> Vec<u8> {
        both(pixels, width, columns, rows, sums)
    }

    fn sums(pixels: &[Pair], weights: &[i32]) -> [i32; 2 * LANES] {
        // SAFETY: every 64-bit ARM processor has the instructions; a pair is the eight bytes that are read.
        unsafe {
            let (mut upper, mut lower) = (vdupq_n_s32(HALF), vdupq_n_s32(HALF));
            for (pair, weight) in pixels.iter().zip(weights) {
                let pair = vmovl_u8(vld1_u8(pair.as_ptr()));
                upper = vmlaq_n_s32(upper, vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(pair))), *weight);
                lower = vmlaq_n_s32(lower, vreinterpretq_s32_u32(vmovl_high_u16(pair)), *weight);
            }
            let mut numbers = [0; 2 * LANES];
            vst1q_s32(numbers.as_mut_ptr(), upper);
            vst1q_s32(numbers[LANES..].as_mut_ptr(), lower);
            numbers
        }
    }
}
