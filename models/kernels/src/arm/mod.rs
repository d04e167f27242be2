//! Kernels for 64-bit ARM.

pub(crate) mod dot;
pub(crate) mod neon;
