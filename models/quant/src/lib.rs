//! Quantiser of weights, for models written here ([`Graph`]) and for those of other exporters ([`Quantiser`]).
//!
//! Weights of linear, convolution and embedding layers travel as int8 initialisers with one scale per channel and a
//! standard `DequantizeLinear` node, so that any runtime reads the file.
//!
//! ```
//! use trimtab_quant::{DType, Graph};
//!
//! let mut g = Graph::new("policy");
//! g.input("candidates", DType::F32, &["N".into(), 2.into()]);
//! let w = g.int8_weight("fc.weight", &[0.5, -1.0], &[2, 1], 1);
//! g.node("MatMul", &["candidates", &w], &["score"], &[]);
//! g.output("score", DType::F32, &["N".into(), 1.into()]);
//! g.metadata("layout", "trimtab-1");
//! let file = g.to_bytes()?;
//! # assert!(!file.is_empty());
//! # Ok::<(), trimtab_quant::GraphError>(())
//! ```

mod edit;
mod fault;
mod fold;
mod foreign;
mod four;
mod graph;
mod layers;
pub mod proto;
mod quantise;
mod quantiser;
mod search;
mod tie;

pub use edit::{Edit, EditError};
pub use fault::QuantiseError;
pub use foreign::Written;
pub use four::{BLOCK, Int4Weight};
pub use graph::{Attr, DType, Dim, Graph, GraphError, IR_VERSION, OPSET};
pub use layers::LayerKind;
pub use quantise::{Int8Weight, STEPS_MAX};
pub use quantiser::{InputInfo, LayerInfo, QuantiseOptions, Quantiser, Width};
pub use search::{Choice, Effort, Measure, search};
