//! Int8 weight quantiser and ONNX writer.
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
mod graph;
pub mod proto;
mod quantise;

pub use edit::{Edit, EditError};
pub use graph::{Attr, DType, Dim, Graph, GraphError, IR_VERSION, OPSET};
pub use quantise::{Int8Weight, STEPS_MAX};
