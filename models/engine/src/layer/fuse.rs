//! What follows a layer is computed with it: bias, function, and the sum with what went round it; layers that read the same rows
//! become one operator, so that the rows are quantised once; and so do attention and normalisation.

use tract_onnx::tract_core::internal::{
    OutletId, Rewriter, TVec, TractResult, TypedModel, TypedModelPatch, TypedNode, tvec,
};
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::{Add, Mul};
use tract_onnx::tract_core::ops::nn::Sigmoid;
use tract_onnx::tract_core::ops::nn::gelu_approximate::GeluApproximate;
use tract_onnx::tract_core::ops::nn::gelu_exact::GeluExact;
use tract_onnx::tract_core::ops::nn::silu::Silu;
use trimtab_kernels::Function;

use super::attend::attend;
use super::norm::normalise;
use super::{Packed, QuantLinear};

/// The factor of `Function::QuickGelu`, and how far a file's may be from it.
const QUICK_GELU: f32 = 1.702;
const FACTOR_TOLERANCE: f32 = 1e-4;

/// Fuses everything that can be.
pub(crate) fn fuse(model: &mut TypedModel) -> TractResult<()> {
    Rewriter::default()
        .with_rule_for::<QuantLinear>("bias", bias)
        .with_rule_for::<QuantLinear>("function", function)
        .with_rule_for::<QuantLinear>("quick gelu", quick_gelu)
        .with_rule_for::<QuantLinear>("sum", sum)
        .rewrite(&(), model)?;
    Rewriter::default().with_rule_for::<QuantLinear>("same rows", same_rows).rewrite(&(), model)?;
    normalise(model)?;
    attend(model)
}

type Patch = TractResult<Option<TypedModelPatch>>;

/// `layer + constant` is the layer with a bias.
fn bias(_: &(), model: &TypedModel, node: &TypedNode, name: &str, op: &QuantLinear) -> Patch {
    let Some(layer) = plain(op).filter(|layer| !layer.is_biased()) else { return Ok(None) };
    let Some((next, other)) = added(model, node)? else { return Ok(None) };
    let Some(numbers) = row_of(model, other, layer.outputs())? else { return Ok(None) };
    replace(model, node, next, name, layer.clone().with_bias(&numbers)?)
}

/// `f(layer)`.
fn function(_: &(), model: &TypedModel, node: &TypedNode, name: &str, op: &QuantLinear) -> Patch {
    let (Some(layer), Some(next)) = (plain(op), model.single_succ(node.id)?) else { return Ok(None) };
    let Some(ElementWiseOp(element, None)) = next.op_as::<ElementWiseOp>() else { return Ok(None) };
    let function = if element.is::<Silu>() {
        Function::Silu
    } else if element.is::<GeluExact>() {
        Function::Gelu
    } else if element.is::<GeluApproximate>() {
        Function::GeluTanh
    } else {
        return Ok(None);
    };
    replace(model, node, next, name, layer.clone().with_function(function))
}

/// `layer · sigmoid(1.702 · layer)`.
fn quick_gelu(_: &(), model: &TypedModel, node: &TypedNode, name: &str, op: &QuantLinear) -> Patch {
    let Some(layer) = plain(op) else { return Ok(None) };
    let own = OutletId::from(node.id);
    let [first, second] = &*node.outputs[0].successors else { return Ok(None) };
    for (scaled, product) in [(first.node, second.node), (second.node, first.node)] {
        let (scaled, product) = (model.node(scaled), model.node(product));
        if !is_binary::<Mul>(scaled) || !is_binary::<Mul>(product) {
            continue;
        }
        let constant = model.outlet_fact(other(scaled, own))?.konst.clone();
        let factor =
            constant.filter(|constant| constant.len() == 1).and_then(|constant| constant.cast_to_scalar::<f32>().ok());
        let Some(sigmoid) = model.single_succ(scaled.id)? else { continue };
        let is_sigmoid = sigmoid.op_as::<ElementWiseOp>().is_some_and(|element| element.0.is::<Sigmoid>());
        let closes = model.single_succ(sigmoid.id)?.is_some_and(|next| next.id == product.id);
        if is_sigmoid && closes && factor.is_some_and(|factor| (factor - QUICK_GELU).abs() < FACTOR_TOLERANCE) {
            return replace(model, node, product, name, layer.clone().with_function(Function::QuickGelu));
        }
    }
    Ok(None)
}

