//! `trimtab models list`: which models lie in a folder.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use trimtab_engine::{Card, FolderKind, Survey};

use super::super::{Common, Failure, show};
use super::megabytes;
use crate::config::Config;

/// Most model folders of one folder.
const MODELS_MAX: usize = 256;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Where to look [default: beside the configured encoder]
    folder: Option<PathBuf>,
}

pub(super) fn execute(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => {
            let encoder = Config::load(common.config.as_deref())?.models.encoder;
            encoder.parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
        }
    };
    let place = folder.display();
    let fault = |cause: std::io::Error| {
        Failure::Failed(format!("{place}: cannot be read ({cause}); give the folder that holds the model folders"))
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(fault)?.take(MODELS_MAX) {
        paths.push(entry.map_err(fault)?.path());
    }
    paths.sort();
    let models: Vec<Value> = paths.iter().filter_map(|path| model(path)).collect();
    if common.json {
        show::line(&json!({"folder": folder, "models": models}).to_string());
        return Ok(());
    }
    if models.is_empty() {
        show::line(&format!("{place} holds no model folder"));
    }
    for model in &models {
        let text = |key: &str| model[key].as_str().unwrap_or("-").to_owned();
        let parameters = model["parameters"].as_u64().map_or_else(|| "-".to_owned(), |count| count.to_string());
        let bytes = megabytes(model["bytes"].as_u64().unwrap_or(0));
        let (name, kind, weights) = (text("name"), text("kind"), text("weights"));
        show::line(&format!("{name:<16} {kind:<16} {bytes:>10}  {parameters:>11} parameters  {weights}"));
        if let Some(fault) = model["fault"].as_str() {
            show::line(&format!("{name:<16} fault: {fault}"));
        }
    }
    Ok(())
}

/// Nothing for what is no model folder; a damaged one is listed with its fault.
fn model(path: &Path) -> Option<Value> {
    let kind = FolderKind::of(path)?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    let mut model = json!({"name": name, "path": path, "kind": kind.name()});
    match (Survey::of(path), Card::read(path)) {
        (Ok(survey), Ok(card)) => {
            let counted = Some(survey.parameters).filter(|&count| count > 0);
            model["bytes"] = json!(survey.bytes);
            model["parameters"] = json!(card.get("parameters").and_then(Value::as_u64).or(counted));
            model["weights"] = json!(survey.weights);
            model["peak_memory_bytes"] = json!(card.peak_bytes());
        }
        (Err(fault), _) | (_, Err(fault)) => model["fault"] = json!(crate::fault_text(&fault)),
    }
    Some(model)
}
