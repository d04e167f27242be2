//! Reads an ONNX file without its large constants: they stay in the file, and what is read says where they are, as ONNX says of
//! constants in another file. So a model of hundreds of megabytes is never in memory as a whole.
//!
//! Walks the protobuf encoding: a message is a run of fields, a field is a key (number and wire type) and a value; only values with
//! a length nest.

use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read};

/// Constants up to so many bytes are read with the rest: shapes and indices that planning looks at.
const INLINE_MAX: u64 = 4096;

/// Numbers of the fields that lead to a constant's bytes, and of those that say where else they are.
const MODEL_GRAPH: u64 = 7;
const GRAPH_INITIALIZER: u64 = 5;
const TENSOR_RAW_DATA: u64 = 9;
const TENSOR_EXTERNAL_DATA: u64 = 13;
const TENSOR_DATA_LOCATION: u64 = 14;
/// `data_location`: in another file.
const EXTERNAL: u64 = 1;

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED_32: u64 = 5;

/// Messages on the way to a constant.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Model,
    Graph,
    Tensor,
}

/// The file's contents with each large constant replaced by its place in the file, which is called `name`.
pub(super) fn skim(file: File, name: &str) -> Result<Vec<u8>, Error> {
    let length = file.metadata()?.len();
    let mut walk = Walk { file: BufReader::new(file), at: 0, name };
    let mut out = Vec::new();
    walk.message(length, Level::Model, &mut out)?;
    Ok(out)
}

struct Walk<'a> {
    file: BufReader<File>,
    at: u64,
    name: &'a str,
}

impl Walk<'_> {
    fn message(&mut self, end: u64, level: Level, out: &mut Vec<u8>) -> Result<(), Error> {
        while self.at < end {
            let key = self.varint(end)?;
            match (key & 7, level, key >> 3) {
                (VARINT, ..) => {
                    let value = self.varint(end)?;
                    put(key, out);
                    put(value, out);
                }
                (FIXED_64, ..) => self.copy(key, 8, end, out)?,
                (FIXED_32, ..) => self.copy(key, 4, end, out)?,
                (LENGTH, level, field) => {
                    let length = self.varint(end)?;
                    let last = self.at.checked_add(length).filter(|last| *last <= end).ok_or_else(cut_off)?;
                    let inner = match (level, field) {
                        (Level::Model, MODEL_GRAPH) => Some(Level::Graph),
                        (Level::Graph, GRAPH_INITIALIZER) => Some(Level::Tensor),
                        _ => None,
                    };
                    if let Some(inner) = inner {
                        let mut message = Vec::new();
                        self.message(last, inner, &mut message)?;
                        put_bytes(key, &message, out);
                    } else if level == Level::Tensor && field == TENSOR_RAW_DATA && length > INLINE_MAX {
                        self.place(length, out);
                        self.file.seek_relative(i64::try_from(length).map_err(|_| cut_off())?)?;
                        self.at = last;
                    } else {
                        put(key, out);
                        self.copy(length, length, end, out)?;
                    }
                }
                (kind, ..) => return Err(Error::new(ErrorKind::InvalidData, format!("wire type {kind}"))),
            }
        }
        Ok(())
    }

    /// Says that the constant's bytes are the next `length` of the file.
    fn place(&self, length: u64, out: &mut Vec<u8>) {
        let entries =
            [("location", self.name.to_owned()), ("offset", self.at.to_string()), ("length", length.to_string())];
        for (name, value) in entries {
            let mut entry = Vec::new();
            put_bytes(1 << 3 | LENGTH, name.as_bytes(), &mut entry);
            put_bytes(2 << 3 | LENGTH, value.as_bytes(), &mut entry);
            put_bytes(TENSOR_EXTERNAL_DATA << 3 | LENGTH, &entry, out);
        }
        put(TENSOR_DATA_LOCATION << 3 | VARINT, out);
        put(EXTERNAL, out);
    }

    /// Writes `head` and then the next `count` bytes of the file.
    fn copy(&mut self, head: u64, count: u64, end: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        if count > end - self.at {
            return Err(cut_off());
        }
        put(head, out);
        if self.file.by_ref().take(count).read_to_end(out)? as u64 != count {
            return Err(cut_off());
        }
        self.at += count;
        Ok(())
    }

    fn varint(&mut self, end: u64) -> Result<u64, Error> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            if self.at == end {
                return Err(cut_off());
            }
            let mut byte = [0];
            self.file.read_exact(&mut byte)?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::new(ErrorKind::InvalidData, "a number of more than 64 bits"))
    }
}

fn cut_off() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "it ends within a field")
}

fn put(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_bytes(key: u64, bytes: &[u8], out: &mut Vec<u8>) {
    put(key, out);
    put(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
