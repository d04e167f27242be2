//! Eight floats.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::x86_64::{
    __m256, __m256i, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_cvtepi32_ps, _mm256_div_ps, _mm256_extract_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_max_epu32, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_or_si256, _mm256_packus_epi16,
    _mm256_packus_epi32, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32, _mm256_srai_epi32, _mm256_storeu_ps,
    _mm256_sub_epi32, _mm256_sub_ps,
};

use super::{ROUNDING, Wide, Work};
use crate::Isa;

/// The processor has AVX2 and fused multiplication and addition.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

const WIDTH: usize = 8;

impl Avx2 {
    /// What may call this has the instructions.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn new() -> Self {
        Self(())
    }
}

/// Does work with them, on a processor that has them.
pub(super) fn run(work: impl Work) {
    #[target_feature(enable = "avx2,fma")]
    fn inner(work: impl Work) {
        work.run(Avx2::new());
    }
    assert!(Isa::Avx2.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { inner(work) }
}

// SAFETY, of every block below: there is no `self` without the instructions, and slices are checked for what is read or written.
impl Wide for Avx2 {
    type Floats = __m256;

    const WIDTH: usize = WIDTH;

    #[inline(always)]
    fn splat(self, number: f32) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_set1_ps(number) }
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_loadu_ps(from[..WIDTH].as_ptr()) }
    }
    #[inline(always)]
    fn load_differences(self, from: &[i32], less: &[i32]) -> __m256 {
        let (from, less) = (from[..WIDTH].as_ptr().cast(), less[..WIDTH].as_ptr().cast());
        // SAFETY: as above.
        unsafe { _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_loadu_si256(from), _mm256_loadu_si256(less))) }
    }
    #[inline(always)]
    fn store(self, floats: __m256, to: &mut [f32]) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(to[..WIDTH].as_mut_ptr(), floats) }
    }
    #[inline(always)]
    fn store_low_bytes(self, floats: __m256, offset: u8, to: &mut [u8]) {
        // SAFETY: as above.
        let halves = unsafe { low_bytes(floats, offset) };
        for (to, four) in to[..WIDTH].as_chunks_mut::<4>().0.iter_mut().zip(halves) {
            *to = four.to_le_bytes();
        }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    fn size(self, floats: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { masked(floats, i32::MAX) }
    }
    #[inline(always)]
    fn signed(self, size: __m256, sign: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe {
            let sign = _mm256_castps_si256(masked(sign, i32::MIN));
            _mm256_castsi256_ps(_mm256_or_si256(_mm256_castps_si256(size), sign))
        }
    }
    #[inline(always)]
    fn max_of_bits(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_castsi256_ps(_mm256_max_epu32(_mm256_castps_si256(a), _mm256_castps_si256(b))) }
    }
    #[inline(always)]
    fn powers_of_two(self, rounded: __m256) -> [__m256; 2] {
        // SAFETY: as above.
        unsafe {
            let whole = _mm256_sub_epi32(_mm256_castps_si256(rounded), _mm256_set1_epi32(ROUNDING.to_bits() as i32));
            let half = _mm256_srai_epi32::<1>(whole);
            [power(half), power(_mm256_sub_epi32(whole, half))]
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn masked(floats: __m256, mask: i32) -> __m256 {
    _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(floats), _mm256_set1_epi32(mask)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn power(exponent: __m256i) -> __m256 {
    _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(exponent, _mm256_set1_epi32(127))))
}

/// The lowest byte of each, with the offset; four in a number.
#[inline]
#[target_feature(enable = "avx2")]
fn low_bytes(floats: __m256, offset: u8) -> [i32; 2] {
    let moved = _mm256_add_epi32(_mm256_castps_si256(floats), _mm256_set1_epi32(i32::from(offset)));
    let bytes = _mm256_and_si256(moved, _mm256_set1_epi32(0xff));
    let pairs = _mm256_packus_epi32(bytes, bytes);
    let quads = _mm256_packus_epi16(pairs, pairs);
    [_mm256_extract_epi32::<0>(quads), _mm256_extract_epi32::<4>(quads)]
}
