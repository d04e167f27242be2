//! Linear layers with int8 weights and int8 activations: `out = f(x · W + bias)`; beside them [`blocks`] of 4-bit weights, [`attention`],
//! [`Norm`], and [`resample`] for pictures.
//!
//! | term | meaning |
//! |---|---|
//! | row | the inputs of one position: a token, a patch |
//! | scale | what an int8 number is to be multiplied with: one for each row of activations, one for each output of the weights |
//! | panel | outputs that are computed together; its weights lie in memory as they are read |
//! | depth | inputs of a layer, rounded up to what is read at once |
//! | offset | added to int8 activations where the processor multiplies unsigned with signed bytes |
//!
//! A row's scale follows from its largest number when the layer runs (dynamic quantisation), so nothing has to be calibrated and an
//! outlier spoils its own row alone. Sums are whole numbers and the last step is one fused multiplication and addition, so every
//! instruction set gives the same bits; [`Isa::available`] says which there are.

mod activations;
pub mod attention;
pub mod blocks;
mod function;
mod isa;
mod job;
mod linear;
mod norm;
mod pack;
pub mod resample;
mod scalar;
mod wide;

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use activations::Activations;
pub use function::Function;
pub use isa::Isa;
pub use linear::{INPUTS_MAX, Linear, LinearError, Order, Weights};
pub use norm::Norm;
