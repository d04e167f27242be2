//! MQTT v5 for devices, bridges and operators: one connection, kept up, with the settings that were measured to matter.
//!
//! A **link** is one client identity at one broker. One task does nothing but poll the connection; everything else talks
//! to it through [`Link`]. The link is **up** when the broker has accepted it *and* acknowledged every subscription, and
//! **down** otherwise; nothing is queued while it is down: a publication is refused at once, and whoever needs it to
//! arrive keeps it and tries again. An acknowledgement by the broker is no proof of delivery, only [`Delivery`] of
//! "no subscriber" is proof of the opposite.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod connect;
mod link;
mod message;
mod poll;
mod validity;

pub use connect::{Connect, ConnectError, LastWill, TlsFiles};
pub use link::{Delivery, DeliveryError, Link, LinkState, PublishError, SubscribeError};
pub use message::{Inbox, Incoming, Publication, Qos};
pub use validity::Validity;

/// Largest packet that is taken from a broker, bytes.
pub const INCOMING_PACKET_BYTES_MAX: u32 = 256 * 1024;
/// Publications under way at once.
pub const IN_FLIGHT_MAX: u16 = 16;
/// Filters of one link.
pub const SUBSCRIPTIONS_MAX: usize = 512;
/// Filters in one SUBSCRIBE packet; some brokers take no more.
pub const FILTERS_PER_PACKET_MAX: usize = 8;
/// Incoming messages that wait for the program, beyond those the broker sends unacknowledged.
pub const INBOX_SLACK: usize = 256;

const _: () = assert!(trimtab_wire::limits::PACKET_BYTES_MAX < INCOMING_PACKET_BYTES_MAX as usize);
const _: () = assert!(trimtab_wire::limits::JSON_BYTES_MAX < INCOMING_PACKET_BYTES_MAX as usize);
const _: () = assert!(trimtab_wire::limits::CHUNKS_IN_FLIGHT_MAX <= IN_FLIGHT_MAX as u32);
