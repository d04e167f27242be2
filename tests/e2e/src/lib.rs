//! Real parts for end-to-end tests: mosquitto with client certificates, the built programs, an upstream that can be made to
//! fail, and the ordinary clients of another language.
//!
//! Everything listens on loopback at a port the system chose, lives in a temporary folder, is waited for with a bound, and
//! ends when its value is dropped.

pub mod broker;
pub mod certificates;
#[cfg(feature = "cloud")]
pub mod cloud;
pub mod http;
pub mod process;
pub mod programs;
pub mod python;
pub mod room;
pub mod site;
pub mod upstream;
pub mod wait;
