//! Prompts of a log as vectors.

use std::path::{Path, PathBuf};

use anyhow::Context;
use trimtab_engine::Encoder;
use trimtab_scenes::Split;
use trimtab_train::collect::Plan;
use trimtab_train::dataset::LoggedTable;
use trimtab_train::estimator::Prompts;

/// The text encoder of a model folder; without one the shipped encoder.
pub(super) fn encoder(folder: Option<&Path>) -> anyhow::Result<Encoder> {
    match folder {
        Some(folder) => Ok(Encoder::load(folder)?),
        None => Ok(Plan::shipped(Split::HeldOut, 1)?.encoder()?),
    }
}

/// The vector of every question of some logs.
pub(super) fn embed(encoder: &Encoder, logs: &[&LoggedTable]) -> anyhow::Result<Prompts> {
    let mut prompts = Prompts::new();
    for turn in logs.iter().flat_map(|log| log.turns()) {
        let question = &turn.context.question;
        if !prompts.contains_key(&**question) {
            prompts.insert(question.to_string(), encoder.embed_text(question)?.as_slice().to_vec());
        }
    }
    Ok(prompts)
}

/// Vectors that another encoder made: a JSON object of lists of numbers, all of one length, by question.
pub(super) fn read(path: &PathBuf) -> anyhow::Result<Prompts> {
    let bytes = std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let form = || format!("{}: an object of lists of numbers by question is due", path.display());
    let mut prompts: Prompts = serde_json::from_slice(&bytes).with_context(form)?;
    let length = prompts.values().next().map_or(0, Vec::len);
    for (question, vector) in &mut prompts {
        let size = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        anyhow::ensure!(
            vector.len() == length && size.is_normal(),
            "{}: {question:?}: {} numbers of length {size}; each has {length} that are not all 0",
            path.display(),
            vector.len()
        );
        vector.iter_mut().for_each(|x| *x /= size);
    }
    Ok(prompts)
}
