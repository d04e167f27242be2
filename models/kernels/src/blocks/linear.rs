//! A layer with 4-bit weights: packed once, run on many rows.

use std::sync::Arc;

use super::pack::Packed;
use super::{BLOCK, BlockActivations, GROUPS, QUAD, Tile, scalar};
use crate::job::write;
use crate::wide::Wide;
use crate::{Function, INPUTS_MAX, Isa, LinearError};

/// 4-bit weights as they are in a file (`MatMulNBits` of ONNX Runtime, in blocks of 32).
#[derive(Clone, Copy, Debug)]
pub struct BlockWeights<'a> {
    /// Numbers of a row.
    pub inputs: usize,
    /// Numbers of a result.
    pub outputs: usize,
    /// `[outputs, blocks, 16]`: two weights in a byte, the first in its low half.
    pub values: &'a [u8],
    /// `[outputs, blocks]`; kept as half floats.
    pub scales: &'a [f32],
    /// `[outputs, blocks / 2 rounded up]`: two zero points in a byte, the first in its low half; without them each is 8.
    pub zeros: Option<&'a [u8]>,
}

/// A layer, packed for one instruction set. Clones share the weights.
#[derive(Clone, PartialEq, Debug)]
pub struct BlockLinear {
    isa: Isa,
    packed: Arc<Packed>,
    bias: Vec<f32>,
    function: Function,
}

impl BlockLinear {
    /// Packs a layer for the fastest instructions of this processor.
    pub fn new(weights: &BlockWeights<'_>) -> Result<Self, LinearError> {
        Self::on(Isa::best(), weights)
    }

    /// The same for the instructions named.
    pub fn on(isa: Isa, weights: &BlockWeights<'_>) -> Result<Self, LinearError> {
        if !isa.is_available() {
            return Err(LinearError::Isa { isa });
        }
        check(weights)?;
        let packed = Arc::new(Packed::new(weights, columns(isa)));
        Ok(Self { isa, packed, bias: Vec::new(), function: Function::Identity })
    }

    /// The same layer with a bias, one number for each output, instead of the one that it has.
    pub fn with_bias(self, bias: &[f32]) -> Result<Self, LinearError> {
        if bias.len() != self.outputs() {
            return Err(LinearError::Shape { what: format!("{} biases for {} outputs", bias.len(), self.outputs()) });
        }
        Ok(Self { bias: bias.to_vec(), ..self })
    }

    /// The same layer with a function of each result, in place of the one that it has.
    #[must_use]
    pub fn with_function(self, function: Function) -> Self {
        Self { function, ..self }
    }

    /// Room for the rows that this layer reads.
    #[must_use]
    pub const fn activations(&self) -> BlockActivations {
        BlockActivations::new(self.isa)
    }
    /// Numbers of a row.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.packed.inputs
    }
    /// Numbers of a result.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.packed.outputs
    }
    /// Whether it has a bias.
    #[must_use]
    pub const fn is_biased(&self) -> bool {
        !self.bias.is_empty()
    }
    /// The function of each result.
    #[must_use]
    pub const fn function(&self) -> Function {
        self.function
    }
    /// Bytes of memory that the packed layer holds; clones hold the same ones.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Packed { nibbles, scales, shifts, .. } = &*self.packed;
        nibbles.len() + 2 * scales.len() + 4 * shifts.len() + 4 * self.bias.len()
    }

    /// `out = f(rows · W + bias)`, `[rows, outputs]`, row-major.
    pub fn run(&self, rows: &BlockActivations, out: &mut [f32]) -> Result<(), LinearError> {
        self.multiply(rows, false, out)
    }

    /// `out += f(rows · W + bias)`, `[rows, outputs]`, row-major.
    pub fn add(&self, rows: &BlockActivations, out: &mut [f32]) -> Result<(), LinearError> {
        self.multiply(rows, true, out)
    }

    fn multiply(&self, rows: &BlockActivations, adds: bool, out: &mut [f32]) -> Result<(), LinearError> {
        if rows.inputs != self.inputs() {
            let what = format!("rows of {} inputs, the layer has {}", rows.inputs, self.inputs());
            return Err(LinearError::Shape { what });
        }
        if out.len() != rows.rows() * self.outputs() {
            let what = format!("out has {} numbers; {} rows of {} are due", out.len(), rows.rows(), self.outputs());
            return Err(LinearError::Shape { what });
        }
        let mut job = Job { layer: self, rows, adds, out };
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => super::x86::avx512::multiply(&mut job),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => super::x86::avxvnni::multiply(&mut job),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => super::x86::avx2::multiply(&mut job),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDot => super::neon::dot::multiply(&mut job),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => super::neon::pairs::multiply(&mut job),
            _ => scalar::multiply(&mut job),
        }
        Ok(())
    }
}

/// One layer over one set of rows.
pub(super) struct Job<'a> {
    layer: &'a BlockLinear,
    rows: &'a BlockActivations,
    adds: bool,
    out: &'a mut [f32],
}

