//! The bytes of a GGUF header: integers in little-endian order, text and arrays with their lengths before them.

use std::io::{ErrorKind, Read};

/// Largest header, bytes: vocabularies and merges of full-size models take some ten megabytes.
pub const GGUF_HEADER_BYTES_MAX: u64 = 128 << 20;
/// Longest name of a key or tensor, bytes.
pub(super) const NAME_BYTES_MAX: u64 = 256;
/// Longest text of a value that is kept, bytes: chat templates have some kilobytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// A value that is not an array; others than these are read and forgotten.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(u64),
    Text(Vec<u8>),
    Flag(bool),
    Other,
}

/// Types of values, as the format numbers them.
pub(super) const TEXT: u32 = 8;
pub(super) const ARRAY: u32 = 9;

/// Reads a header and counts its bytes.
pub(super) struct Reader<R> {
    input: R,
    at: u64,
}

impl<R: Read> Reader<R> {
    pub(super) const fn new(input: R) -> Self {
        Self { input, at: 0 }
    }

    /// Bytes read so far.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.at += bytes.len() as u64;
        if self.at > GGUF_HEADER_BYTES_MAX {
            return Err(format!("its header is longer than {GGUF_HEADER_BYTES_MAX} bytes"));
        }
        self.input.read_exact(bytes).map_err(|fault| match fault.kind() {
            ErrorKind::UnexpectedEof => "it is cut off in its header".to_owned(),
            _ => fault.to_string(),
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn magic(&mut self) -> Result<[u8; 4], String> {
        self.array()
    }

    pub(super) fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A text of at most `limit` bytes.
    pub(super) fn text(&mut self, limit: u64) -> Result<Vec<u8>, String> {
        let length = self.u64()?;
        if length > limit {
            return Err(format!("a text of its header has {length} bytes, more than the {limit} it may have"));
        }
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The name of a key or tensor.
    pub(super) fn name(&mut self) -> Result<String, String> {
        String::from_utf8(self.text(NAME_BYTES_MAX)?).map_err(|_| "a name in its header is no text".to_owned())
    }

    /// A value of a type that is no array.
    pub(super) fn value(&mut self, kind: u32) -> Result<Value, String> {
        Ok(match kind {
            0 => Value::Number(self.array::<1>()?[0].into()),
            2 => Value::Number(u16::from_le_bytes(self.array()?).into()),
            4 => Value::Number(self.u32()?.into()),
            10 => Value::Number(self.u64()?),
            5 => u64::try_from(i32::from_le_bytes(self.array()?)).map_or(Value::Other, Value::Number),
            11 => u64::try_from(i64::from_le_bytes(self.array()?)).map_or(Value::Other, Value::Number),
            7 => Value::Flag(self.array::<1>()?[0] != 0),
            TEXT => Value::Text(self.text(TEXT_BYTES_MAX)?),
            1 => self.array::<1>().map(|_| Value::Other)?,
            3 => self.array::<2>().map(|_| Value::Other)?,
            6 => self.array::<4>().map(|_| Value::Other)?,
            12 => self.array::<8>().map(|_| Value::Other)?,
            _ => return Err(format!("a value of its header has the unknown type {kind}")),
        })
    }
}
