//! Floats side by side in a register, by name and not by what a compiler makes of a loop: a program that is linked as one and
//! small has its loops as they are written.
//!
//! A loop over these is written once and compiled into a function for each instruction set. A value of a set is the proof that the
//! processor has it. Every operation is rounded as IEEE 754 says, so all sets give the same bits.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
mod plain;

pub(crate) use plain::Plain;

use crate::Isa;

/// Numbers that loops take at a time: what the widest register holds, and a multiple of what the others do. Sums are kept in as
/// many parts everywhere, so that their order is the same.
pub(crate) const STRIDE: usize = 16;

/// Added to a number below 2²², leaves it rounded to the nearest whole one, ties to even, in the low bits.
pub(crate) const ROUNDING: f32 = 12_582_912.0;

/// Registers of an instruction set.
pub(crate) trait Wide: Copy {
    /// A register.
    type Floats: Copy;

    /// Floats in it: a part of [`STRIDE`].
    const WIDTH: usize;

    /// The same in each place.
    fn splat(self, number: f32) -> Self::Floats;

    /// The first numbers of `from`, which has as many.
    fn load(self, from: &[f32]) -> Self::Floats;

    /// The first differences `from - less`, which have as many, as floats.
    fn load_differences(self, from: &[i32], less: &[i32]) -> Self::Floats;

    /// Into the first places of `to`, which has as many.
    fn store(self, floats: Self::Floats, to: &mut [f32]);

    /// The lowest byte of each, `offset` added, into the first places of `to`, which has as many.
    fn store_low_bytes(self, floats: Self::Floats, offset: u8, to: &mut [u8]);

    /// `a + b`.
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// `a - b`.
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// `a · b`.
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// `a / b`.
    fn div(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// `a · b + c`, rounded once.
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;

    /// The larger; `b` where that is no number, and one of both where `a` is none.
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// The smaller; likewise.
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// Without its sign.
    fn size(self, floats: Self::Floats) -> Self::Floats;

    /// `size`, which has no sign, with the sign of `sign`.
    fn signed(self, size: Self::Floats, sign: Self::Floats) -> Self::Floats;

    /// Of numbers without a sign the larger in the order of their bits, in which what is no number comes last.
    fn max_of_bits(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// Two factors that make two to the power of the whole number that [`ROUNDING`] left in the low bits: its half and the rest,
    /// because the highest power alone would be infinite.
    fn powers_of_two(self, rounded: Self::Floats) -> [Self::Floats; 2];
}

/// Registers of a stride, the first `STRIDE / WIDTH` of these.
pub(crate) type Parts<S> = [<S as Wide>::Floats; STRIDE / 4];

/// Their sum, in the order of the numbers.
#[inline(always)]
pub(crate) fn total<S: Wide>(wide: S, parts: &Parts<S>) -> f32 {
    spread(wide, parts).iter().sum()
}

/// A stride as numbers.
#[inline(always)]
pub(crate) fn spread<S: Wide>(wide: S, parts: &Parts<S>) -> [f32; STRIDE] {
    let mut numbers = [0.0; STRIDE];
    for part in 0..STRIDE / S::WIDTH {
        wide.store(parts[part], &mut numbers[part * S::WIDTH..]);
    }
    numbers
}

/// Work that is compiled anew for each instruction set. Its function is to be inlined always, and what that calls too.
pub(crate) trait Work {
    /// Does it.
    fn run<S: Wide>(self, wide: S);
}

/// Does work with the registers of an instruction set, which this processor has to have.
pub(crate) fn on(isa: Isa, work: impl Work) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni => avx512::run(work),
        #[cfg(target_arch = "x86_64")]
        Isa::AvxVnni | Isa::Avx2 => avx2::run(work),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonDot | Isa::Neon => work.run(neon::Neon),
        _ => work.run(Plain),
    }
}
