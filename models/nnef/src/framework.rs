//! Where operators are registered, and forgotten.

use std::sync::Arc;

use tract_core::internal::{Op, TractResult, TypedNode};

use crate::describe::{Parameter, TypeSpec};
use crate::read::{ModelBuilder, ResolvedInvocation, Value};
use crate::ser::{IntoAst, RValue};

/// The format.
#[derive(Default, Debug)]
pub struct Nnef {
    /// What it is extended by.
    pub registries: Vec<Registry>,
}

/// How an operator is read.
pub type ToTract = fn(&mut ModelBuilder, &ResolvedInvocation) -> TractResult<Value>;

/// How an operator is written.
pub type FromTract<O> = fn(&mut IntoAst, &TypedNode, &O) -> TractResult<Option<Arc<RValue>>>;

/// Operators of one extension.
#[derive(Debug)]
pub struct Registry;

impl Registry {
    /// Of the extension with this name.
    #[must_use]
    pub const fn new(_name: &str) -> Self {
        Self
    }

    /// With a line of documentation.
    #[must_use]
    pub const fn with_doc(self, _line: &str) -> Self {
        self
    }

    /// An operator that can be read.
    pub fn register_primitive(
        &mut self,
        _id: &str,
        _parameters: &[Parameter],
        _results: &[(&str, TypeSpec)],
        _read: ToTract,
    ) {
    }

    /// An operator that can be written.
    pub fn register_dumper<O: Op>(&mut self, _write: FromTract<O>) {}
}
