//! Finds attention in a model: a product of queries and keys, scaled, masked, softened, and multiplied with values. Wherever heads and
//! positions are in their tensors, the engine's description of the two products says so.

use tract_onnx::prelude::DatumType;
use tract_onnx::tract_core::axes::Axis;
use tract_onnx::tract_core::internal::{
    AxisOp, InOut, OutletId, Rewriter, TVec, ToDim, TractResult, TypedModel, TypedModelPatch, TypedNode, tvec,
};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Mul};
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};
use trimtab_kernels::Isa;

use super::attention::{Axes, FusedAttention};

/// Most nodes between the two products and the softmax; there are three or four.
const BETWEEN_MAX: usize = 12;

/// Puts one operator in the place of each attention.
pub(super) fn attend(model: &mut TypedModel) -> TractResult<()> {
    // Without instructions of several numbers at once the engine's own products are faster.
    if Isa::best() == Isa::Scalar {
        return Ok(());
    }
    Rewriter::default().with_rule_for::<Softmax>("attention", attention).rewrite(&(), model)
}

fn attention(
    _: &(),
    model: &TypedModel,
    node: &TypedNode,
    name: &str,
    op: &Softmax,
) -> TractResult<Option<TypedModelPatch>> {
    let rank = node.outputs[0].fact.rank();
    if op.kind != SoftmaxKind::Softmax || rank < 2 || *op.axes != [rank - 1] {
        return Ok(None);
    }
    let Some(before) = before(model, node)? else { return Ok(None) };
    let Some((after, weights)) = after(model, node)? else { return Ok(None) };
    let (Some(first), Some(second)) = (before.product.op_as::<EinSum>(), after.op_as::<EinSum>()) else {
        return Ok(None);
    };
    let scores = &before.product.outputs[0].fact;
    // Reshapes between the products only merged and split heads: the last two axes are as they were, and so is the order.
    let softened = model.outlet_fact(after.inputs[weights])?;
    let same = scores.shape == softened.shape
        && scores.shape.to_tvec().last_chunk::<2>() == node.outputs[0].fact.shape.to_tvec().last_chunk::<2>();
    if !same || !plain(model, before.product, first)? || !plain(model, after, second)? {
        return Ok(None);
    }
    let Some((queries, keys, swapped)) = products(model, before.product, first)? else { return Ok(None) };
    let Some((values, result)) = sums(model, after, second, weights)? else { return Ok(None) };
    let [q, k] = if swapped { [1, 0] } else { [0, 1] };
    let mut patch = TypedModelPatch::default();
    let mut inputs: TVec<OutletId> = tvec![
        patch.tap_model(model, before.product.inputs[q])?,
        patch.tap_model(model, before.product.inputs[k])?,
        patch.tap_model(model, after.inputs[1 - weights])?,
    ];
    if let Some(mask) = before.mask {
        inputs.push(patch.tap_model(model, mask)?);
    }
    let shape = after.outputs[0].fact.shape.to_tvec();
    let operator = FusedAttention { scale: before.scale.to_bits(), queries, keys, values, result, shape };
    let results = patch.wire_node(format!("{name}.attention"), operator, &inputs)?;
    patch.shunt_outside(model, after.id.into(), results[0])?;
    Ok(Some(patch))
}

/// What leads to a softmax.
struct Before<'a> {
    product: &'a TypedNode,
    scale: f32,
    mask: Option<OutletId>,
}

