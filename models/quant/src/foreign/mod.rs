//! ONNX files of others, read so that nothing is lost: every field that need not be understood is kept as the bytes that it
//! was, and values of weights stay in their file until one of them is asked for.

mod external;
mod model;
mod node;
mod normal;
mod opset;
mod tensor;
mod wire;
mod write;

pub(crate) use model::{Edges, Model};
pub(crate) use node::Node;
pub(crate) use opset::is_quantised;
pub(crate) use tensor::{Data, Place, Tensor};
pub use write::Written;
pub(crate) use write::write;
