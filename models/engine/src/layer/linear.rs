//! Linear layers as one operator. Rows are quantised once for all layers that read them.

use std::cell::RefCell;

use tract_onnx::tract_core::internal::{
    AxesMapping, AxisChangeConsequence, AxisOp, DatumExt, EvalContext, EvalOp, InOut, IntoTensor, Op, OutletId,
    StaticName, TDim, TValue, TVec, Tensor, ToDim, TractResult, TypedFact, TypedModel, TypedModelPatch, TypedNode,
    TypedOp, as_op, bail, op_as_typed_op, op_out_of_plan, tvec,
};
use trimtab_kernels::Isa;

use super::packed::{Packed, Rows};
use super::{keeps_rows, slice_rows};

thread_local! {
    /// Room for quantised rows, kept from one run to the next: as much as the largest layer of this thread's models needs.
    static ROWS: RefCell<Rows> = RefCell::new(Rows::new(Isa::best()));
}

/// Layers over the same rows `[.., inputs]`; one result `[.., outputs]` for each.
#[derive(Clone, Debug)]
pub(super) struct QuantLinear {
    layers: TVec<Packed>,
    /// Whether the result of the one layer is added to a second input.
    adds: bool,
}

impl QuantLinear {
    /// One layer.
    pub(super) fn one(layer: Packed) -> Self {
        Self { layers: tvec![layer], adds: false }
    }

    /// Several that read the same rows.
    pub(super) fn several(layers: TVec<Packed>) -> Self {
        Self { layers, adds: false }
    }

    /// The same layer, with a second input to which its result is added.
    pub(super) fn adding(self) -> Self {
        Self { adds: true, ..self }
    }

    /// The layer, where it is one that nothing has been added to.
    pub(super) fn single(&self) -> Option<&Packed> {
        match &*self.layers {
            [layer] if !self.adds => Some(layer),
            _ => None,
        }
    }

    /// The layers, where nothing has been added to them.
    pub(super) fn layers(&self) -> Option<&[Packed]> {
        (!self.adds).then_some(&*self.layers)
    }
}

operator!(QuantLinear, "QuantLinear");

impl EvalOp for QuantLinear {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        // Out of the list, so that it is added to in place where nobody else reads it.
        let mut sum = if self.adds { inputs.pop().map(TValue::into_tensor) } else { None };
        let rows = &inputs[0];
        let numbers = rows.try_as_plain_ram()?;
        let numbers = numbers.as_slice::<f32>()?;
        let Some((inputs, of_rows)) = rows.shape().split_last() else {
            bail!("a linear layer reads rows, not one number")
        };
        ROWS.with_borrow_mut(|rows| {
            rows.quantise(numbers, *inputs, &self.layers);
            let results = self.layers.iter().map(|layer| {
                let mut result = match sum.take() {
                    Some(sum) => sum,
                    None => {
                        let shape: TVec<usize> = of_rows.iter().copied().chain([layer.outputs()]).collect();
                        Tensor::zero::<f32>(&shape)?
                    }
                };
                let mut plain = result.try_as_plain_ram_mut()?;
                let out = plain.as_slice_mut::<f32>()?;
                layer.run(rows, self.adds, out)?;
                Ok(result.into())
            });
            results.collect()
        })
    }
}

impl TypedOp for QuantLinear {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let facts = self.layers.iter().map(|layer| {
            let mut shape = inputs[0].shape.to_tvec();
            let Some(last) = shape.last_mut() else { bail!("a linear layer reads rows, not one number") };
            if *last != layer.inputs().to_dim() {
                bail!("a linear layer of {} inputs reads rows of {last}", layer.inputs());
            }
            *last = layer.outputs().to_dim();
            Ok(f32::fact(&*shape))
        });
        facts.collect()
    }

    fn axes_mapping(&self, inputs: &[&TypedFact], outputs: &[&TypedFact]) -> TractResult<AxesMapping> {
        let mut letters = 'a'..;
        let rows: String = letters.by_ref().take(inputs[0].rank() - 1).collect();
        let mut with_own = || format!("{rows}{}", letters.next().unwrap_or('z'));
        let input = with_own();
        let results: Vec<String> = outputs.iter().map(|_| with_own()).collect();
        let inputs = if self.adds { vec![input, results[0].clone()] } else { vec![input] };
        AxesMapping::from_strs(&inputs, &results)
    }

    fn change_axes(
        &self,
        model: &TypedModel,
        node: &TypedNode,
        _: InOut,
        change: &AxisOp,
    ) -> TractResult<Option<AxisChangeConsequence>> {
        let last = model.node_input_facts(node.id)?[0].rank() - 1;
        Ok(keeps_rows(change, last).then(|| AxisChangeConsequence::new(model, node, None, change)))
    }

    fn slice(
        &self,
        patch: &mut TypedModelPatch,
        _: &TypedModel,
        node: &TypedNode,
        prefix: &str,
        inputs: &[OutletId],
        output_axis: usize,
        _: &TDim,
        _: &TDim,
    ) -> TractResult<Option<TVec<OutletId>>> {
        slice_rows(self, patch, node, prefix, inputs, output_axis)
    }

    as_op!();
}
