//! Trains the shipped models; the only crate that names burn.
//!
//! Every model follows from a seed and a number of steps: scenes, prompts and right answers come from `trimtab-scenes`,
//! training runs on the processor, and the result is written through `trimtab-quant` as a folder that `trimtab-engine`
//! loads.

pub mod bpe;
pub mod cells;
pub mod corpus;
pub mod encoder;
pub mod eye;
pub mod fit;
pub mod folder;
pub mod lanes;
pub mod layers;
pub mod lm;
pub mod scenery;
pub mod scores;
mod strange;
pub mod task_head;
pub mod vqa;
pub mod weights;