/// Goes up from a softmax to the product of queries and keys.
fn before<'a>(model: &'a TypedModel, softmax: &TypedNode) -> TractResult<Option<Before<'a>>> {
    let (mut at, mut scale, mut mask) = (softmax.inputs[0], 1.0, None);
    for _ in 0..BETWEEN_MAX {
        let node = model.node(at.node);
        if node.outputs.len() != 1 || node.outputs[0].successors.len() != 1 || model.outputs.contains(&at) {
            return Ok(None);
        }
        if node.op_is::<EinSum>() {
            return Ok(Some(Before { product: node, scale, mask }));
        } else if keeps_order(node) {
            at = node.inputs[0];
        } else if let Some(binary) = node.op_as::<TypedBinOp>() {
            let constant = |input: usize| -> TractResult<Option<f32>> {
                let constant = model.outlet_fact(node.inputs[input])?.konst.clone();
                Ok(constant.filter(|constant| constant.len() == 1).and_then(|constant| constant.cast_to_scalar().ok()))
            };
            if binary.0.is::<Mul>() {
                // Constants come first or second.
                at = match (constant(0)?, constant(1)?) {
                    (None, Some(factor)) => {
                        scale *= factor;
                        node.inputs[0]
                    }
                    (Some(factor), None) => {
                        scale *= factor;
                        node.inputs[1]
                    }
                    _ => return Ok(None),
                };
            } else if binary.0.is::<Add>() && mask.is_none() && scale == 1.0 {
                let full = node.outputs[0].fact.shape.to_tvec();
                let is_mask = |input: usize| -> TractResult<bool> {
                    let fact = model.outlet_fact(node.inputs[input])?;
                    let shape = fact.shape.to_tvec();
                    let (heads, positions) = shape.split_at(shape.len().saturating_sub(2));
                    let (rows, keys) = (&full[full.len() - 2], &full[full.len() - 1]);
                    Ok(fact.datum_type == DatumType::F32
                        && heads.iter().all(|heads| *heads == 1.to_dim())
                        && (positions[0] == *rows || positions[0] == 1.to_dim())
                        && positions[1] == *keys)
                };
                let of = if is_mask(1)? {
                    1
                } else if is_mask(0)? {
                    0
                } else {
                    return Ok(None);
                };
                mask = Some(node.inputs[of]);
                at = node.inputs[1 - of];
            } else {
                return Ok(None);
            }
        } else {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Goes down from a softmax to the product with the values; also says which of its inputs the softmax is.
fn after<'a>(model: &'a TypedModel, softmax: &TypedNode) -> TractResult<Option<(&'a TypedNode, usize)>> {
    let mut at = softmax.id;
    for _ in 0..BETWEEN_MAX {
        let Some(next) = model.single_succ(at)? else { return Ok(None) };
        if next.op_is::<EinSum>() {
            let weights = usize::from(next.inputs[0].node != at);
            return Ok(Some((next, weights)));
        }
        if !keeps_order(next) {
            return Ok(None);
        }
        at = next.id;
    }
    Ok(None)
}

/// Whether a node changes no more than what the axes are.
fn keeps_order(node: &TypedNode) -> bool {
    node.op_as::<AxisOp>().is_some_and(|op| !matches!(op, AxisOp::Move(..)))
}

/// Whether a product is one of two tensors of floats.
fn plain(model: &TypedModel, node: &TypedNode, product: &EinSum) -> TractResult<bool> {
    let facts = model.node_input_facts(node.id)?;
    let floats = facts.iter().all(|fact| fact.datum_type == DatumType::F32) && product.operating_dt == DatumType::F32;
    Ok(node.inputs.len() == 2 && product.q_params.is_none() && floats)
}

/// Where an axis is in an input or in the result.
fn place(axis: &Axis, slot: InOut) -> Option<usize> {
    let places = match slot {
        InOut::In(input) => &axis.inputs[input],
        InOut::Out(output) => &axis.outputs[output],
    };
    if let [place] = **places { Some(place) } else { None }
}

/// Axes of queries and keys, and whether the keys come first.
fn products(model: &TypedModel, node: &TypedNode, product: &EinSum) -> TractResult<Option<(Axes, Axes, bool)>> {
    let rank = node.outputs[0].fact.rank();
    let at = |out: usize| product.axes.iter_all_axes().find(|axis| place(axis, InOut::Out(0)) == Some(out));
    if rank < 2 {
        return Ok(None);
    }
    let (Some(rows), Some(keys)) = (at(rank - 2), at(rank - 1)) else { return Ok(None) };
    let swapped = place(keys, InOut::In(0)).is_some();
    let [q, k] = if swapped { [1, 0] } else { [0, 1] };
    let only = |axis: &Axis, of: usize, not: usize| {
        place(axis, InOut::In(not)).is_none().then(|| place(axis, InOut::In(of))).flatten()
    };
    let (Some(of_rows), Some(of_keys)) = (only(rows, q, k), only(keys, k, q)) else { return Ok(None) };
    let heads = |of: usize| (0..rank - 2).map(|out| at(out).and_then(|axis| place(axis, InOut::In(of)))).collect();
    let facts = model.node_input_facts(node.id)?;
    // What is summed over lies last in both, but for axes of one.
    for axis in product.axes.iter_all_axes().filter(|axis| place(axis, InOut::Out(0)).is_none()) {
        let places = [place(axis, InOut::In(q)), place(axis, InOut::In(k))];
        let [Some(of_q), Some(of_k)] = places else { return Ok(None) };
        let is_one = facts[q].shape[of_q] == 1.to_dim();
        if !is_one && (of_q + 1 != facts[q].rank() || of_k + 1 != facts[k].rank()) {
            return Ok(None);
        }
    }
    let last_is_summed = |of: usize| {
        let last = product.axes.iter_all_axes().find(|axis| place(axis, InOut::In(of)) == Some(facts[of].rank() - 1));
        last.is_some_and(|axis| place(axis, InOut::Out(0)).is_none())
    };
    if !last_is_summed(q) || !last_is_summed(k) {
        return Ok(None);
    }
    Ok(Some((Axes { heads: heads(q), positions: of_rows }, Axes { heads: heads(k), positions: of_keys }, swapped)))
}

/// Axes of values and of the result.
fn sums(model: &TypedModel, node: &TypedNode, product: &EinSum, weights: usize) -> TractResult<Option<(Axes, Axes)>> {
    let values = 1 - weights;
    let facts = model.node_input_facts(node.id)?;
    let rank = facts[weights].rank();
    let at =
        |place_in: usize| product.axes.iter_all_axes().find(|axis| place(axis, InOut::In(weights)) == Some(place_in));
    let (Some(rows), Some(keys)) = (at(rank - 2), at(rank - 1)) else { return Ok(None) };
    let (Some(of_keys), None) = (place(keys, InOut::In(values)), place(keys, InOut::Out(0))) else { return Ok(None) };
    let (Some(of_rows), None) = (place(rows, InOut::Out(0)), place(rows, InOut::In(values))) else { return Ok(None) };
    let last = facts[values].rank() - 1;
    let out = node.outputs[0].fact.rank() - 1;
    for axis in product.axes.iter_all_axes().filter(|axis| place(axis, InOut::In(weights)).is_none()) {
        let (Some(of_values), Some(of_out)) = (place(axis, InOut::In(values)), place(axis, InOut::Out(0))) else {
            return Ok(None);
        };
        let is_one = facts[values].shape[of_values] == 1.to_dim();
        if !is_one && (of_values != last || of_out != out) {
            return Ok(None);
        }
    }
    let heads = |slot: InOut| (0..rank - 2).map(|head| at(head).and_then(|axis| place(axis, slot))).collect();
    let (of_values, of_result): (TVec<Option<usize>>, TVec<Option<usize>>) =
        (heads(InOut::In(values)), heads(InOut::Out(0)));
    let of_last = product.axes.iter_all_axes().find(|axis| place(axis, InOut::In(values)) == Some(last));
    let gives_last = of_last
        .is_some_and(|axis| place(axis, InOut::Out(0)) == Some(out) && place(axis, InOut::In(weights)).is_none());
    if of_result.contains(&None) || of_keys == last || !gives_last {
        return Ok(None);
    }
    Ok(Some((Axes { heads: of_values, positions: of_keys }, Axes { heads: of_result, positions: of_rows })))
}
