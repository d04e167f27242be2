//! The files of a model folder, before and after.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use trimtab_engine::JSON_BYTES_MAX;

use super::{QuantiseFolderError, Report, io};

/// Where models are.
const ONNX: &str = "onnx";
/// Most files of a folder, with those of its folders.
const FILES_MAX: usize = 1000;
/// Names of forms that others publish next to the float model, each after an underscore.
const FORMS: [&str; 8] = ["fp16", "int8", "uint8", "q4", "q4f16", "q8", "bnb4", "quantized"];
/// Files of weights in other formats, which a folder for this runtime does not need.
const WEIGHTS: [&str; 9] = ["safetensors", "bin", "pt", "pth", "h5", "msgpack", "onnx", "onnx_data", "data"];

fn refuse(path: &Path, what: impl Into<String>) -> QuantiseFolderError {
    QuantiseFolderError::Material { path: path.into(), what: what.into() }
}

/// The float models of a folder, as `onnx/<file>`, by name.
pub(super) fn models(folder: &Path) -> Result<Vec<String>, QuantiseFolderError> {
    let path = folder.join(ONNX);
    let mut found = Vec::new();
    for entry in fs::read_dir(&path).map_err(io(&path, "listed; a model folder has its models in onnx"))? {
        let name = entry.map_err(io(&path, "listed"))?.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".onnx")) else { continue };
        let form = stem.rsplit_once('_').map_or("", |(_, form)| form);
        if !FORMS.contains(&form) {
            found.push(format!("{ONNX}/{stem}.onnx"));
        }
    }
    found.sort();
    if found.is_empty() { Err(refuse(&path, "holds no float model; export one as model.onnx")) } else { Ok(found) }
}

/// The new folder must be new, and apart from the source.
pub(super) fn check_out(folder: &Path, out: &Path) -> Result<(), QuantiseFolderError> {
    let source = folder.canonicalize().map_err(io(folder, "read"))?;
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent.canonicalize().map_err(io(parent, "written to; make it first"))?;
    if parent.starts_with(&source) {
        return Err(refuse(out, "lies within the source folder; write elsewhere"));
    }
    match fs::read_dir(out) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(refuse(out, "is not empty; give a new folder")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io(out, "written to")(error)),
    }
}

/// Copies what is not a model; says what was left out, but for these models.
pub(super) fn copy(from: &Path, to: &Path, models: &[String]) -> Result<Vec<String>, QuantiseFolderError> {
    let mut left = Vec::new();
    let mut folders = vec![PathBuf::new()];
    let mut files = 0;
    fs::create_dir_all(to.join(ONNX)).map_err(io(to, "written"))?;
    while let Some(below) = folders.pop() {
        let here = from.join(&below);
        for entry in fs::read_dir(&here).map_err(io(&here, "listed"))? {
            let name = entry.map_err(io(&here, "listed"))?.file_name();
            let path = below.join(&name);
            files += 1;
            if files > FILES_MAX {
                return Err(refuse(from, format!("more than {FILES_MAX} files; give a model folder")));
            }
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let whole = from.join(&path);
            if whole.is_dir() {
                folders.push(path);
                continue;
            }
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if WEIGHTS.contains(&ending) {
                let name = path.display().to_string();
                // The models themselves, and their weights where they have a file of their own.
                if !models.iter().any(|model| name.starts_with(model)) {
                    left.push(name);
                }
                continue;
            }
            let copied = to.join(&path);
            fs::create_dir_all(copied.parent().unwrap_or(to)).map_err(io(&copied, "written"))?;
            fs::copy(&whole, &copied).map_err(io(&whole, "copied"))?;
        }
    }
    left.sort();
    Ok(left)
}

/// Says in the folder's card what was done. What the old card measured of the old files goes.
pub(super) fn card(folder: &Path, report: &Report) -> Result<(), QuantiseFolderError> {
    let path = folder.join("card.json");
    let mut card = match fs::metadata(&path) {
        Ok(there) if there.len() > JSON_BYTES_MAX => return Err(refuse(&path, "is too large for a card")),
        Ok(_) => serde_json::from_slice::<Map<String, Value>>(&fs::read(&path).map_err(io(&path, "read"))?)
            .map_err(|error| refuse(&path, format!("is no card ({error}); mend or remove it")))?,
        Err(_) => Map::new(),
    };
    card.remove("peak_memory_bytes");
    if let Some(Value::Object(bytes)) = card.get_mut("file_bytes") {
        for (name, file) in &report.files {
            bytes.insert(name.clone(), file.bytes[1].into());
        }
    }
    card.insert("quantised".into(), json!(report));
    let text = serde_json::to_string_pretty(&card).map_err(|error| refuse(&path, error.to_string()))?;
    fs::write(&path, text + "\n").map_err(io(&path, "written"))
}

/// Bytes of a model, with those of weights in a file of their own under its usual names.
pub(super) fn bytes(model: &Path) -> Result<u64, QuantiseFolderError> {
    let own = fs::metadata(model).map_err(io(model, "read"))?.len();
    let other = ["_data", ".data"].iter().filter_map(|ending| {
        let mut name = model.as_os_str().to_owned();
        name.push(ending);
        Some(fs::metadata(name).ok()?.len())
    });
    Ok(own + other.sum::<u64>())
}

/// A folder that takes its place only when it is whole; and room for what is in between.
pub(super) struct Staging {
    room: TempDir,
    made: PathBuf,
}

impl Staging {
    /// Next to where it will be.
    pub(super) fn new(out: &Path) -> Result<Self, QuantiseFolderError> {
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let room =
            tempfile::Builder::new().prefix(".quantise-").tempdir_in(parent).map_err(io(parent, "written to"))?;
        let made = room.path().join("folder");
        fs::create_dir(&made).map_err(io(&made, "written"))?;
        Ok(Self { room, made })
    }

    pub(super) fn path(&self) -> &Path {
        &self.made
    }

    pub(super) fn scratch(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    pub(super) fn publish(self, out: &Path) -> Result<(), QuantiseFolderError> {
        let models = self.made.join(ONNX);
        for entry in fs::read_dir(&models).map_err(io(&models, "listed"))? {
            let path = entry.map_err(io(&models, "listed"))?.path();
            fs::File::open(&path).and_then(|file| file.sync_all()).map_err(io(&path, "written"))?;
        }
        fs::rename(&self.made, out).map_err(io(out, "written"))
    }
}
