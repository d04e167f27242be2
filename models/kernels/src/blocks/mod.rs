//! Linear layers with 4-bit weights, for what reads one row at a time from weights that no cache holds: decoding.
//!
//! | term | meaning |
//! |---|---|
//! | block | 32 inputs of one output, which share a scale and a zero point |
//! | nibble | a weight: 0..=15; what it stands for is `(nibble - zero) · scale` |
//! | quad | four inputs, as dot products take them; a block has eight |
//!
//! Activations are int8 with a scale for each block too, so an outlier spoils 32 numbers and not a row. As in the rest of the crate
//! every instruction set gives the same bits.

mod activations;
mod linear;
mod pack;
mod scalar;

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use activations::BlockActivations;
pub use linear::{BlockLinear, BlockWeights};

/// Inputs of a block.
pub const BLOCK: usize = 32;
/// The zero point of weights that have none of their own.
pub const ZERO: u8 = 8;

/// Quads of a block that are the low nibbles of its bytes; as many are the high ones.
const GROUPS: usize = BLOCK / QUAD / 2;
/// Inputs of a quad.
const QUAD: usize = 4;

/// What a kernel works on: a panel of `C` outputs and some rows.
struct Tile<'a, const C: usize> {
    /// `[blocks, groups, C, quad]`: a byte holds an input of the quad `group` and, above it, one of the quad `group + 4`.
    nibbles: &'a [u8],
    /// Half floats, `[blocks, C]`.
    scales: &'a [u16],
    /// int8, `[rows, blocks, 32]`.
    bytes: &'a [u8],
    /// `[rows, blocks]`.
    factors: &'a [f32],
    /// Sums of the bytes of a block times the zero point, `[rows, blocks]`.
    offsets: &'a [i32],
    blocks: usize,
}

impl<'a, const C: usize> Tile<'a, C> {
    /// The block's nibbles.
    #[inline(always)]
    fn nibbles(&self, block: usize) -> &'a [u8] {
        &self.nibbles[block * GROUPS * C * QUAD..][..GROUPS * C * QUAD]
    }

    /// The block's scales.
    #[inline(always)]
    fn scales(&self, block: usize) -> &'a [u16; C] {
        self.scales[block * C..].first_chunk().expect("a scale for each output")
    }

    /// A row's numbers of the block.
    #[inline(always)]
    fn bytes(&self, row: usize, block: usize) -> &'a [u8; BLOCK] {
        self.bytes[(row * self.blocks + block) * BLOCK..].first_chunk().expect("a whole block")
    }
}

/// Four activations of a block, from `at` on, as one number.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn quad(x: &[u8; BLOCK], at: usize) -> i32 {
    i32::from_le_bytes([x[at], x[at + 1], x[at + 2], x[at + 3]])
}
