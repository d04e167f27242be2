//! A conversation's file in the folder of its table.

use std::path::Path;

use super::RobotError;
use super::prompts::Conversation;
use crate::dataset::{Dialogue, read_dialogues, shard_path};

/// The number of a conversation in its table, from its place in the file of prompts.
#[must_use]
pub const fn number(place: usize) -> u64 {
    place as u64 + 1
}

/// Reads what was collected of a conversation; none if nothing was. Refuses what is of another.
pub fn collected(folder: &Path, place: usize, conversation: &Conversation) -> Result<Option<Dialogue>, RobotError> {
    let path = shard_path(folder, number(place));
    if !path.exists() {
        return Ok(None);
    }
    let dialogue = read_dialogues(std::slice::from_ref(&path))?.dialogues.pop().map(|(_, dialogue)| dialogue);
    let name = dialogue.as_ref().and_then(|dialogue| dialogue.trimtab.as_ref()?.conversation.as_ref());
    match (&dialogue, name) {
        (Some(_), Some(name)) if *name == conversation.name => Ok(dialogue),
        (_, Some(name)) => {
            Err(RobotError::Shard { path, what: format!("holds conversation {name:?}, not {:?}", conversation.name) })
        }
        (_, None) => Err(RobotError::Shard { path, what: "was not collected from a device".into() }),
    }
}
