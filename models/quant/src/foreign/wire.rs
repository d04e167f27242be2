//! Protobuf, field by field: where each one lies in a file, without making anything of what it holds.

use std::io::{self, Cursor, Read, Seek};

use crate::QuantiseError;

/// Wire types of the protobuf encoding.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// Why a field cannot be read.
#[derive(Debug)]
pub(crate) enum WireError {
    Io(io::Error),
    /// Cut off, or no protobuf.
    Damaged {
        at: u64,
        what: &'static str,
    },
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl WireError {
    /// As a fault of this file.
    pub(crate) fn of(self, path: &std::path::Path) -> QuantiseError {
        match self {
            Self::Io(source) => QuantiseError::io(path, "read", source),
            Self::Damaged { at, what } => QuantiseError::corrupt(path, &format!("{what} at byte {at}")),
        }
    }
}

/// One field: all of it lies in `start..end`, its value in `body..end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) number: u64,
    pub(crate) start: u64,
    pub(crate) body: u64,
    pub(crate) end: u64,
    /// The value of an integer field.
    pub(crate) integer: Option<u64>,
    /// Whether the value has a length of its own: a text, bytes or a message.
    pub(crate) delimited: bool,
}

/// Reads fields one after another.
pub(crate) struct Scanner<R> {
    input: R,
    at: u64,
}

impl<'a> Scanner<Cursor<&'a [u8]>> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self::new(Cursor::new(bytes))
    }
}

impl<R: Read + Seek> Scanner<R> {
    /// `input` must stand at its beginning.
    pub(crate) fn new(input: R) -> Self {
        Self { input, at: 0 }
    }

    /// The field that begins here, in a message that goes on until `end`. Afterwards the scanner stands at its value.
    pub(crate) fn next(&mut self, end: u64) -> Result<Option<Field>, WireError> {
        let start = self.at;
        if start >= end {
            return Ok(None);
        }
        let key = self.varint(end)?;
        let mut integer = None;
        let mut delimited = false;
        let mut body = self.at;
        let length = match key & 7 {
            VARINT => {
                integer = Some(self.varint(end)?);
                self.at - body
            }
            FIXED64 => 8,
            FIXED32 => 4,
            BYTES => {
                let length = self.varint(end)?;
                body = self.at;
                delimited = true;
                length
            }
            _ => return Err(WireError::Damaged { at: start, what: "no field of a known kind" }),
        };
        let number = key >> 3;
        match body.checked_add(length).filter(|field_end| *field_end <= end) {
            Some(end) if number > 0 => Ok(Some(Field { number, start, body, end, integer, delimited })),
            Some(_) => Err(WireError::Damaged { at: start, what: "a field without a number" }),
            None => Err(WireError::Damaged { at: start, what: "cut off in the field" }),
        }
    }

    /// Goes to a place.
    pub(crate) fn seek(&mut self, to: u64) -> Result<(), WireError> {
        if to != self.at {
            self.input.seek_relative(to.wrapping_sub(self.at).cast_signed())?;
            self.at = to;
        }
        Ok(())
    }

    /// The bytes `from..to`, and goes behind them. The caller has them lie within the file.
    pub(crate) fn bytes(&mut self, from: u64, to: u64) -> Result<Vec<u8>, WireError> {
        let mut bytes = Vec::new();
        self.append(from, to, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`Scanner::bytes`], at the end of `out`.
    pub(crate) fn append(&mut self, from: u64, to: u64, out: &mut Vec<u8>) -> Result<(), WireError> {
        self.seek(from)?;
        let length = to - from;
        let read = self.input.by_ref().take(length).read_to_end(out)? as u64;
        self.at += read;
        if read == length { Ok(()) } else { Err(WireError::Damaged { at: self.at, what: "cut off" }) }
    }

    fn varint(&mut self, end: u64) -> Result<u64, WireError> {
        let start = self.at;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            if self.at >= end {
                return Err(WireError::Damaged { at: start, what: "cut off in a number" });
            }
            let mut byte = [0];
            self.input.read_exact(&mut byte)?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Damaged { at: start, what: "a number of more than ten bytes" })
    }
}

/// Length of an integer on the wire.
pub(crate) fn varint_length(value: u64) -> u64 {
    u64::from((63 - (value | 1).leading_zeros()) / 7 + 1)
}

/// Appends an integer.
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends key and length of a field whose value has a length.
pub(crate) fn put_head(number: u64, length: u64, out: &mut Vec<u8>) {
    put_varint(number << 3 | BYTES, out);
    put_varint(length, out);
}

/// Length of key, length and value of such a field.
pub(crate) fn delimited_length(number: u64, length: u64) -> u64 {
    varint_length(number << 3) + varint_length(length) + length
}
