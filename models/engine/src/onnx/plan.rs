//! From a checked file to a plan.

use tract_onnx::prelude::{DatumType, InferenceFact, InferenceModel, InferenceModelExt, TVec, TractError};
use tract_onnx::tract_core::internal::{IntoRunnable, SymbolScope, TDim, ToDim};
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_hir::infer::Factoid;

use super::lift::Lifted;
use super::{OnnxFile, constant, corrupt, lift};
use crate::ModelError;
use crate::layer::{Layer, fuse};
use crate::network::Network;

/// How layers with int8 weights are computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layers {
    /// With int8 activations, on the kernels: fast, and the weights stay int8 in memory.
    Int8,
    /// As floats: exact, for what is small.
    Float,
}

/// The length of one axis of an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Length {
    /// The same at every run.
    Is(usize),
    /// Chosen at each run; the same name is the same length.
    Free(&'static str),
    /// As long as two free ones together.
    Sum(&'static str, &'static str),
}

impl OnnxFile {
    /// Plans the graph. `pins` says what is known of the shapes of inputs, instead of what the file says.
    pub(crate) fn plan(mut self, layers: Layers, pins: &[(&str, &[Length])]) -> Result<Network, ModelError> {
        let path = self.path.clone();
        let failed = |error: TractError| ModelError::Plan { path: path.clone(), problem: format!("{error:#}") };
        let lifted = if layers == Layers::Int8 { lift::lift(&mut self)? } else { Lifted::new() };
        let loaded_bytes = self.graph().initializer.iter().map(constant::loaded_bytes).sum::<u64>()
            + lifted.values().map(Layer::bytes).sum::<u64>();
        let outputs = self.graph().output.iter().map(|o| o.name.clone()).collect();
        let parsed =
            tract_onnx::onnx().with_ignore_value_info(true).parse(&self.proto, self.folder.to_str()).map_err(failed)?;
        if let Some(name) = parsed.unresolved_inputs.first() {
            return Err(corrupt(&self.path, &format!("a node reads {name}, which nothing makes")));
        }
        drop(self.proto);
        let mut model = parsed.model;
        all_numbers(&model).map_err(|tensor| ModelError::NotFinite { path: path.clone(), tensor })?;
        place(&mut model, lifted);
        let inputs: Vec<String> = model.inputs.iter().map(|outlet| model.nodes[outlet.node].name.clone()).collect();
        for (name, shape) in pins {
            if let Some(index) = inputs.iter().position(|input| input == name) {
                let kind = model
                    .input_fact(index)
                    .ok()
                    .and_then(|fact| fact.datum_type.concretize())
                    .unwrap_or(DatumType::F32);
                let shape: TVec<TDim> = shape.iter().map(|length| length.dim(&model.symbols)).collect();
                model.set_input_fact(index, InferenceFact::dt_shape(kind, shape)).map_err(failed)?;
            }
        }
        let mut model = model.into_typed().and_then(|model| model.into_decluttered()).map_err(failed)?;
        fuse(&mut model).map_err(failed)?;
        let plan = model.into_optimized().and_then(|model| model.into_runnable()).map_err(failed)?;
        Ok(Network::new(path, plan, inputs, outputs, loaded_bytes))
    }
}

impl Length {
    fn dim(self, symbols: &SymbolScope) -> TDim {
        match self {
            Self::Is(length) => length.to_dim(),
            Self::Free(name) => symbols.sym(name).to_dim(),
            Self::Sum(one, other) => symbols.sym(one).to_dim() + symbols.sym(other).to_dim(),
        }
    }
}

/// Gives each node that stands for a layer its operator.
fn place(model: &mut InferenceModel, mut lifted: Lifted) {
    for node in &mut model.nodes {
        if let Some(layer) = lifted.remove(&node.name) {
            node.op = layer.into_operator();
        }
    }
}

/// Whether all float constants are numbers; else the name of the first that holds one that is none.
fn all_numbers(model: &InferenceModel) -> Result<(), String> {
    for node in &model.nodes {
        let values = node.op_as::<Const>().map(|constant| constant.val());
        let plain = values.and_then(|values| values.try_as_plain_ram().ok());
        if plain.is_some_and(|plain| plain.as_slice::<f32>().is_ok_and(|values| values.iter().any(|v| v.is_nan()))) {
            return Err(node.name.clone());
        }
    }
    Ok(())
}
