//! Weights that stand in another file.

use std::path::{Component, Path};
use std::sync::Arc;

use super::tensor::Place;
use crate::QuantiseError;
use crate::proto::TensorProto;

/// The number that says so, of `data_location`.
pub(crate) const EXTERNAL: i32 = 1;

/// Where the values of a tensor are, next to its file.
pub(crate) fn place(path: &Path, tensor: &TensorProto) -> Result<Place, QuantiseError> {
    let name = tensor.name.clone().unwrap_or_default();
    let entry = |key: &str| {
        let pair = tensor.external_data.iter().find(|pair| pair.key.as_deref() == Some(key));
        pair.and_then(|pair| pair.value.as_deref())
    };
    let location = entry("location").unwrap_or_default();
    let refuse = |problem: String| QuantiseError::External {
        path: path.into(),
        tensor: name.clone(),
        location: location.into(),
        problem,
    };
    let inside = Path::new(location).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if location.is_empty() || !inside {
        return Err(refuse("not a file next to the model or below; move it there".into()));
    }
    let number = |key: &str, text: Option<&str>| match text {
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| refuse(format!("{key} {text:?} is no number"))),
        None => Ok(None),
    };
    let offset = number("offset", entry("offset"))?.unwrap_or(0);
    let file = path.parent().unwrap_or(Path::new("")).join(location);
    let have =
        std::fs::metadata(&file).map_err(|error| refuse(format!("cannot be read: {error}; fetch it too")))?.len();
    let length = number("length", entry("length"))?.unwrap_or(have.saturating_sub(offset));
    if offset.checked_add(length).is_none_or(|end| end > have) {
        return Err(refuse(format!("bytes {offset} and {length} more do not lie within its {have}; fetch it again")));
    }
    Ok(Place { file: Arc::from(file), offset, length })
}
