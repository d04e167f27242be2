//! What an operator is read from. There is none of it.

use tract_core::internal::{OutletId, TractResult, TypedModel, TypedOp};

use crate::Nothing;

/// The name of an operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identifier(String);

impl From<&str> for Identifier {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// An operator as it is called.
#[derive(Debug)]
pub struct Invocation {
    /// Its name.
    pub id: Identifier,
}

/// An operator as it is called, with its arguments.
#[derive(Debug)]
pub struct ResolvedInvocation {
    /// The call.
    pub invocation: Invocation,
    nothing: Nothing,
}

/// A model that is being read.
#[derive(Debug)]
pub struct ModelBuilder {
    /// What was read so far.
    pub model: TypedModel,
    nothing: Nothing,
}

/// A value that was read.
#[derive(Debug)]
pub struct Value(Nothing);

impl ResolvedInvocation {
    /// An argument that must be there.
    pub fn named_arg_as<T>(&self, _builder: &mut ModelBuilder, _name: &str) -> TractResult<T> {
        self.nothing.never()
    }

    /// An argument that may be left out.
    pub fn get_named_arg_as<T>(&self, _builder: &mut ModelBuilder, _name: &str) -> TractResult<Option<T>> {
        self.nothing.never()
    }

    /// An argument that may be left out or `false`.
    pub fn optional_named_arg_as<T>(&self, _builder: &mut ModelBuilder, _name: &str) -> TractResult<Option<T>> {
        self.nothing.never()
    }
}

impl ModelBuilder {
    /// Adds an operator.
    pub fn wire(&mut self, _operator: impl Into<Box<dyn TypedOp>>, _inputs: &[OutletId]) -> TractResult<Value> {
        self.nothing.never()
    }
}
