//! The constants of a file: checked when it is opened, read one at a time when they are packed. Their bytes are in the file's
//! messages, or at a place in the file itself or in another of its folder.

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path};

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use super::corrupt;
use crate::ModelError;

/// Largest number of elements of one constant; a damaged header must not make the engine allocate without bound.
const ELEMENTS_MAX: u64 = 1 << 30;

/// Where a constant's bytes are.
struct Place<'a> {
    location: &'a str,
    offset: u64,
    length: Option<u64>,
}

/// Checks that shape and bytes belong together, that what is outside is there, and that floats at hand are numbers. `folder` is the
/// file's.
pub(super) fn check(path: &Path, folder: &Path, constant: &pb::TensorProto) -> Result<(), ModelError> {
    let bad = |problem: String| corrupt(path, &format!("weight {} {problem}", constant.name));
    let elements = constant.dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(u64::try_from(dim).ok()?));
    let Some(elements) = elements.filter(|&n| n <= ELEMENTS_MAX) else {
        return Err(bad(format!("declares the shape {:?}", constant.dims)));
    };
    let due = element_bytes(constant.data_type).map(|size| elements * size);
    let have = match place(constant) {
        Some(place) => {
            let place = place.map_err(bad)?;
            let inside = Path::new(place.location).components().all(|part| matches!(part, Component::Normal(_)));
            if !inside || place.location.is_empty() {
                return Err(bad(format!("is said to be in {:?}; only files beside this one are read", place.location)));
            }
            let size = std::fs::metadata(folder.join(place.location)).map(|data| data.len()).map_err(|source| {
                ModelError::Missing {
                    path: folder.join(place.location),
                    remedy: format!("{} keeps its weights there ({source}); fetch both together", path.display()),
                }
            })?;
            let length = place.length.unwrap_or_else(|| size.saturating_sub(place.offset));
            if place.offset.checked_add(length).is_none_or(|end| end > size) {
                let Place { location, offset, .. } = place;
                return Err(bad(format!("has {length} bytes from byte {offset} of {location}, which has {size}")));
            }
            Some(length)
        }
        None => (!constant.raw_data.is_empty()).then_some(constant.raw_data.len() as u64),
    };
    if let (Some(due), Some(have)) = (due, have)
        && due != have
    {
        return Err(bad(format!("has {have} bytes for the shape {:?}", constant.dims)));
    }
    let is_float = constant.data_type == DataType::Float as i32;
    if constant.float_data.iter().any(|v| v.is_nan()) || (is_float && floats(&constant.raw_data).any(f32::is_nan)) {
        return Err(ModelError::NotFinite { path: path.into(), tensor: constant.name.clone() });
    }
    Ok(())
}

/// The bytes of a checked constant, little-endian, row-major; `None` where they are given as numbers.
pub(super) fn bytes<'a>(
    path: &Path,
    folder: &Path,
    constant: &'a pb::TensorProto,
) -> Result<Option<Cow<'a, [u8]>>, ModelError> {
    let Some(place) = place(constant) else {
        return Ok((!constant.raw_data.is_empty()).then_some(Cow::Borrowed(&*constant.raw_data)));
    };
    let place = place.map_err(|problem| corrupt(path, &format!("weight {} {problem}", constant.name)))?;
    let from = folder.join(place.location);
    let failed = |source| ModelError::Read { path: from.clone(), source };
    let file = File::open(&from).map_err(failed)?;
    let length = match place.length {
        Some(length) => length,
        None => file.metadata().map_err(failed)?.len().saturating_sub(place.offset),
    };
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, place.offset).map_err(failed)?;
    Ok(Some(Cow::Owned(bytes)))
}

/// Little-endian bytes as floats.
pub(super) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four))
}

/// Bytes of a constant once its numbers are expanded to 32 bits, as they are computed in.
pub(super) fn loaded_bytes(constant: &pb::TensorProto) -> u64 {
    let elements: u64 = constant.dims.iter().map(|&dim| u64::try_from(dim).unwrap_or(0)).product();
    elements * element_bytes(constant.data_type).unwrap_or(4).max(4)
}

fn place(constant: &pb::TensorProto) -> Option<Result<Place<'_>, String>> {
    (constant.data_location == Some(pb::tensor_proto::DataLocation::External as i32)).then(|| {
        let entry = |key: &str| constant.external_data.iter().find(|entry| entry.key == key).map(|entry| &*entry.value);
        let number = |key: &str| {
            entry(key)
                .map(|value| value.parse().map_err(|_| format!("has the {key} {value:?} in another file")))
                .transpose()
        };
        let location = entry("location").ok_or("is in another file that is not named")?;
        Ok(Place { location, offset: number("offset")?.unwrap_or(0), length: number("length")? })
    })
}

fn element_bytes(data_type: i32) -> Option<u64> {
    match DataType::try_from(data_type).ok()? {
        DataType::Bool | DataType::Uint8 | DataType::Int8 => Some(1),
        DataType::Float16 | DataType::Bfloat16 | DataType::Uint16 | DataType::Int16 => Some(2),
        DataType::Float | DataType::Uint32 | DataType::Int32 => Some(4),
        DataType::Double | DataType::Uint64 | DataType::Int64 => Some(8),
        _ => None,
    }
}