/// `layer + other`, where the other is computed too.
fn sum(_: &(), model: &TypedModel, node: &TypedNode, name: &str, op: &QuantLinear) -> Patch {
    let Some(layer) = op.single() else { return Ok(None) };
    let Some((next, other)) = added(model, node)? else { return Ok(None) };
    let (own, fact) = (model.outlet_fact(node.id.into())?, model.outlet_fact(other)?);
    if fact.konst.is_some() || own.shape != fact.shape || own.datum_type != fact.datum_type {
        return Ok(None);
    }
    let mut patch = TypedModelPatch::default();
    let inputs = [patch.tap_model(model, node.inputs[0])?, patch.tap_model(model, other)?];
    let results = patch.wire_node(format!("{name}.sum"), QuantLinear::one(layer.clone()).adding(), &inputs)?;
    patch.shunt_outside(model, next.id.into(), results[0])?;
    Ok(Some(patch))
}

/// Layers that read what this one reads.
fn same_rows(_: &(), model: &TypedModel, node: &TypedNode, name: &str, op: &QuantLinear) -> Patch {
    if op.layers().is_none() {
        return Ok(None);
    }
    let rows = node.inputs[0];
    let mut readers: Vec<usize> = model.node(rows.node).outputs[rows.slot]
        .successors
        .iter()
        .map(|reader| reader.node)
        .filter(|reader| model.node(*reader).op_as::<QuantLinear>().is_some_and(|op| op.layers().is_some()))
        .collect();
    readers.sort_unstable();
    readers.dedup();
    if readers.len() < 2 || readers[0] != node.id {
        return Ok(None);
    }
    let layers_of =
        |reader: &usize| model.node(*reader).op_as::<QuantLinear>().and_then(QuantLinear::layers).unwrap_or(&[]);
    let layers: TVec<Packed> = readers.iter().flat_map(layers_of).cloned().collect();
    let mut patch = TypedModelPatch::default();
    let input = patch.tap_model(model, rows)?;
    let results = patch.wire_node(format!("{name}.shared"), QuantLinear::several(layers), &tvec![input])?;
    let old = readers
        .iter()
        .flat_map(|reader| (0..model.node(*reader).outputs.len()).map(|slot| OutletId::new(*reader, slot)));
    for (old, result) in old.zip(results) {
        patch.shunt_outside(model, old, result)?;
    }
    Ok(Some(patch))
}

/// The layer, where nothing follows it yet that a further step would have to come before.
fn plain(op: &QuantLinear) -> Option<&Packed> {
    op.single().filter(|layer| layer.function() == Function::Identity)
}

/// The numbers of a constant that has one for each place of a row of `width`.
pub(super) fn row_of(model: &TypedModel, outlet: OutletId, width: usize) -> TractResult<Option<Vec<f32>>> {
    let constant = model.outlet_fact(outlet)?.konst.clone();
    let Some(constant) = constant.filter(|row| row.len() == width && row.shape().last() == Some(&width)) else {
        return Ok(None);
    };
    Ok(constant.try_as_plain_ram().ok().and_then(|plain| plain.as_slice::<f32>().ok().map(<[f32]>::to_vec)))
}

/// The addition that alone reads a node, and what it adds.
pub(super) fn added<'a>(model: &'a TypedModel, node: &TypedNode) -> TractResult<Option<(&'a TypedNode, OutletId)>> {
    follower::<Add>(model, node)
}

/// The multiplication that alone reads a node, and its factor.
pub(super) fn multiplied<'a>(
    model: &'a TypedModel,
    node: &TypedNode,
) -> TractResult<Option<(&'a TypedNode, OutletId)>> {
    follower::<Mul>(model, node)
}

fn follower<'a, O: BinMiniOp>(
    model: &'a TypedModel,
    node: &TypedNode,
) -> TractResult<Option<(&'a TypedNode, OutletId)>> {
    let next = model.single_succ(node.id)?.filter(|next| is_binary::<O>(next));
    Ok(next.map(|next| (next, other(next, node.id.into()))))
}

pub(super) fn is_binary<O: BinMiniOp>(node: &TypedNode) -> bool {
    node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<O>())
}

/// The other input of a binary node.
pub(super) fn other(node: &TypedNode, one: OutletId) -> OutletId {
    if node.inputs[0] == one { node.inputs[1] } else { node.inputs[0] }
}

/// One layer in place of a node and of all up to `last`.
fn replace(model: &TypedModel, node: &TypedNode, last: &TypedNode, name: &str, layer: Packed) -> Patch {
    let mut patch = TypedModelPatch::default();
    let input = patch.tap_model(model, node.inputs[0])?;
    let results = patch.wire_node(format!("{name}+"), QuantLinear::one(layer), &tvec![input])?;
    if model.outlet_fact(last.id.into())?.shape != patch.model.outlet_fact(results[0])?.shape {
        return Ok(None);
    }
    patch.shunt_outside(model, last.id.into(), results[0])?;
    Ok(Some(patch))
}
