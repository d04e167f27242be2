//! Broker, shaped link, stand-in cloud, bridge and device in one process.

pub mod broker;
pub mod link;
pub mod pace;
mod packets;
pub mod profile;
