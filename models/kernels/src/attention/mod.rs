//! Scaled dot-product attention of one head (Vaswani et al. 2017, section 3.2.1): `softmax(scale · q · kᵀ + mask) · v`, in floats.
//!
//! | term | meaning |
//! |---|---|
//! | query, key, value | a row of numbers for each position; keys and values have as many rows |
//! | scores | how much each key has to do with each query |
//! | panel | columns that are computed together, packed so that they lie in memory as they are read |
//!
//! A few queries are taken at a time, and their scores never leave the cache. Each instruction set has as many rows and columns at
//! once as it has registers for.

mod rows;
mod walk;

pub use rows::{Rows, RowsMut};

use crate::wide::{self, Wide, Work};
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
        wide::on(self.isa, Run { attention: self, head, out });
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

struct Run<'a, 'b, 'c> {
    attention: &'a mut Attention,
    head: &'a Head<'b>,
    out: &'a mut RowsMut<'c>,
}

impl Work for Run<'_, '_, '_> {
    #[inline(always)]
    fn run<S: Wide>(self, wide: S) {
        let Self { attention, head, out } = self;
        // As many sums as there are registers for, and what is multiplied with them.
        match S::WIDTH {
            4 => walk::run::<S, 6, 4>(wide, attention, head, out),
            _ => walk::run::<S, 6, 2>(wide, attention, head, out),
        }
    }
}
