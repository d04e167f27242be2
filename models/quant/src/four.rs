//! Four-bit weights in blocks, as the `MatMulNBits` operator of ONNX Runtime's own set reads them: 32 neighbours of one row of
//! `[outputs, inputs]` share a scale `s`, a weight is `(q − 8)·s` with `q` from 0 to 15, and two `q` share a byte, the first in its
//! lower half.

/// Weights that share a scale.
pub const BLOCK: usize = 32;
/// The `q` of zero.
const ZERO: f32 = 8.0;
/// Scales that are tried around the one that reaches the largest weight exactly.
const TRIES: i32 = 6;

/// Packed weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Int4Weight {
    /// `[outputs, inputs / 32, 16]`.
    pub packed: Vec<u8>,
    /// `[outputs × inputs / 32]`.
    pub scales: Vec<f32>,
}

impl Int4Weight {
    /// Packs finite weights, given row by row of `[outputs, inputs]`; `inputs` must be a multiple of [`BLOCK`].
    pub fn pack(weight: &[f32]) -> Self {
        let blocks = weight.as_chunks::<BLOCK>().0;
        let mut packed = Vec::with_capacity(weight.len() / 2);
        let mut scales = Vec::with_capacity(blocks.len());
        for block in blocks {
            let scale = scale(block);
            let per_weight = if scale == 0.0 { 0.0 } else { 1.0 / scale };
            let steps = |w: f32| steps(w * per_weight) + ZERO;
            packed
                .extend(block.as_chunks::<2>().0.iter().map(|pair| steps(pair[0]) as u8 | (steps(pair[1]) as u8) << 4));
            scales.push(scale);
        }
        Self { packed, scales }
    }

    /// The weights as a runtime sees them.
    pub fn unpack(&self) -> Vec<f32> {
        let steps = self.packed.iter().flat_map(|byte| [byte & 15, byte >> 4]);
        steps.enumerate().map(|(at, q)| (f32::from(q) - ZERO) * self.scales[at / BLOCK]).collect()
    }
}

/// The scale with the least squared error of those tried, each moved to where its own steps fit best.
fn scale(block: &[f32; BLOCK]) -> f32 {
    let peak = block.iter().copied().fold(0.0_f32, |peak, w| if w.abs() > peak.abs() { w } else { peak });
    // Too small for a scale: zeros.
    if !(peak / ZERO).is_normal() || !(ZERO / peak).is_normal() {
        return 0.0;
    }
    let mut best = (f32::INFINITY, 0.0);
    for step in -TRIES..=TRIES {
        let first = -peak / (ZERO + 0.15 * step as f32);
        let per_weight = 1.0 / first;
        let (mut product, mut square) = (0.0_f32, 0.0_f32);
        for w in block {
            let q = steps(w * per_weight);
            product += w * q;
            square += q * q;
        }
        let scale = product / square;
        let per_weight = 1.0 / scale;
        if !scale.is_normal() || !per_weight.is_normal() {
            continue;
        }
        let error: f32 = block.iter().map(|w| (w - steps(w * per_weight) * scale).powi(2)).sum();
        if error < best.0 {
            best = (error, scale);
        }
    }
    if best.1 == 0.0 { -peak / ZERO } else { best.1 }
}

/// The nearest step that there is. Numbers are rounded by adding one so large that no fraction is left, which compilers make
/// of many at once.
fn steps(w: f32) -> f32 {
    const WHOLE: f32 = 1.5 * (1 << 23) as f32;
    w.clamp(-ZERO, ZERO - 1.0) + WHOLE - WHOLE
}
