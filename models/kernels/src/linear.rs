//! A layer: weights packed once, run on many rows.

use crate::job::Job;
use crate::pack::Packed;
use crate::{Activations, Isa, scalar};

/// Most inputs of a layer: sums of more could exceed 32 bits.
pub const INPUTS_MAX: usize = 1 << 16;

/// Why a layer cannot be made or run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinearError {
    /// Numbers that do not belong together, or too many.
    #[error("linear layer: {what}")]
    Shape {
        /// What does not fit, and what would.
        what: String,
    },
    /// A weight that symmetric int8 does not have.
    #[error(
        "linear layer: the weight of input {input} for output {output} is -128; quantise symmetrically, to -127..=127"
    )]
    Weight {
        /// From 0.
        input: usize,
        /// From 0.
        output: usize,
    },
    /// Instructions that this processor does not have.
    #[error("this processor has no {}; it has {}", isa.name(), names())]
    Isa {
        /// As asked for.
        isa: Isa,
    },
}

fn names() -> String {
    Isa::available().map(Isa::name).collect::<Vec<_>>().join(", ")
}

/// The weights of a layer as they are in a file.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// Numbers of a row.
    pub inputs: usize,
    /// Numbers of a result.
    pub outputs: usize,
    /// `[inputs, outputs]`, row-major, each -127..=127.
    pub values: &'a [i8],
    /// One for each output, 0 or more.
    pub scales: &'a [f32],
    /// One for each output.
    pub bias: Option<&'a [f32]>,
}

/// A layer, packed for one instruction set.
#[derive(Clone, PartialEq, Debug)]
pub struct Linear {
    isa: Isa,
    inputs: usize,
    packed: Packed,
}

impl Linear {
    /// Packs a layer for the fastest instructions of this processor.
    pub fn new(weights: &Weights<'_>) -> Result<Self, LinearError> {
        Self::on(Isa::best(), weights)
    }

    /// The same for the instructions named.
    pub fn on(isa: Isa, weights: &Weights<'_>) -> Result<Self, LinearError> {
        if !isa.is_available() {
            return Err(LinearError::Isa { isa });
        }
        check(weights)?;
        Ok(Self { isa, inputs: weights.inputs, packed: Packed::new(weights, isa) })
    }

    /// Room for the rows that this layer reads.
    #[must_use]
    pub const fn activations(&self) -> Activations {
        Activations::new(self.isa)
    }
    /// Numbers of a row.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }
    /// Numbers of a result.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.packed.outputs
    }
    /// Bytes of memory that the packed layer holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.packed.weights.len() + 12 * self.packed.scales.len()
    }

    /// `out = rows · W + bias`, plus `residual` where there is one; both are `[rows, outputs]`, row-major.
    pub fn run(&self, rows: &Activations, residual: Option<&[f32]>, out: &mut [f32]) -> Result<(), LinearError> {
        if rows.isa != self.isa || rows.inputs != self.inputs {
            let what = format!(
                "rows of {} inputs for {}, the layer has {} for {}; quantise into Linear::activations",
                rows.inputs,
                rows.isa.name(),
                self.inputs,
                self.isa.name()
            );
            return Err(LinearError::Shape { what });
        }
        let due = rows.rows() * self.outputs();
        for (name, length) in [("out", out.len()), ("residual", residual.map_or(due, <[f32]>::len))] {
            if length != due {
                let what = format!("{name} has {length} numbers; {} rows of {} are due", rows.rows(), self.outputs());
                return Err(LinearError::Shape { what });
            }
        }
        let mut job = Job { packed: &self.packed, bytes: &rows.bytes, scales: &rows.scales, residual, out };
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => crate::x86::avx512::multiply(&mut job),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => crate::x86::avxvnni::multiply(&mut job),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => crate::x86::avx2::multiply(&mut job),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDot => crate::arm::dot::multiply(&mut job),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => crate::arm::neon::multiply(&mut job),
            _ => scalar::multiply(&mut job),
        }
        Ok(())
    }
}

fn check(weights: &Weights<'_>) -> Result<(), LinearError> {
    let Weights { inputs, outputs, values, scales, bias } = *weights;
    let refuse = |what: String| Err(LinearError::Shape { what });
    if inputs == 0 || inputs > INPUTS_MAX || outputs == 0 {
        return refuse(format!("{inputs} inputs and {outputs} outputs; 1 to {INPUTS_MAX} inputs, at least one output"));
    }
    if inputs.checked_mul(outputs) != Some(values.len()) {
        return refuse(format!("{} weights for {inputs} inputs and {outputs} outputs", values.len()));
    }
    if scales.len() != outputs || bias.is_some_and(|bias| bias.len() != outputs) {
        let bias = bias.map_or(outputs, <[f32]>::len);
        return refuse(format!("{} scales and {bias} biases for {outputs} outputs", scales.len()));
    }
    if let Some(output) = scales.iter().position(|scale| !scale.is_finite() || *scale < 0.0) {
        return refuse(format!("the scale of output {output} is {}; 0 or more is due", scales[output]));
    }
    match values.iter().position(|weight| *weight == i8::MIN) {
        Some(place) => Err(LinearError::Weight { input: place / outputs, output: place % outputs }),
        None => Ok(()),
    }
}
