//! The place of a model format that nothing here reads or writes.
//!
//! The inference library reads ONNX, and could write what it read as NNEF and read that again. It registers those ways before
//! `main`, so the linker must keep reader, writer and what each operator has for them, a twentieth of the installed program. This
//! crate stands in their place: the same names as far as the library's other crates use them, and nothing behind them. What an
//! operator registers is dropped. What it would read from and write to cannot be made, so the compiler leaves out its ways to do so.

mod describe;
pub mod framework;
mod read;
pub mod ser;

pub use tract_core;
pub use tract_core::prelude::{tract_ndarray, tract_num_traits};

/// What an operator's crate takes all of.
pub mod internal {
    pub use crate::describe::{Parameter, TypeName, TypeSpec};
    pub use crate::framework::{Nnef, Registry};
    pub use crate::read::{Identifier, Invocation, ModelBuilder, ResolvedInvocation, Value};
    pub use crate::ser::{IntoAst, RValue, invocation, logical, numeric, string};
    pub use tract_core;
    pub use tract_core::internal::*;
}

use std::convert::Infallible;

/// What reads and writes has one of these, and so there is none of it.
#[derive(Clone, Debug)]
struct Nothing(Infallible);

impl Nothing {
    fn never(&self) -> ! {
        match self.0 {}
    }
}
