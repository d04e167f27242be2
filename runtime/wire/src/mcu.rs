//! The link between a device and the microcontroller that supervises it: frames over a serial line.
//!
//! ```text
//! 0x00 │ COBS( version u8 │ postcard( sequence u32, message ) │ CRC-32 of all before, little-endian ) │ 0x00
//! ```
//!
//! COBS leaves zero to the borders of frames alone, so whoever comes in late, or hears garbage, is in step again at the next
//! zero ([`Decoder`]). A version of zero is a [`Greeting`], whose layout never changes: with it both ends say which versions
//! they speak, take the highest that both do, or refuse each other by name ([`Versions::agree`]). All other frames carry the
//! version that was agreed on. Each end numbers its frames; the other counts what is missing, repeated or late
//! ([`Arrivals`]). The host sends [`ToMcu`], of which all but heartbeats are acknowledged by number; the board sends
//! [`FromMcu`].
//!
//! What loosens the board's grip needs a key that is provisioned per board ([`Key`]): the release of a trip, and a new
//! configuration, each sealed over a nonce of the board's that works once. Nothing here allocates.

mod config;
mod counters;
mod event;
mod frame;
mod message;
mod seal;
mod sequence;
mod telemetry;
mod units;

pub use config::{BudgetLimits, Config, ConfigFault, CurrentLimits, HostTimes, Plausible, TemperatureLimits};
pub use counters::{ChannelCounters, Counters, FrameCounters};
pub use event::{
    BootNumber, Cause, Channel, Event, HostStage, LogEntry, ResetCause, Stamp, State, StoreFault, Trip, TripId, Verdict,
};
pub use frame::{
    BODY_BYTES_MAX, Decoder, Encoded, FRAME_BYTES_MAX, FrameError, Received, TooLong, encode, encode_greeting,
};
pub use message::{
    Budgets, Challenge, FirmwareVersion, FromMcu, Greeting, Hello, LogEnd, Nack, NackReason, Name, Query, Refusal,
    ToMcu, Versions, WindowState,
};
pub use seal::{Key, Nonce, Tag};
pub use sequence::{Arrival, Arrivals};
pub use telemetry::{BudgetWindow, Plausibility, Telemetry};
pub use units::{Micros, Milliamps, Millicelsius, Millivolts};
