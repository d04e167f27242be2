//! Everything in one process, every part real: an MQTT broker on loopback, a link shaped to the declared profile, stand-in
//! models behind an OpenAI-compatible server, the bridge, the device with recorded cameras, and an operator.
//!
//! A [`world::World`] plays the turns of a [`recording::Recording`] through all of them. What the profile declares (round
//! trips, rates, the servers' thinking) is either really waited for or skipped on a clock that every part reads; see
//! [`pace`]. Nothing else is simulated.

pub mod broker;
pub mod choosing;
pub mod cloud;
mod device;
pub mod link;
mod meter;
pub mod operator;
pub mod pace;
mod packets;
pub mod profile;
pub mod recording;
pub mod table;
pub mod value;
pub mod world;