impl Job<'_> {
    pub(super) fn rows(&self) -> usize {
        self.rows.rows()
    }

    pub(super) fn panels(&self) -> usize {
        self.layer.outputs().div_ceil(self.layer.packed.columns)
    }

    /// What a kernel works on: a panel and `count` rows from `first`.
    #[inline(always)]
    pub(super) fn tile<const C: usize>(&self, panel: usize, first: usize, count: usize) -> Tile<'_, C> {
        let Packed { blocks, nibbles, scales, .. } = &*self.layer.packed;
        let (of_panel, of_rows) = (panel * blocks * C, first * blocks);
        Tile {
            nibbles: &nibbles[of_panel * GROUPS * QUAD..][..blocks * C * GROUPS * QUAD],
            scales: &scales[of_panel..][..blocks * C],
            bytes: &self.rows.bytes[of_rows * BLOCK..][..count * blocks * BLOCK],
            factors: &self.rows.factors[of_rows..][..count * blocks],
            offsets: &self.rows.offsets[of_rows..][..count * blocks],
            blocks: *blocks,
        }
    }

    /// Turns the sums of a tile into results.
    #[inline(always)]
    pub(super) fn finish<S: Wide, const C: usize>(
        &mut self,
        wide: S,
        panel: usize,
        first: usize,
        sums: &mut [[f32; C]],
    ) {
        let BlockLinear { packed, bias, function, .. } = self.layer;
        let start = panel * C;
        let count = C.min(packed.outputs - start);
        let mut biases = [0.0; C];
        if !bias.is_empty() {
            biases[..count].copy_from_slice(&bias[start..][..count]);
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            for part in 0..C / S::WIDTH {
                let at = part * S::WIDTH;
                let mut sum = wide.load(&sums[at..]);
                if !packed.shifts.is_empty() {
                    let of_row = (first + row) * packed.blocks;
                    for block in 0..packed.blocks {
                        let whole = self.rows.offsets[of_row + block] as f32 / f32::from(super::ZERO);
                        let factor = wide.splat(self.rows.factors[of_row + block] * whole);
                        let shifts = wide.load(&packed.shifts[(panel * packed.blocks + block) * C + at..]);
                        sum = wide.mul_add(shifts, factor, sum);
                    }
                }
                if !bias.is_empty() {
                    sum = wide.add(sum, wide.load(&biases[at..]));
                }
                wide.store(function.of(wide, sum), &mut sums[at..]);
            }
            let out = &mut self.out[(first + row) * packed.outputs + start..][..count];
            write(wide, sums, out, self.adds);
        }
    }
}

/// The walk over tiles, for one instruction set: panel by panel, so that a panel's weights are read once from memory, and in each as
/// many rows at a time as there are registers for. `$tile::<ROWS>(tile)` gives the sums, and `$wide` finishes them.
macro_rules! kernel {
    ($(#[$attribute:meta])* $tile:ident, $wide:expr, $columns:literal, $most:literal: $($rows:literal)*) => {
        $(#[$attribute])*
        #[inline(never)]
        fn finish(
            job: &mut $crate::blocks::linear::Job<'_>,
            panel: usize,
            first: usize,
            sums: &mut [[f32; $columns]],
        ) {
            job.finish($wide, panel, first, sums);
        }

        $(#[$attribute])*
        fn walk(job: &mut $crate::blocks::linear::Job<'_>) {
            let rows = job.rows();
            for panel in 0..job.panels() {
                let mut first = 0;
                while first < rows {
                    let count = (rows - first).min($most);
                    match count {
                        $($rows => {
                            let mut sums: [[f32; $columns]; $rows] = $tile::<$rows>(&job.tile(panel, first, $rows));
                            finish(job, panel, first, &mut sums);
                        })*
                        _ => unreachable!("as many rows as a tile takes"),
                    }
                    first += count;
                }
            }
        }
    };
}

pub(super) use kernel;

/// Outputs of a panel.
const fn columns(isa: Isa) -> usize {
    match isa {
        Isa::Avx512Vnni => 16,
        Isa::AvxVnni | Isa::Avx2 | Isa::Neon | Isa::NeonDot | Isa::Scalar => 8,
    }
}

fn check(weights: &BlockWeights<'_>) -> Result<(), LinearError> {
    let &BlockWeights { inputs, outputs, values, scales, zeros } = weights;
    let refuse = |what: String| Err(LinearError::Shape { what });
    if inputs == 0 || inputs > INPUTS_MAX || outputs == 0 {
        return refuse(format!("{inputs} inputs and {outputs} outputs; 1 to {INPUTS_MAX} inputs, at least one output"));
    }
    let blocks = inputs.div_ceil(BLOCK);
    let due = outputs.checked_mul(blocks);
    if due != Some(scales.len()) || due.and_then(|due| due.checked_mul(BLOCK / 2)) != Some(values.len()) {
        return refuse(format!(
            "{} scales and {} bytes for {outputs} outputs of {blocks} blocks",
            scales.len(),
            values.len()
        ));
    }
    if zeros.is_some_and(|zeros| zeros.len() != outputs * blocks.div_ceil(2)) {
        return refuse(format!(
            "{} bytes of zero points for {outputs} outputs of {blocks} blocks",
            zeros.map_or(0, <[u8]>::len)
        ));
    }
    let largest = half::f16::MAX.to_f32();
    match scales.iter().position(|scale| !scale.is_finite() || scale.abs() > largest) {
        Some(place) => {
            refuse(format!("the scale of output {} is {}; at most {largest} is due", place / blocks, scales[place]))
        }
        None => Ok(()),
    }
}
