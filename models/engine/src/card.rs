//! What a model folder says of itself in `card.json`.

use std::path::Path;

use serde_json::{Map, Value};

use crate::ModelError;
use crate::folder::Folder;

/// The card of a model: free JSON, of which the runtime reads the measured peak memory. Empty when there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Card(Map<String, Value>);

impl Card {
    /// Reads the card of a model folder; empty when the folder has none.
    pub fn read(dir: &Path) -> Result<Self, ModelError> {
        Self::load(&Folder::open(dir, "a model")?)
    }

    /// All of it.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    pub(crate) fn load(folder: &Folder) -> Result<Self, ModelError> {
        Ok(Self(folder.json_if_present("card.json")?.unwrap_or_default()))
    }

    /// A value of the card.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Measured peak memory of loading and running the model, in bytes, if the card gives it.
    pub fn peak_bytes(&self) -> Option<u64> {
        self.get("peak_memory_bytes").and_then(Value::as_u64)
    }
}
