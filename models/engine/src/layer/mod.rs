//! Operators of our own in the engine, for layers with weights of eight or four bits.
//!
//! | operator | computes |
//! |---|---|
//! | [`QuantLinear`] | linear layers that read the same rows, each with bias and function, one of them added to what there is |
//! | [`QuantTable`] | rows of a table, as floats: an embedding |
//! | `FusedAttention` | attention of all heads, in floats, also in models without such layers |
//! | `FusedNorm` | layer or RMS normalisation, likewise |
//!
//! They come into a model as it is parsed, so that their weights never exist as floats, and take in what follows them ([`fuse`]) once the
//! engine has tidied the model up.

/// Makes a type an operator of that name. Operators are compared to find one that is there already, and each of these is there once.
macro_rules! operator {
    ($type:ident, $name:literal) => {
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                std::ptr::eq(self, other)
            }
        }

        impl Eq for $type {}

        impl Op for $type {
            fn name(&self) -> StaticName {
                $name.into()
            }

            op_as_typed_op!();
        }
    };
}

mod attend;
mod attention;
mod expansion;
mod fuse;
mod linear;
mod norm;
mod packed;
mod table;

use tract_onnx::tract_core::internal::{
    AxisOp, OutletId, SpecialOps, TVec, TractResult, TypedModel, TypedModelPatch, TypedNode, TypedOp, tvec,
};
use tract_onnx::tract_hir::internal::{InferenceOp, expand};
use trimtab_kernels::Linear;

use expansion::LayerExpansion;
pub(crate) use fuse::fuse;
use linear::QuantLinear;
pub(crate) use packed::Packed;
use table::QuantTable;

/// Packed weights, and what they are for.
#[derive(Clone, Debug)]
pub(crate) enum Layer {
    /// Rows are multiplied with them.
    Linear(Packed),
    /// Rows are taken out of them: one for each output.
    Table(Linear),
}

impl Layer {
    /// Bytes in memory. Two layers may share theirs.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Linear(layer) => layer.bytes() as u64,
            Self::Table(layer) => layer.bytes() as u64,
        }
    }

    /// As an operator of a model whose shapes are not known yet.
    pub(crate) fn into_operator(self) -> Box<dyn InferenceOp> {
        expand(LayerExpansion(self))
    }

    /// Puts the operator into a model.
    fn wire(&self, name: &str, model: &mut TypedModel, input: OutletId) -> TractResult<TVec<OutletId>> {
        match self {
            Self::Linear(layer) => model.wire_node(name, QuantLinear::one(layer.clone()), &tvec![input]),
            Self::Table(layer) => model.wire_node(name, QuantTable(layer.clone()), &tvec![input]),
        }
    }
}

/// Whether a tensor whose last axis was `last` still has the numbers of each row together after a change. Which row comes when does
/// not matter.
fn keeps_rows(change: &AxisOp, last: usize) -> bool {
    match change {
        AxisOp::Add(at) => *at <= last,
        AxisOp::Rm(at) => *at < last,
        AxisOp::Move(from, to) => *from < last && *to < last,
        AxisOp::Reshape(at, from, _) => at + from.len() <= last,
    }
}

/// The operator on some of its rows: fewer rows of a result are the result of fewer rows. Nothing where rows themselves are cut.
fn slice_rows(
    operator: &(impl Into<Box<dyn TypedOp>> + Clone),
    patch: &mut TypedModelPatch,
    node: &TypedNode,
    prefix: &str,
    inputs: &[OutletId],
    output_axis: usize,
) -> TractResult<Option<TVec<OutletId>>> {
    if output_axis + 1 == node.outputs[0].fact.rank() {
        return Ok(None);
    }
    patch.wire_node(prefix, operator.clone(), inputs).map(Some)
}
