//! One constant of a foreign file. Its values are read when they are asked for.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use prost::Message;

use super::external::{EXTERNAL, place};
use super::wire::{Scanner, WireError, delimited_length, put_head};
use crate::proto::{StringStringEntryProto, TensorProto};
use crate::quantise::elements;
use crate::{DType, QuantiseError};

/// Values of fewer bytes are kept in memory.
const KEPT_BYTES_MAX: u64 = 1024;
/// Bytes copied or looked at in one go.
const PIECE_BYTES: usize = 1 << 20;
/// Field numbers of a tensor: typed floats, raw values, place in another file, and that they are there.
const FLOATS: u64 = 4;
const RAW: u64 = 9;
const EXTERNAL_DATA: u64 = 13;
const DATA_LOCATION: u64 = 14;

/// Bytes of a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: Arc<Path>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Where the values are, little-endian, row-major.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// In a field of their type that is kept as it is.
    Typed,
    Here(Arc<[u8]>),
    Stored(Place),
}

/// A constant.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: i32,
    pub(crate) data: Data,
    /// Every field but the values, as it was.
    rest: Vec<u8>,
}

impl Tensor {
    /// Reads a tensor that lies in `from..to` of a file, but for its values.
    pub(crate) fn scan<R: Read + Seek>(
        path: &Arc<Path>,
        scanner: &mut Scanner<R>,
        from: u64,
        to: u64,
    ) -> Result<Self, QuantiseError> {
        let mut rest = Vec::new();
        let mut raw = None;
        let mut fields = || -> Result<(), WireError> {
            scanner.seek(from)?;
            while let Some(field) = scanner.next(to)? {
                match field.number {
                    RAW if field.delimited && field.end - field.body > KEPT_BYTES_MAX => {
                        let place = Place { file: path.clone(), offset: field.body, length: field.end - field.body };
                        raw = Some(Data::Stored(place));
                        scanner.seek(field.end)?;
                    }
                    RAW if field.delimited => {
                        raw = Some(Data::Here(scanner.bytes(field.body, field.end)?.into()));
                    }
                    _ => scanner.append(field.start, field.end, &mut rest)?,
                }
            }
            Ok(())
        };
        fields().map_err(|error| error.of(path))?;
        let view = TensorProto::decode(rest.as_slice()).map_err(|error| QuantiseError::corrupt(path, &error))?;
        Self::of(path, &view, rest, raw)
    }

    /// A tensor that is at hand.
    pub(crate) fn of_view(path: &Path, view: &TensorProto) -> Result<Self, QuantiseError> {
        let raw = view.raw_data.as_ref().map(|raw| Data::Here(raw.as_slice().into()));
        let without = TensorProto { raw_data: None, ..view.clone() };
        Self::of(path, view, without.encode_to_vec(), raw)
    }

    fn of(path: &Path, view: &TensorProto, mut rest: Vec<u8>, raw: Option<Data>) -> Result<Self, QuantiseError> {
        let name = view.name.clone().unwrap_or_default();
        let dtype = view.data_type.unwrap_or_default();
        let shape: Option<Vec<usize>> = view.dims.iter().map(|length| usize::try_from(*length).ok()).collect();
        let refuse = |have: u64| QuantiseError::Shape {
            path: path.into(),
            tensor: name.clone(),
            shape: view.dims.clone(),
            have,
        };
        let shape = shape.ok_or_else(|| refuse(0))?;
        let count = elements(&shape).ok_or_else(|| refuse(0))?;
        let data = if view.data_location == Some(EXTERNAL) {
            strip(path, &mut rest, &[EXTERNAL_DATA, DATA_LOCATION])?;
            Data::Stored(place(path, view)?)
        } else if let Some(raw) = raw {
            raw
        } else if dtype == DType::F32.code() {
            strip(path, &mut rest, &[FLOATS])?;
            Data::Here(view.float_data.iter().flat_map(|value| value.to_le_bytes()).collect())
        } else {
            Data::Typed
        };
        let tensor = Self { name: name.clone(), shape, dtype, data, rest };
        if let (Some(have), Some(width)) = (tensor.bytes(), width(dtype))
            && (count as u64).checked_mul(width) != Some(have)
        {
            return Err(refuse(have / width));
        }
        Ok(tensor)
    }

