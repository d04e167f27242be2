//! No instructions by name: what any processor does.

use super::{ROUNDING, Wide};

/// For any processor.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

const WIDTH: usize = 8;

#[inline(always)]
fn each(function: impl Fn(usize) -> f32) -> [f32; WIDTH] {
    std::array::from_fn(function)
}

impl Wide for Plain {
    type Floats = [f32; WIDTH];

    const WIDTH: usize = WIDTH;

    #[inline(always)]
    fn splat(self, number: f32) -> Self::Floats {
        [number; WIDTH]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::Floats {
        each(|at| from[at])
    }
    #[inline(always)]
    fn load_differences(self, from: &[i32], less: &[i32]) -> Self::Floats {
        each(|at| (from[at] - less[at]) as f32)
    }
    #[inline(always)]
    fn store(self, floats: Self::Floats, to: &mut [f32]) {
        to[..WIDTH].copy_from_slice(&floats);
    }
    #[inline(always)]
    fn store_low_bytes(self, floats: Self::Floats, offset: u8, to: &mut [u8]) {
        for (byte, float) in to[..WIDTH].iter_mut().zip(floats) {
            *byte = (float.to_bits() as u8).wrapping_add(offset);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|at| a[at] + b[at])
    }
    #[inline(always)]
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|at| a[at] - b[at])
    }
    #[inline(always)]
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|at| a[at] * b[at])
    }
    #[inline(always)]
    fn div(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|at| a[at] / b[at])
    }
    #[inline(always)]
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        each(|at| a[at].mul_add(b[at], c[at]))
    }
    #[inline(always)]
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|at| if a[at] > b[at] { a[at] } else { b[at] })
    }
    #[inline(always)]
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|at| if a[at] < b[at] { a[at] } else { b[at] })
    }
    #[inline(always)]
    fn size(self, floats: Self::Floats) -> Self::Floats {
        each(|at| floats[at].abs())
    }
    #[inline(always)]
    fn signed(self, size: Self::Floats, sign: Self::Floats) -> Self::Floats {
        each(|at| size[at].copysign(sign[at]))
    }
    #[inline(always)]
    fn max_of_bits(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|at| f32::from_bits(a[at].to_bits().max(b[at].to_bits())))
    }
    #[inline(always)]
    fn powers_of_two(self, rounded: Self::Floats) -> [Self::Floats; 2] {
        let whole = |at: usize| (rounded[at].to_bits() as i32).wrapping_sub(ROUNDING.to_bits() as i32);
        let power = |exponent: i32| f32::from_bits((exponent.wrapping_add(127) as u32) << 23);
        let half = |at: usize| whole(at) >> 1;
        [each(|at| power(half(at))), each(|at| power(whole(at).wrapping_sub(half(at))))]
    }
}
