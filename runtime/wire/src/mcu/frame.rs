//! Frames: encoding one, and finding them in what a serial line gives.

use cobs::{CobsEncoder, DecodeResult, DecoderState};
use core::marker::PhantomData;
use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use heapless::Vec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::counters::FrameCounters;
use super::message::{Greeting, Versions};

/// The checksum of Ethernet and zip, computed bit by bit: a table would take a kilobyte of flash for a few bytes a second.
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
const CRC_BYTES: usize = 4;
/// The version of a greeting.
const GREETING: u8 = 0;

/// Longest frame before COBS, bytes: version, number, message and checksum.
pub const BODY_BYTES_MAX: usize = 252;
/// Longest frame as it travels, bytes: a zero, one byte of COBS and the body, a zero.
pub const FRAME_BYTES_MAX: usize = BODY_BYTES_MAX + 3;
const _: () = assert!(BODY_BYTES_MAX < 254 && FRAME_BYTES_MAX <= 256);

/// A frame as it travels.
pub type Encoded = Vec<u8, FRAME_BYTES_MAX>;

/// The message does not fit in a frame. None of this contract's does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the message does not fit in a frame of {BODY_BYTES_MAX} bytes")]
pub struct TooLong;

/// Encodes a message of an agreed version (1 and up) as a frame with this number.
pub fn encode<M: Serialize>(version: u8, number: u32, message: &M) -> Result<Encoded, TooLong> {
    frame(version, number, message)
}

/// Encodes a greeting as a frame with this number.
pub fn encode_greeting(number: u32, greeting: &Greeting) -> Result<Encoded, TooLong> {
    frame(GREETING, number, greeting)
}

fn frame<M: Serialize>(version: u8, number: u32, message: &M) -> Result<Encoded, TooLong> {
    let mut body = [0; BODY_BYTES_MAX];
    let (first, rest) = body.split_first_mut().ok_or(TooLong)?;
    *first = version;
    let room = rest.get_mut(..BODY_BYTES_MAX - 1 - CRC_BYTES).ok_or(TooLong)?;
    let length = 1 + postcard::to_slice(&(number, message), room).map_err(|_| TooLong)?.len();
    close(&mut body, length)
}

/// Adds the checksum to what is written of a body, and makes it travel.
fn close(body: &mut [u8; BODY_BYTES_MAX], length: usize) -> Result<Encoded, TooLong> {
    let crc = CRC.checksum(body.get(..length).ok_or(TooLong)?).to_le_bytes();
    let end = length + CRC_BYTES;
    body.get_mut(length..end).ok_or(TooLong)?.iter_mut().zip(crc).for_each(|(to, from)| *to = from);

    let mut out = Encoded::new();
    out.resize(FRAME_BYTES_MAX, 0).map_err(|_| TooLong)?;
    // The zero in front ends whatever garbage the line held.
    let mut cobs = CobsEncoder::new(out.get_mut(1..FRAME_BYTES_MAX - 1).ok_or(TooLong)?);
    cobs.push(body.get(..end).ok_or(TooLong)?).map_err(|_| TooLong)?;
    let length = 1 + cobs.finalize();
    out.truncate(length + 1);
    *out.last_mut().ok_or(TooLong)? = 0;
    Ok(out)
}

/// What a frame held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received<M> {
    /// A greeting, of an end of any age.
    Greeting {
        /// The frame's number.
        number: u32,
        /// What was said.
        greeting: Greeting,
    },
    /// A message of a version that is spoken here.
    Message {
        /// The frame's number.
        number: u32,
        /// The message.
        message: M,
    },
}

/// Why a piece between two zeros was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// Cut off, or of no sense to COBS.
    #[error("{bytes} bytes are no frame")]
    Malformed {
        /// Its length as it came.
        bytes: u32,
    },
    /// The checksum is wrong.
    #[error("the checksum of a frame of {bytes} bytes is wrong")]
    BadCrc {
        /// Its length as it came.
        bytes: u32,
    },
    /// Longer than any frame.
    #[error("{bytes} bytes without a frame's end; a frame has at most {FRAME_BYTES_MAX}")]
    Oversized {
        /// Its length as it came.
        bytes: u32,
    },
    /// A whole frame of a version that is not spoken here.
    #[error("a frame of link version {found}; this end speaks {}: update the older end", Versions::SPOKEN)]
    Version {
        /// Its version.
        found: u8,
    },
    /// A whole frame with no message that is known here.
    #[error("a whole frame of {bytes} bytes with an unknown message")]
    Undecodable {
        /// Its length as it came.
        bytes: u32,
    },
}

