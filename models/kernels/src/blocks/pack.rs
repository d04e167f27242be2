//! 4-bit weights in the order in which a kernel reads them: panel by panel, block by block, quad by quad.

use half::f16;

use super::linear::BlockWeights;
use super::{BLOCK, GROUPS, QUAD, ZERO};

/// Packed weights; what pads them is the zero point with a scale of zero.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Packed {
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    pub(super) blocks: usize,
    pub(super) columns: usize,
    /// `[panels, blocks, groups, columns, quad]`.
    pub(super) nibbles: Vec<u8>,
    /// Half floats, `[panels, blocks, columns]`.
    pub(super) scales: Vec<u16>,
    /// What is added for zero points other than the usual: `(8 - zero) · scale`, `[panels, blocks, columns]`, or empty.
    pub(super) shifts: Vec<f32>,
}

impl Packed {
    /// Of checked weights.
    pub(super) fn new(weights: &BlockWeights<'_>, columns: usize) -> Self {
        let &BlockWeights { inputs, outputs, values, scales, zeros } = weights;
        let blocks = inputs.div_ceil(BLOCK);
        let panels = outputs.div_ceil(columns);
        let mut packed = vec![ZERO << 4 | ZERO; panels * blocks * GROUPS * columns * QUAD];
        let mut halves = vec![0; panels * blocks * columns];
        let mut shifts = if zeros.is_some() { vec![0.0; halves.len()] } else { Vec::new() };
        for output in 0..outputs {
            for block in 0..blocks {
                let place = (output / columns * blocks + block) * columns;
                let column = output % columns;
                let half = f16::from_f32(scales[output * blocks + block]);
                halves[place + column] = half.to_bits();
                if let Some(zeros) = zeros {
                    let zero = zeros[output * blocks.div_ceil(2) + block / 2] >> (4 * (block % 2)) & 15;
                    shifts[place + column] = (f32::from(ZERO) - f32::from(zero)) * half.to_f32();
                }
                let bytes = &values[(output * blocks + block) * BLOCK / 2..][..BLOCK / 2];
                let nibble = |input: usize| bytes[input / 2] >> (4 * (input % 2)) & 15;
                for input in 0..BLOCK / 2 {
                    let (group, within) = (input / QUAD, input % QUAD);
                    let at = ((place * GROUPS) + group * columns + column) * QUAD + within;
                    packed[at] = nibble(input) | nibble(input + BLOCK / 2) << 4;
                }
            }
        }
        Self { outputs, inputs, blocks, columns, nibbles: packed, scales: halves, shifts }
    }
}
