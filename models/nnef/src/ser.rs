//! What an operator is written as. There is none of it.

use std::collections::HashMap;
use std::sync::Arc;

use tract_core::internal::{OutletId, TDim, Tensor, TractResult, TypedModel};

use crate::Nothing;

/// A model that is being written.
#[derive(Debug)]
pub struct IntoAst {
    /// What outlets were written as.
    pub mapping: HashMap<OutletId, Arc<RValue>>,
    /// The model.
    pub model: TypedModel,
    nothing: Nothing,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct RValue;

impl IntoAst {
    /// A constant.
    pub fn konst_variable(&mut self, _name: String, _tensor: &Arc<Tensor>) -> TractResult<Arc<RValue>> {
        self.nothing.never()
    }
}

/// A call of an operator.
#[must_use]
pub fn invocation(_id: &str, _inputs: &[Arc<RValue>], _attributes: &[(&str, RValue)]) -> Arc<RValue> {
    Arc::new(RValue)
}

/// A number.
#[must_use]
pub fn numeric<T: Copy>(_number: T) -> RValue {
    RValue
}

/// A text.
#[must_use]
pub fn string(_text: impl Into<String>) -> RValue {
    RValue
}

/// Yes or no.
#[must_use]
pub const fn logical(_value: bool) -> RValue {
    RValue
}

/// A list.
#[must_use]
pub const fn array(_values: &[RValue]) -> RValue {
    RValue
}

/// The lengths of a tensor's sides.
#[must_use]
pub const fn tdims(_shape: &[TDim]) -> RValue {
    RValue
}
