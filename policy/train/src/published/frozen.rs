//! Response tables that were frozen from another run of the published environment: one file of numbers and one that says what
//! each number means.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ACTIONS, Episode, ResponseModel, State};

/// Largest table in bytes.
const TABLE_BYTES_MAX: u64 = 64 << 20;
/// Most turns of one dialogue: each further one multiplies the table by nine.
const TURNS_MAX: usize = 6;

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrozenError {
    /// The file system.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The index file.
    #[error("{path}: {source}; give the folder and name of a table without its ending, as in reference/seed0")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The two files, or the dialogues, do not belong together.
    #[error("{path}: {what}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

#[derive(Deserialize)]
struct Index {
    count: usize,
    test: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: u64,
    tasks: Vec<u8>,
    level_offset: Vec<usize>,
}

/// Frozen responses for every own-history state of some episodes.
#[derive(Clone, PartialEq, Debug)]
pub struct FrozenTables {
    values: Vec<f32>,
    /// First value of each turn, episode by episode.
    levels: Vec<Vec<usize>>,
}

impl FrozenTables {
    /// Reads `<name>.json` and `<name>.f32`, which must hold these episodes.
    pub fn read(name: &Path, episodes: &[Episode]) -> Result<Self, FrozenError> {
        let (index_path, values_path) = (name.with_extension("json"), name.with_extension("f32"));
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| FrozenError::Io { path, source }
        };
        let length = fs::metadata(&values_path).map_err(io(&values_path))?.len();
        let form = |what: String| FrozenError::Form { path: values_path.clone(), what };
        if length > TABLE_BYTES_MAX {
            return Err(form(format!("{length} bytes; a table has at most {TABLE_BYTES_MAX}")));
        }
        let text = fs::read(&index_path).map_err(io(&index_path))?;
        let index: Index =
            serde_json::from_slice(&text).map_err(|source| FrozenError::Json { path: index_path.clone(), source })?;
        let bytes = fs::read(&values_path).map_err(io(&values_path))?;
        let values: Vec<f32> = bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        if values.len() != index.count || values.iter().any(|value| !value.is_finite()) {
            return Err(form(format!("{} finite numbers are due, {} values are there", index.count, values.len())));
        }
        let levels = episodes.iter().map(|episode| {
            let of = |what: String| form(format!("dialogue {}: {what}", episode.id));
            let entry = index.test.iter().find(|entry| entry.id == episode.id);
            let entry = entry.ok_or_else(|| of("is not in the table; it was frozen for another split".into()))?;
            if entry.tasks != episode.tasks || entry.level_offset.len() != entry.tasks.len() {
                return Err(of("has other turns in the table than in the data".into()));
            }
            let inside = entry.level_offset.iter().enumerate().all(|(turn, offset)| {
                let states = ACTIONS.pow(turn.min(TURNS_MAX) as u32 + 1);
                turn < TURNS_MAX && offset.checked_add(states).is_some_and(|end| end <= values.len())
            });
            if inside {
                Ok(entry.level_offset.clone())
            } else {
                Err(of("level_offset: points outside the table".into()))
            }
        });
        let levels = levels.collect::<Result<_, _>>()?;
        Ok(Self { values, levels })
    }
}

impl ResponseModel for FrozenTables {
    fn responses(&self, episode: usize, turn: usize, state: State) -> [f64; ACTIONS] {
        // A state remembers only so many actions; frozen tables are for episodes that it remembers whole.
        let history = state.actions().fold(0, |history, action| ACTIONS * history + action);
        let first = self.levels[episode][turn] + ACTIONS * history;
        std::array::from_fn(|action| f64::from(self.values[first + action]))
    }
}
