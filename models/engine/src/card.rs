//! What a model folder says of itself in `card.json`.

use serde_json::{Map, Value};

use crate::ModelError;
use crate::folder::Folder;

/// The card of a model: free JSON, of which the runtime reads the measured peak memory. Empty when there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Card(Map<String, Value>);

impl Card {
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
