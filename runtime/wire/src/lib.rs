//! The contract between device and bridge, the topic names and payloads that operators see, and the link between a device
//! and its supervising microcontroller ([`mcu`]).
//!
//! A **packet** is one version byte and one postcard value: [`Up`] from a device on `…/req`, [`Down`] from a bridge on
//! `…/res/<rid>`. A **request** carries prompt, context and limits; its views travel *inline*, or, where the packet would
//! exceed [`limits::PACKET_BYTES_MAX`], as **chunks** after a **manifest** and a **grant** ([`Upload`], [`Assembler`]).
//! A **name** is what may stand in a topic level. Decoding checks version, content type and every bound before anything
//! is believed, and never panics; the frozen packets in `tests/vectors/wire` and `tests/vectors/mcu` keep the layout from
//! drifting. Without the feature `alloc`, which a microcontroller leaves out, there is the link alone.
#![no_std]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
pub mod chunks;
#[cfg(feature = "alloc")]
pub mod codec;
pub mod limits;
pub mod mcu;
#[cfg(feature = "alloc")]
pub mod names;
#[cfg(feature = "operator")]
pub mod operator;
#[cfg(feature = "alloc")]
pub mod packet;
#[cfg(feature = "alloc")]
pub mod price;
#[cfg(feature = "alloc")]
pub mod topics;

#[cfg(feature = "alloc")]
pub use {
    chunks::{Assembler, Chunk, ChunkError, Progress, Upload},
    codec::{WireError, decode_down, decode_up, encode_down, encode_up},
    names::{BridgeId, DeviceId, FleetId, NameError, NodeName, RequestId, ViewName},
    packet::{
        Answer, Body, Chunked, Down, Finish, Grant, Message, Refusal, RefusalReason, Request, Role, Tokens, Up, Usage,
        View,
    },
    topics::{CommandName, Subject, Telemetry, Topic, TopicError, filters},
};
