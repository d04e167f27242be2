//! A table of int8 rows, each with a scale: an embedding. The rows taken are floats, the table never is.

use tract_onnx::tract_core::internal::{
    DatumExt, EvalContext, EvalOp, Op, StaticName, TValue, TVec, Tensor, ToDim, TractResult, TypedFact, TypedOp, as_op,
    bail, op_as_typed_op, op_out_of_plan, tvec,
};
use trimtab_kernels::Linear;

/// Takes numbers of rows `[..]` and gives the rows `[.., width]`. A row is what the weights of one output of a layer are, so that a
/// layer and a table of the same weights share them.
#[derive(Clone, Debug)]
pub(super) struct QuantTable(pub(super) Linear);

operator!(QuantTable, "QuantTable");

impl EvalOp for QuantTable {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let Self(table) = self;
        let numbers = inputs[0].cast_to::<i64>()?;
        let numbers = numbers.try_as_plain_ram()?;
        let shape: TVec<usize> = inputs[0].shape().iter().copied().chain([table.inputs()]).collect();
        let mut rows = Tensor::zero::<f32>(&shape)?;
        let mut plain = rows.try_as_plain_ram_mut()?;
        for (row, &number) in
            plain.as_slice_mut::<f32>()?.chunks_exact_mut(table.inputs()).zip(numbers.as_slice::<i64>()?)
        {
            // From the end, where it is below zero.
            let from = if number < 0 { number + table.outputs() as i64 } else { number };
            let Some(from) = usize::try_from(from).ok().filter(|from| *from < table.outputs()) else {
                bail!("row {number} of a table of {}", table.outputs())
            };
            table.weights_of(from, row)?;
        }
        Ok(tvec![rows.into()])
    }
}

impl TypedOp for QuantTable {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut shape = inputs[0].shape.to_tvec();
        shape.push(self.0.inputs().to_dim());
        Ok(tvec![f32::fact(&*shape)])
    }

    as_op!();
}
