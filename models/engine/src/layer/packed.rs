//! Packed weights of either width behind the same calls.

use tract_onnx::tract_core::internal::TractResult;
use trimtab_kernels::blocks::{BlockActivations, BlockLinear};
use trimtab_kernels::{Activations, Function, Isa, Linear};

/// Weights of a linear layer.
#[derive(Clone, Debug)]
pub(crate) enum Packed {
    /// Eight bits, a scale for each output.
    Int8(Linear),
    /// Four bits, a scale for each block of 32 inputs of an output.
    Int4(BlockLinear),
}

/// Quantised rows, in the form of each width. Room is kept from one use to the next.
pub(super) struct Rows {
    int8: Activations,
    int4: BlockActivations,
}

impl Rows {
    pub(super) const fn new(isa: Isa) -> Self {
        Self { int8: Activations::new(isa), int4: BlockActivations::new(isa) }
    }

    /// Quantises rows in the forms that the layers read.
    pub(super) fn quantise(&mut self, numbers: &[f32], inputs: usize, layers: &[Packed]) {
        if layers.iter().any(|layer| matches!(layer, Packed::Int8(_))) {
            self.int8.quantise(numbers, inputs);
        }
        if layers.iter().any(|layer| matches!(layer, Packed::Int4(_))) {
            self.int4.quantise(numbers, inputs);
        }
    }
}

impl Packed {
    pub(crate) fn inputs(&self) -> usize {
        match self {
            Self::Int8(layer) => layer.inputs(),
            Self::Int4(layer) => layer.inputs(),
        }
    }

    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Int8(layer) => layer.outputs(),
            Self::Int4(layer) => layer.outputs(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Int8(layer) => layer.bytes(),
            Self::Int4(layer) => layer.bytes(),
        }
    }

    pub(super) fn is_biased(&self) -> bool {
        match self {
            Self::Int8(layer) => layer.is_biased(),
            Self::Int4(layer) => layer.is_biased(),
        }
    }

    pub(super) fn function(&self) -> Function {
        match self {
            Self::Int8(layer) => layer.function(),
            Self::Int4(layer) => layer.function(),
        }
    }

    pub(crate) fn with_bias(self, bias: &[f32]) -> Result<Self, trimtab_kernels::LinearError> {
        Ok(match self {
            Self::Int8(layer) => Self::Int8(layer.with_bias(bias)?),
            Self::Int4(layer) => Self::Int4(layer.with_bias(bias)?),
        })
    }

    pub(super) fn with_function(self, function: Function) -> Self {
        match self {
            Self::Int8(layer) => Self::Int8(layer.with_function(function)),
            Self::Int4(layer) => Self::Int4(layer.with_function(function)),
        }
    }

    /// Writes the results of rows that were quantised for it, or adds them to what is there.
    pub(super) fn run(&self, rows: &Rows, adds: bool, out: &mut [f32]) -> TractResult<()> {
        match (self, adds) {
            (Self::Int8(layer), false) => layer.run(&rows.int8, out)?,
            (Self::Int8(layer), true) => layer.add(&rows.int8, out)?,
            (Self::Int4(layer), false) => layer.run(&rows.int4, out)?,
            (Self::Int4(layer), true) => layer.add(&rows.int4, out)?,
        }
        Ok(())
    }
}
