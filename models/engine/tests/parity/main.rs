//! The engine against the originals: PyTorch and transformers by results that are kept in `tests/vectors/models`, ONNX Runtime and
//! the reference tokenizer by running them on the same files.
//!
//! The kept results are of small models with the structure of the real ones. Their weights follow from a formula (`seeded`), which
//! `tests/parity` has in Python; here the same weights go into ONNX files by the project's own writer. `cargo xtask parity --full`
//! makes the results again.

mod clip;
mod decoder;
mod models;
mod pictures;
mod python;
mod seeded;
mod vectors;
mod words;
