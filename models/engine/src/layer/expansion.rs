//! A layer in a model whose shapes are not known yet: how shapes of input and output belong together.

use tract_onnx::tract_core::internal::{DatumType, OutletId, StaticName, TVec, ToDim, TractResult, TypedModel};
use tract_onnx::tract_hir::internal::{Expansion, InferenceResult, Solver, TensorProxy, check_output_arity};

use super::Layer;

/// A layer that waits for its shapes.
#[derive(Clone, Debug)]
pub(super) struct LayerExpansion(pub(super) Layer);

impl Expansion for LayerExpansion {
    fn name(&self) -> StaticName {
        match self.0 {
            Layer::Linear(_) => "QuantLinear".into(),
            Layer::Table(_) => "QuantTable".into(),
        }
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        let (input, output) = (&inputs[0], &outputs[0]);
        solver.equals(&output.datum_type, DatumType::F32)?;
        match &self.0 {
            Layer::Linear(layer) => {
                solver.equals(&input.datum_type, DatumType::F32)?;
                solver.equals(&output.rank, &input.rank)?;
                solver.given(&input.rank, move |solver, rank| {
                    let last = rank as usize - 1;
                    for axis in 0..last {
                        solver.equals(&output.shape[axis], &input.shape[axis])?;
                    }
                    solver.equals(&input.shape[last], layer.inputs().to_dim())?;
                    solver.equals(&output.shape[last], layer.outputs().to_dim())
                })
            }
            Layer::Table(layer) => solver.given(&input.rank, move |solver, rank| {
                solver.equals(&output.rank, rank + 1)?;
                for axis in 0..rank as usize {
                    solver.equals(&output.shape[axis], &input.shape[axis])?;
                }
                solver.equals(&output.shape[rank as usize], layer.inputs().to_dim())
            }),
        }
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        self.0.wire(prefix, model, inputs[0])
    }
}
