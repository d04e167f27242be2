//! What an operator says of its parameters and results; nothing of it is kept.

/// A kind of value.
#[derive(Clone, Copy, Debug)]
pub enum TypeName {
    /// Whatever it is.
    Any,
    /// A number.
    Scalar,
    /// A whole number.
    Integer,
    /// A text.
    String,
    /// Yes or no.
    Logical,
}

/// A kind of value, or many of it.
#[derive(Clone, Copy, Debug)]
pub struct TypeSpec;

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter;

impl TypeName {
    /// A tensor of it.
    #[must_use]
    pub const fn tensor(self) -> TypeSpec {
        TypeSpec
    }

    /// A list of it.
    #[must_use]
    pub const fn array(self) -> TypeSpec {
        TypeSpec
    }

    /// A parameter of this kind.
    #[must_use]
    pub const fn named(self, _name: &str) -> Parameter {
        Parameter
    }
}

impl TypeSpec {
    /// A parameter of this kind.
    #[must_use]
    pub const fn named(self, _name: &str) -> Parameter {
        Parameter
    }
}

impl Parameter {
    /// What holds where it is not given.
    #[must_use]
    pub fn default<T: Copy>(self, _value: T) -> Self {
        self
    }
}