    /// A new constant.
    pub(crate) fn new(name: &str, dtype: DType, shape: &[usize], data: Data) -> Self {
        let view = TensorProto {
            dims: shape.iter().map(|&length| length as i64).collect(),
            data_type: Some(dtype.code()),
            name: Some(name.into()),
            ..TensorProto::default()
        };
        Self { name: name.into(), shape: shape.to_vec(), dtype: dtype.code(), data, rest: view.encode_to_vec() }
    }

    /// A new constant of floats.
    pub(crate) fn floats(name: &str, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::new(name, DType::F32, shape, Data::Here(bytes))
    }

    pub(crate) fn is_f32(&self) -> bool {
        self.dtype == DType::F32.code() && !matches!(self.data, Data::Typed)
    }

    /// Bytes of the values, where they are not in a typed field.
    pub(crate) fn bytes(&self) -> Option<u64> {
        match &self.data {
            Data::Typed => None,
            Data::Here(bytes) => Some(bytes.len() as u64),
            Data::Stored(place) => Some(place.length),
        }
    }

    /// The values of a float constant.
    pub(crate) fn values(&self) -> Result<Vec<f32>, QuantiseError> {
        let mut values = Vec::with_capacity(self.bytes().unwrap_or(0) as usize / 4);
        self.pieces(&mut |piece| {
            values.extend(piece.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            Ok(())
        })?;
        Ok(values)
    }

    /// Hands the values on, in pieces of a multiple of eight bytes.
    pub(crate) fn pieces(&self, take: &mut dyn FnMut(&[u8]) -> Result<(), QuantiseError>) -> Result<(), QuantiseError> {
        let place = match &self.data {
            Data::Typed => return Ok(()),
            Data::Here(bytes) => return take(bytes),
            Data::Stored(place) => place,
        };
        let failed = |source| QuantiseError::io(&place.file, "read", source);
        let mut file = File::open(&place.file).map_err(failed)?;
        file.seek(SeekFrom::Start(place.offset)).map_err(failed)?;
        let mut left = place.length;
        let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(left).unwrap_or(PIECE_BYTES))];
        while left > 0 {
            let now = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.read_exact(&mut piece[..now]).map_err(failed)?;
            take(&piece[..now])?;
            left -= now as u64;
        }
        Ok(())
    }

    /// Length of what [`Tensor::encode`] writes, without key and length.
    pub(crate) fn encoded_length(&self) -> u64 {
        self.rest.len() as u64 + self.bytes().map_or(0, |bytes| delimited_length(RAW, bytes))
    }

    /// Writes it with its values, without key and length.
    pub(crate) fn encode(&self, path: &Path, out: &mut dyn Write) -> Result<(), QuantiseError> {
        let failed = |source| QuantiseError::io(path, "written", source);
        let mut head = self.rest.clone();
        if let Some(bytes) = self.bytes() {
            put_head(RAW, bytes, &mut head);
        }
        out.write_all(&head).map_err(failed)?;
        self.pieces(&mut |piece| out.write_all(piece).map_err(failed))
    }

    /// What stands for it in the file when its values are in another.
    pub(crate) fn encode_external(&self, location: &str, offset: u64, length: u64) -> Vec<u8> {
        let pair = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
        let there = TensorProto {
            external_data: vec![
                pair("location", location.into()),
                pair("offset", offset.to_string()),
                pair("length", length.to_string()),
            ],
            data_location: Some(EXTERNAL),
            ..TensorProto::default()
        };
        [self.rest.as_slice(), &there.encode_to_vec()].concat()
    }
}

/// Takes fields of some numbers out of a message.
fn strip(path: &Path, message: &mut Vec<u8>, numbers: &[u64]) -> Result<(), QuantiseError> {
    let mut kept = Vec::with_capacity(message.len());
    let mut scanner = Scanner::of(message);
    let mut fields = || -> Result<(), WireError> {
        while let Some(field) = scanner.next(message.len() as u64)? {
            if numbers.contains(&field.number) {
                scanner.seek(field.end)?;
            } else {
                scanner.append(field.start, field.end, &mut kept)?;
            }
        }
        Ok(())
    };
    fields().map_err(|error| error.of(path))?;
    *message = kept;
    Ok(())
}

/// Bytes of one value of a type; none for types that share bytes or have no fixed length.
fn width(dtype: i32) -> Option<u64> {
    match dtype {
        2 | 3 | 9 => Some(1),
        4 | 5 | 10 | 16 => Some(2),
        1 | 6 | 12 => Some(4),
        7 | 11 | 13 | 14 => Some(8),
        15 => Some(16),
        _ => None,
    }
}
