//! Scaled dot-product attention of one head (Vaswani et al. 2017, section 3.2.1): `softmax(scale · q · kᵀ + mask) · v`, in floats.
//!
//! | term | meaning |
//! |---|---|
//! | query, key, value | a row of numbers for each position; keys and values have as many rows |
//! | scores | how much each key has to do with each query |
//! | panel | columns that are computed together, packed so that they lie in memory as they are read |
//!
//! A few queries are taken at a time, and their scores never leave the cache. The loops are plain; each instruction set compiles
//! its own of them, with as many rows and columns as it has registers for.

mod rows;
mod walk;

pub use rows::{Rows, RowsMut};

use crate::{Isa, LinearError};

/// Queries up to which keys are read as they are: packing them would cost more than it saves.
const UNPACKED_MAX: usize = 2;

/// What one head reads.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// `[queries, depth]`.
    pub queries: Rows<'a>,
    /// `[keys, depth]`.
    pub keys: Rows<'a>,
    /// `[keys, width]`.
    pub values: Rows<'a>,
    /// What products are multiplied with.
    pub scale: f32,
    /// Added to the scaled products: `[queries, keys]`, or one row for all queries.
    pub mask: Option<Rows<'a>>,
}

/// Computes heads, one after another. Room is kept from one use to the next.
#[derive(Clone, Debug)]
pub struct Attention {
    isa: Isa,
    /// Keys in panels, `[panels, depth, columns]`.
    keys: Vec<f32>,
    /// Values in panels, `[panels, keys, columns]`.
    values: Vec<f32>,
    /// `[queries of a tile, keys of all panels]`.
    scores: Vec<f32>,
}

impl Attention {
    /// For the instructions named, which the processor has to have when it comes to it.
    #[must_use]
    pub const fn new(isa: Isa) -> Self {
        Self { isa, keys: Vec::new(), values: Vec::new(), scores: Vec::new() }
    }

    /// Computes a head into `out`, `[queries, width]`.
    pub fn run(&mut self, head: &Head<'_>, out: &mut RowsMut<'_>) -> Result<(), LinearError> {
        check(head, out)?;
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => x86::avx512(self, head, out),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni | Isa::Avx2 => x86::avx2(self, head, out),
            _ => walk::run::<4, 16>(self, head, out),
        }
        Ok(())
    }
}

fn check(head: &Head<'_>, out: &RowsMut<'_>) -> Result<(), LinearError> {
    let Head { queries, keys, values, mask, .. } = head;
    let refuse = |what: String| Err(LinearError::Shape { what });
    if queries.width() != keys.width() || keys.count() != values.count() {
        return refuse(format!("attention of {queries:?} over {keys:?} and {values:?}"));
    }
    if out.count() != queries.count() || out.width() != values.width() {
        return refuse(format!("attention of {queries:?} over {values:?} into {} × {}", out.count(), out.width()));
    }
    match mask {
        Some(mask) if mask.width() != keys.count() || ![1, queries.count()].contains(&mask.count()) => {
            refuse(format!("a mask of {mask:?} for {queries:?} over {keys:?}"))
        }
        _ => Ok(()),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! The walk compiled for wider registers.
    #![allow(unsafe_code, reason = "instructions by name")]

    use super::{Attention, Head, RowsMut, walk};
    use crate::Isa;

    pub(super) fn avx512(attention: &mut Attention, head: &Head<'_>, out: &mut RowsMut<'_>) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
        fn run(attention: &mut Attention, head: &Head<'_>, out: &mut RowsMut<'_>) {
            walk::run::<6, 32>(attention, head, out);
        }
        assert!(Isa::Avx512Vnni.is_available());
        // SAFETY: the processor has the instructions.
        unsafe { run(attention, head, out) }
    }

    pub(super) fn avx2(attention: &mut Attention, head: &Head<'_>, out: &mut RowsMut<'_>) {
        #[target_feature(enable = "avx2,fma")]
        fn run(attention: &mut Attention, head: &Head<'_>, out: &mut RowsMut<'_>) {
            walk::run::<6, 16>(attention, head, out);
        }
        assert!(Isa::Avx2.is_available());
        // SAFETY: the processor has the instructions.
        unsafe { run(attention, head, out) }
    }
}
