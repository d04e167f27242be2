//! The contract between device and bridge, and the topic names and payloads that operators see.
//!
//! A **packet** is one version byte and one postcard value: [`Up`] from a device on `…/req`, [`Down`] from a bridge on
//! `…/res/<rid>`. A **request** carries prompt, context and limits; its views travel *inline*, or, where the packet would
//! exceed [`limits::PACKET_BYTES_MAX`], as **chunks** after a **manifest** and a **grant** ([`Upload`], [`Assembler`]).
//! A **name** is what may stand in a topic level. Decoding checks version, content type and every bound before anything
//! is believed, and never panics; the frozen packets in `tests/vectors/wire` keep the layout from drifting.
#![no_std]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

extern crate alloc;

pub mod chunks;
pub mod codec;
pub mod limits;
pub mod names;
#[cfg(feature = "operator")]
pub mod operator;
pub mod packet;
pub mod price;
pub mod topics;

pub use chunks::{Assembler, Chunk, ChunkError, Progress, Upload};
pub use codec::{WireError, decode_down, decode_up, encode_down, encode_up};
pub use names::{BridgeId, DeviceId, FleetId, NameError, NodeName, RequestId, ViewName};
pub use packet::{
    Answer, Body, Chunked, Down, Finish, Grant, Message, Refusal, RefusalReason, Request, Role, Tokens, Up, Usage, View,
};
pub use topics::{CommandName, Subject, Telemetry, Topic, TopicError, filters};
