//! Whether a view has changed since it was last encoded.
//!
//! A picture without noise, as a recording has it, is compared bit by bit. A camera's picture is never the same twice; of it a
//! grid of [`GRID`] by [`GRID`] cells is kept, each the mean colour of its part, and the view has changed when any number of any
//! cell differs by more than the camera's `noise` (of 255). Noise of single pixels averages out in a cell, while a thing that
//! fills a cell, a thousandth of the picture, shows with its full contrast. What is compared with is the picture that was
//! encoded, not the one before, so a slow drift adds up until it counts.

use sha2::{Digest, Sha256};
use trimtab_engine::FrameError;

use super::frame::Frame;

/// Cells along each side.
pub const GRID: u32 = 32;
/// Noise of a camera where nothing is configured, in steps of 255.
pub const NOISE: u8 = 3;
/// Most that may be configured.
pub const NOISE_MAX: u8 = 64;

/// What a view looked like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    size: (u32, u32),
    seen: Seen,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Seen {
    Exact([u8; 32]),
    Cells(Vec<u8>),
}

impl Look {
    /// Of a frame; with `noise` 0 every bit counts.
    pub fn at(frame: &Frame, noise: u8) -> Result<Self, FrameError> {
        if noise == 0 {
            let digest = Sha256::digest(frame.jpeg()?);
            return Ok(Self { size: (0, 0), seen: Seen::Exact(digest.into()) });
        }
        let pixels = frame.pixels()?;
        let cells = pixels.resized(GRID, GRID).pixels().to_vec();
        Ok(Self { size: (pixels.width(), pixels.height()), seen: Seen::Cells(cells) })
    }

    /// Whether both show the same, but for noise.
    #[must_use]
    pub fn is_like(&self, other: &Self, noise: u8) -> bool {
        let cells = match (&self.seen, &other.seen) {
            (Seen::Cells(one), Seen::Cells(other)) => one.iter().zip(other).all(|(a, b)| a.abs_diff(*b) <= noise),
            (one, other) => one == other,
        };
        self.size == other.size && cells
    }
}
