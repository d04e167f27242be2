//! Four floats.
#![allow(unsafe_code, reason = "instructions by name")]

use std::arch::aarch64::{
    float32x4_t, int32x4_t, vabsq_f32, vaddq_f32, vaddq_s32, vaddq_u32, vbslq_f32, vcombine_u16, vcvtq_f32_s32,
    vdivq_f32, vdupq_n_f32, vdupq_n_s32, vdupq_n_u32, vfmaq_f32, vget_lane_u32, vld1q_f32, vld1q_s32, vmaxq_f32,
    vmaxq_u32, vminq_f32, vmovn_u16, vmovn_u32, vmulq_f32, vreinterpret_u32_u8, vreinterpretq_f32_s32,
    vreinterpretq_f32_u32, vreinterpretq_s32_f32, vreinterpretq_u32_f32, vshlq_n_s32, vshrq_n_s32, vst1q_f32,
    vsubq_f32, vsubq_s32,
};

use super::{ROUNDING, Wide};

/// Every 64-bit ARM processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

const WIDTH: usize = 4;

// SAFETY, of every block below: every 64-bit ARM processor has the instructions, and slices are checked for what is read or written.
impl Wide for Neon {
    type Floats = float32x4_t;

    const WIDTH: usize = WIDTH;

    #[inline(always)]
    fn splat(self, number: f32) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vdupq_n_f32(number) }
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vld1q_f32(from[..WIDTH].as_ptr()) }
    }
    #[inline(always)]
    fn load_differences(self, from: &[i32], less: &[i32]) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vcvtq_f32_s32(vsubq_s32(vld1q_s32(from[..WIDTH].as_ptr()), vld1q_s32(less[..WIDTH].as_ptr()))) }
    }
    #[inline(always)]
    fn store(self, floats: float32x4_t, to: &mut [f32]) {
        // SAFETY: as above.
        unsafe { vst1q_f32(to[..WIDTH].as_mut_ptr(), floats) }
    }
    #[inline(always)]
    fn store_low_bytes(self, floats: float32x4_t, offset: u8, to: &mut [u8]) {
        // SAFETY: as above.
        to[..WIDTH].copy_from_slice(&unsafe { low_bytes(floats, offset) });
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vminq_f32(a, b) }
    }
    #[inline(always)]
    fn size(self, floats: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vabsq_f32(floats) }
    }
    #[inline(always)]
    fn signed(self, size: float32x4_t, sign: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vbslq_f32(vdupq_n_u32(1 << 31), sign, size) }
    }
    #[inline(always)]
    fn max_of_bits(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vreinterpretq_f32_u32(vmaxq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b))) }
    }
    #[inline(always)]
    fn powers_of_two(self, rounded: float32x4_t) -> [float32x4_t; 2] {
        // SAFETY: as above.
        unsafe {
            let whole = vsubq_s32(vreinterpretq_s32_f32(rounded), vdupq_n_s32(ROUNDING.to_bits() as i32));
            let half = vshrq_n_s32::<1>(whole);
            [power(half), power(vsubq_s32(whole, half))]
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn power(exponent: int32x4_t) -> float32x4_t {
    vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(exponent, vdupq_n_s32(127))))
}

/// The lowest byte of each, with the offset.
#[inline]
#[target_feature(enable = "neon")]
fn low_bytes(floats: float32x4_t, offset: u8) -> [u8; WIDTH] {
    let moved = vaddq_u32(vreinterpretq_u32_f32(floats), vdupq_n_u32(u32::from(offset)));
    let pairs = vmovn_u32(moved);
    let quads = vmovn_u16(vcombine_u16(pairs, pairs));
    vget_lane_u32::<0>(vreinterpret_u32_u8(quads)).to_le_bytes()
}
