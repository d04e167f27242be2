//! Splits of the dialogues, as a results file names them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::ExperimentError;
use crate::dataset::LoggedTable;
use crate::published::Episode;

/// One division of the dialogues.
#[derive(Clone, PartialEq, Debug)]
pub struct Split {
    /// Its number in the file.
    pub seed: u64,
    /// What contenders and environment are fitted to.
    pub train: Vec<Episode>,
    /// What they are judged on.
    pub test: Vec<Episode>,
}

#[derive(Deserialize)]
struct Ids {
    test_ids: BTreeMap<u64, Vec<u64>>,
    train_ids: BTreeMap<u64, Vec<u64>>,
}

/// The splits of a file, and the sha256 of the dialogues.
pub fn splits(data: &Path, ids: &Path) -> Result<(Vec<Split>, String), ExperimentError> {
    let table = LoggedTable::read(&[data.to_path_buf()])?;
    let episodes = Episode::all(&table)?;
    let refuse = |what: String| ExperimentError::Splits { path: ids.into(), what };
    let text = std::fs::read(ids).map_err(|error| refuse(error.to_string()))?;
    let ids: Ids = serde_json::from_slice(&text)
        .map_err(|error| refuse(format!("{error}; train_ids and test_ids by seed are due")))?;
    let pick = |seed: u64, list: &[u64]| -> Result<Vec<Episode>, ExperimentError> {
        let find = |id: &u64| {
            let found = episodes.iter().find(|episode| episode.id == *id).cloned();
            found.ok_or_else(|| refuse(format!("split {seed}: dialogue {id} is not in {}", data.display())))
        };
        list.iter().map(find).collect()
    };
    let split = |(seed, test): (&u64, &Vec<u64>)| {
        let train = ids.train_ids.get(seed).ok_or_else(|| refuse(format!("train_ids: no split {seed}")))?;
        let (train, test) = (pick(*seed, train)?, pick(*seed, test)?);
        if train.is_empty() || test.is_empty() {
            return Err(refuse(format!("split {seed}: a part without dialogues")));
        }
        Ok(Split { seed: *seed, train, test })
    };
    let splits = ids.test_ids.iter().map(split).collect::<Result<Vec<_>, _>>()?;
    if splits.is_empty() {
        return Err(refuse("test_ids: no split".into()));
    }
    Ok((splits, table.sha256().into()))
}
