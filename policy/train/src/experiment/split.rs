//! Splits of the dialogues, as a results file names them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::ExperimentError;
use crate::dataset::{LoggedTable, LoggedTurn};
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
    /// The logged turns of the training part, dialogue by dialogue.
    pub train_turns: Vec<LoggedTurn>,
    /// Those of the test part.
    pub test_turns: Vec<LoggedTurn>,
}

/// Most splits of a file.
pub const SPLITS_MAX: usize = 100;

#[derive(Deserialize)]
struct Ids {
    test_ids: BTreeMap<u64, Vec<u64>>,
    train_ids: BTreeMap<u64, Vec<u64>>,
}

/// The splits of a file, and the dialogues.
pub fn splits(data: &Path, ids: &Path) -> Result<(Vec<Split>, LoggedTable), ExperimentError> {
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
        let known = |id: u64, part: &[Episode]| part.iter().filter(|episode| episode.id == id).count();
        let twice = |episode: &&Episode| known(episode.id, &test) + known(episode.id, &train) > 1;
        if let Some(episode) = test.iter().chain(&train).find(twice) {
            return Err(refuse(format!(
                "split {seed}: dialogue {} is there twice; name it once, in one part",
                episode.id
            )));
        }
        let turns = |episodes: &[Episode]| -> Vec<LoggedTurn> {
            let id = |episode: &Episode| episode.id;
            let of = |id: u64| table.turns().iter().filter(move |turn| turn.dialogue == id).cloned();
            episodes.iter().map(id).flat_map(of).collect()
        };
        let (train_turns, test_turns) = (turns(&train), turns(&test));
        Ok(Split { seed: *seed, train, test, train_turns, test_turns })
    };
    if ids.test_ids.is_empty() || ids.test_ids.len() > SPLITS_MAX {
        return Err(refuse(format!("test_ids: {} splits; 1 to {SPLITS_MAX} are due", ids.test_ids.len())));
    }
    let splits = ids.test_ids.iter().map(split).collect::<Result<Vec<_>, _>>()?;
    Ok((splits, table))
}
