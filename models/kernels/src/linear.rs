//! A layer: weights packed once, run on many rows.

use std::sync::Arc;

use crate::job::Job;
use crate::pack::Packed;
use crate::{Activations, Function, Isa, scalar};

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

/// Which axis of a file's weights comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// `[inputs, outputs]`.
    InputsFirst,
    /// `[outputs, inputs]`.
    OutputsFirst,
}

impl Order {
    /// Input and output of the weight at `place`.
    pub(crate) const fn place(self, place: usize, inputs: usize, outputs: usize) -> (usize, usize) {
        match self {
            Self::InputsFirst => (place / outputs, place % outputs),
            Self::OutputsFirst => (place % inputs, place / inputs),
        }
    }
}

/// The weights of a layer as they are in a file.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// Numbers of a row.
    pub inputs: usize,
    /// Numbers of a result.
    pub outputs: usize,
    /// How `values` is ordered.
    pub order: Order,
    /// Row-major, each -127..=127.
    pub values: &'a [i8],
    /// One for each output, 0 or more.
    pub scales: &'a [f32],
}

/// A layer, packed for one instruction set. Clones share the weights.
#[derive(Clone, PartialEq, Debug)]
pub struct Linear {
    isa: Isa,
    packed: Arc<Packed>,
    /// One for each output of every panel, or none.
    bias: Vec<f32>,
    function: Function,
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
        Ok(Self { isa, packed: Arc::new(Packed::new(weights, isa)), bias: Vec::new(), function: Function::Identity })
    }

    /// The same layer with a bias, one number for each output, instead of the one that it has.
    pub fn with_bias(self, bias: &[f32]) -> Result<Self, LinearError> {
        if bias.len() != self.outputs() {
            return Err(LinearError::Shape { what: format!("{} biases for {} outputs", bias.len(), self.outputs()) });
        }
        let mut bias = bias.to_vec();
        bias.resize(self.packed.scales.len(), 0.0);
        Ok(Self { bias, ..self })
    }

    /// The same layer with a function of each result, in place of the one that it has.
    #[must_use]
    pub fn with_function(self, function: Function) -> Self {
        Self { function, ..self }
    }

    /// Room for the rows that this layer reads.
    #[must_use]
    pub const fn activations(&self) -> Activations {
        Activations::new(self.isa)
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
        self.packed.weights.len() + 8 * self.packed.scales.len() + 4 * self.bias.len()
    }

    /// The weights of one output as floats, one for each input: what a table of embeddings holds in a row.
    pub fn weights_of(&self, output: usize, out: &mut [f32]) -> Result<(), LinearError> {
        if output >= self.outputs() || out.len() != self.inputs() {
            let what = format!(
                "output {output} into {} numbers; the layer has {} outputs of {} inputs",
                out.len(),
                self.outputs(),
                self.inputs()
            );
            return Err(LinearError::Shape { what });
        }
        self.packed.weights_of(output, out);
        Ok(())
    }

    /// `out = f(rows · W + bias)`, `[rows, outputs]`, row-major.
    pub fn run(&self, rows: &Activations, out: &mut [f32]) -> Result<(), LinearError> {
        self.multiply(rows, false, out)
    }

    /// `out += f(rows · W + bias)`, `[rows, outputs]`, row-major.
    pub fn add(&self, rows: &Activations, out: &mut [f32]) -> Result<(), LinearError> {
        self.multiply(rows, true, out)
    }

    fn multiply(&self, rows: &Activations, adds: bool, out: &mut [f32]) -> Result<(), LinearError> {
        if rows.isa != self.isa || rows.inputs != self.inputs() {
            let what = format!(
                "rows of {} inputs for {}, the layer has {} for {}; quantise into Linear::activations",
                rows.inputs,
                rows.isa.name(),
                self.inputs(),
                self.isa.name()
            );
            return Err(LinearError::Shape { what });
        }
        if out.len() != rows.rows() * self.outputs() {
            let what = format!("out has {} numbers; {} rows of {} are due", out.len(), rows.rows(), self.outputs());
            return Err(LinearError::Shape { what });
        }
        let (function, bias) = (self.function, &*self.bias);
        let mut job = Job { packed: &self.packed, bytes: &rows.bytes, scales: &rows.scales, bias, function, adds, out };
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
    let Weights { inputs, outputs, order, values, scales } = *weights;
    let refuse = |what: String| Err(LinearError::Shape { what });
    if inputs == 0 || inputs > INPUTS_MAX || outputs == 0 {
        return refuse(format!("{inputs} inputs and {outputs} outputs; 1 to {INPUTS_MAX} inputs, at least one output"));
    }
    if inputs.checked_mul(outputs) != Some(values.len()) {
        return refuse(format!("{} weights for {inputs} inputs and {outputs} outputs", values.len()));
    }
    if scales.len() != outputs {
        return refuse(format!("{} scales for {outputs} outputs", scales.len()));
    }
    if let Some(output) = scales.iter().position(|scale| !scale.is_finite() || *scale < 0.0) {
        return refuse(format!("the scale of output {output} is {}; 0 or more is due", scales[output]));
    }
    match values.iter().position(|weight| *weight == i8::MIN) {
        Some(place) => {
            let (input, output) = order.place(place, inputs, outputs);
            Err(LinearError::Weight { input, output })
        }
        None => Ok(()),
    }
}
