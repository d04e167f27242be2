//! The running device at its edges: the API over real sockets, bad input of every kind, and the way to a bridge through a
//! real broker. The models are the shipped ones.

mod api;
mod bad_input;
mod cloud;
#[cfg(feature = "gguf")]
mod gguf;
mod home;
mod local;
mod memory;
mod replay;
mod views;
