//! 16 floats.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::x86_64::{
    __m512, __m512i, _mm_add_epi8, _mm_set1_epi8, _mm_storeu_si128, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
    _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps, _mm512_div_ps, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_max_epu32, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps,
    _mm512_or_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_slli_epi32, _mm512_srai_epi32, _mm512_storeu_ps,
    _mm512_sub_epi32, _mm512_sub_ps,
};

use super::{ROUNDING, Wide, Work};
use crate::Isa;

/// The processor has AVX-512 with its parts F, BW and VL.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

const WIDTH: usize = 16;

impl Avx512 {
    /// What may call this has the instructions.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
    pub(crate) fn new() -> Self {
        Self(())
    }
}

/// Does work with them, on a processor that has them.
pub(super) fn run(work: impl Work) {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
    fn inner(work: impl Work) {
        work.run(Avx512::new());
    }
    assert!(Isa::Avx512Vnni.is_available());
    // SAFETY: the processor has the instructions.
    unsafe { inner(work) }
}

// SAFETY, of every block below: there is no `self` without the instructions, and slices are checked for what is read or written.
impl Wide for Avx512 {
    type Floats = __m512;

    const WIDTH: usize = WIDTH;

    #[inline(always)]
    fn splat(self, number: f32) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_set1_ps(number) }
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_loadu_ps(from[..WIDTH].as_ptr()) }
    }
    #[inline(always)]
    fn load_differences(self, from: &[i32], less: &[i32]) -> __m512 {
        let (from, less) = (from[..WIDTH].as_ptr().cast(), less[..WIDTH].as_ptr().cast());
        // SAFETY: as above.
        unsafe { _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_loadu_si512(from), _mm512_loadu_si512(less))) }
    }
    #[inline(always)]
    fn store(self, floats: __m512, to: &mut [f32]) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(to[..WIDTH].as_mut_ptr(), floats) }
    }
    #[inline(always)]
    fn store_low_bytes(self, floats: __m512, offset: u8, to: &mut [u8]) {
        let to = to[..WIDTH].as_mut_ptr().cast();
        // SAFETY: as above.
        unsafe {
            let bytes = _mm512_cvtepi32_epi8(_mm512_castps_si512(floats));
            _mm_storeu_si128(to, _mm_add_epi8(bytes, _mm_set1_epi8(offset as i8)));
        }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn size(self, floats: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe { masked(floats, i32::MAX) }
    }
    #[inline(always)]
    fn signed(self, size: __m512, sign: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe {
            let sign = _mm512_castps_si512(masked(sign, i32::MIN));
            _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(size), sign))
        }
    }
    #[inline(always)]
    fn max_of_bits(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_castsi512_ps(_mm512_max_epu32(_mm512_castps_si512(a), _mm512_castps_si512(b))) }
    }
    #[inline(always)]
    fn powers_of_two(self, rounded: __m512) -> [__m512; 2] {
        // SAFETY: as above.
        unsafe {
            let whole = _mm512_sub_epi32(_mm512_castps_si512(rounded), _mm512_set1_epi32(ROUNDING.to_bits() as i32));
            let half = _mm512_srai_epi32::<1>(whole);
            [power(half), power(_mm512_sub_epi32(whole, half))]
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn masked(floats: __m512, mask: i32) -> __m512 {
    _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(floats), _mm512_set1_epi32(mask)))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn power(exponent: __m512i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(exponent, _mm512_set1_epi32(127))))
}
