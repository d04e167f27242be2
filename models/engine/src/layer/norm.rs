//! Layer and RMS normalisation as one operator, with the factor and the bias that follow.

use tract_onnx::tract_core::internal::{
    AxesMapping, AxisChangeConsequence, AxisOp, DatumType, DimLike, EvalContext, EvalOp, InOut, IntoTensor, Op,
    OutletId, Rewriter, StaticName, TDim, TValue, TVec, ToDim, TractResult, TypedFact, TypedModel, TypedModelPatch,
    TypedNode, TypedOp, as_op, bail, op_as_typed_op, op_out_of_plan, tvec,
};
use tract_onnx::tract_core::ops::math::{Mul, Sub};
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer, RmsNorm};
use trimtab_kernels::{Isa, Norm};

use super::fuse::{added, is_binary, multiplied, other, row_of};
use super::{keeps_rows, slice_rows};

/// How far a mean's factor may be from one over the width.
const FACTOR_TOLERANCE: f32 = 1e-6;

/// Puts one operator in the place of each normalisation.
pub(super) fn normalise(model: &mut TypedModel) -> TractResult<()> {
    // Without such registers a multiplication with an addition, rounded once, is a call.
    if Isa::best() == Isa::Scalar {
        return Ok(());
    }
    Rewriter::default().with_rule_for::<RmsNorm>("norm", norm).rewrite(&(), model)
}

/// The engine finds root mean squares, and in front of them, where there is one, the mean that is taken off.
fn norm(
    _: &(),
    model: &TypedModel,
    node: &TypedNode,
    name: &str,
    op: &RmsNorm,
) -> TractResult<Option<TypedModelPatch>> {
    let fact = &node.outputs[0].fact;
    let Some(Ok(width)) = fact.shape.last().map(DimLike::to_usize) else { return Ok(None) };
    if op.axis + 1 != fact.rank() || fact.datum_type != DatumType::F32 {
        return Ok(None);
    }
    let epsilon = op.eps.cast_to_scalar::<f32>()?;
    let centred = centred(model, node, width)?;
    let mut norm = Norm::new(width, centred.is_some(), epsilon);
    let mut last = node;
    if let Some((next, factor)) = multiplied(model, last)?
        && let Some(numbers) = row_of(model, factor, width)?
    {
        norm = norm.with_scale(&numbers)?;
        last = next;
    }
    if let Some((next, term)) = added(model, last)?
        && let Some(numbers) = row_of(model, term, width)?
    {
        norm = norm.with_bias(&numbers)?;
        last = next;
    }
    let mut patch = TypedModelPatch::default();
    let input = patch.tap_model(model, centred.unwrap_or(node.inputs[0]))?;
    let results = patch.wire_node(format!("{name}.norm"), FusedNorm(norm), &[input])?;
    if model.outlet_fact(last.id.into())?.shape != patch.model.outlet_fact(results[0])?.shape {
        return Ok(None);
    }
    patch.shunt_outside(model, last.id.into(), results[0])?;
    Ok(Some(patch))
}

/// What the mean is taken off, where a node reads `x - sum(x) · (1 / width)`.
fn centred(model: &TypedModel, node: &TypedNode, width: usize) -> TractResult<Option<OutletId>> {
    let difference = model.node(node.inputs[0].node);
    if !is_binary::<Sub>(difference) {
        return Ok(None);
    }
    let (rows, mean) = (difference.inputs[0], model.node(difference.inputs[1].node));
    if !is_binary::<Mul>(mean) {
        return Ok(None);
    }
    for sum in &mean.inputs {
        let reduced = model.node(sum.node);
        let Some(reduce) = reduced.op_as::<Reduce>() else { continue };
        let constant = model.outlet_fact(other(mean, *sum))?.konst.clone();
        let factor =
            constant.filter(|constant| constant.len() == 1).and_then(|constant| constant.cast_to_scalar::<f32>().ok());
        let is_mean = factor.is_some_and(|factor| (factor * width as f32 - 1.0).abs() < FACTOR_TOLERANCE);
        let last = model.outlet_fact(rows)?.rank() - 1;
        if reduce.reducer == Reducer::Sum && *reduce.axes == [last] && reduced.inputs[0] == rows && is_mean {
            return Ok(Some(rows));
        }
    }
    Ok(None)
}

/// Rows `[.., width]`, and the same normalised.
#[derive(Clone, Debug)]
struct FusedNorm(Norm);

operator!(FusedNorm, "FusedNorm");

impl EvalOp for FusedNorm {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let Some(rows) = inputs.pop() else { bail!("a normalisation reads rows") };
        // In place where nobody else reads it, else in a copy.
        let mut rows = rows.into_tensor();
        self.0.run(rows.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?);
        Ok(tvec![rows.into()])
    }
}

impl TypedOp for FusedNorm {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        if inputs[0].shape.last() != Some(&self.0.width().to_dim()) {
            bail!("a normalisation of {} numbers reads rows of {:?}", self.0.width(), inputs[0].shape);
        }
        Ok(tvec![inputs[0].without_value()])
    }

    fn axes_mapping(&self, inputs: &[&TypedFact], outputs: &[&TypedFact]) -> TractResult<AxesMapping> {
        AxesMapping::natural(inputs, outputs)
    }

    fn change_axes(
        &self,
        model: &TypedModel,
        node: &TypedNode,
        _: InOut,
        change: &AxisOp,
    ) -> TractResult<Option<AxisChangeConsequence>> {
        let last = node.outputs[0].fact.rank() - 1;
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