/// Finds frames with messages `M` in a stream of bytes, whatever lies between them. Takes a byte at a time and is bounded.
#[derive(Debug)]
pub struct Decoder<M> {
    cobs: DecoderState,
    body: Vec<u8, BODY_BYTES_MAX>,
    /// Bytes since the last zero, saturating.
    bytes: u32,
    /// More came than a frame holds: the rest up to the next zero is passed over.
    oversized: bool,
    seen: FrameCounters,
    message: PhantomData<M>,
}

impl<M> Default for Decoder<M> {
    fn default() -> Self {
        Self {
            cobs: DecoderState::Idle,
            body: Vec::new(),
            bytes: 0,
            oversized: false,
            seen: FrameCounters::default(),
            message: PhantomData,
        }
    }
}

impl<M: DeserializeOwned> Decoder<M> {
    /// At the beginning of a line.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was found so far.
    #[must_use]
    pub const fn seen(&self) -> &FrameCounters {
        &self.seen
    }

    /// Takes one byte; gives what ended with it. An error is already counted.
    pub fn push(&mut self, byte: u8) -> Option<Result<Received<M>, FrameError>> {
        if byte != 0 {
            self.bytes = self.bytes.saturating_add(1);
            self.keep(byte);
            return None;
        }
        let bytes = core::mem::take(&mut self.bytes);
        if bytes == 0 {
            return None;
        }
        let whole = self.cobs.feed(0);
        let found = match whole {
            _ if core::mem::take(&mut self.oversized) => Err(FrameError::Oversized { bytes }),
            Ok(DecodeResult::DataComplete) => open(&self.body, bytes),
            _ => Err(FrameError::Malformed { bytes }),
        };
        self.cobs = DecoderState::Idle;
        self.body.clear();
        self.count(found.as_ref().err(), bytes);
        Some(found)
    }

    fn keep(&mut self, byte: u8) {
        if !self.oversized
            && let Ok(DecodeResult::DataContinue(decoded)) = self.cobs.feed(byte)
            && self.body.push(decoded).is_err()
        {
            self.oversized = true;
        }
    }

    fn count(&mut self, fault: Option<&FrameError>, bytes: u32) {
        let seen = &mut self.seen;
        let count = match fault {
            None => &mut seen.frames,
            Some(FrameError::Malformed { .. }) => &mut seen.malformed,
            Some(FrameError::BadCrc { .. }) => &mut seen.bad_crc,
            Some(FrameError::Oversized { .. }) => &mut seen.oversized,
            Some(FrameError::Version { .. }) => &mut seen.unknown_version,
            Some(FrameError::Undecodable { .. }) => &mut seen.undecodable,
        };
        FrameCounters::count(count);
        if matches!(
            fault,
            Some(FrameError::Malformed { .. } | FrameError::BadCrc { .. } | FrameError::Oversized { .. })
        ) {
            seen.garbage_bytes = seen.garbage_bytes.saturating_add(bytes);
        }
    }
}

/// Checks a whole body and reads its message.
fn open<M: DeserializeOwned>(body: &[u8], bytes: u32) -> Result<Received<M>, FrameError> {
    let (checked, crc) = body.split_last_chunk::<CRC_BYTES>().ok_or(FrameError::Malformed { bytes })?;
    if CRC.checksum(checked) != u32::from_le_bytes(*crc) {
        return Err(FrameError::BadCrc { bytes });
    }
    let (version, value) = checked.split_first().ok_or(FrameError::Malformed { bytes })?;
    let garbled = FrameError::Undecodable { bytes };
    if *version == GREETING {
        // A later version may have more to say after what is known.
        let ((number, greeting), _) = postcard::take_from_bytes(value).map_err(|_| garbled)?;
        return Ok(Received::Greeting { number, greeting });
    }
    if *version < Versions::SPOKEN.min || *version > Versions::SPOKEN.max {
        return Err(FrameError::Version { found: *version });
    }
    match postcard::take_from_bytes(value) {
        Ok(((number, message), [])) => Ok(Received::Message { number, message }),
        _ => Err(garbled),
    }
}
