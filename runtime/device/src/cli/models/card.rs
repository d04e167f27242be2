//! `trimtab models card`: what a model says of itself.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};
use trimtab_engine::Card;

use super::super::{Common, Failure, show};
use super::failed;

/// Deepest level of a card that is shown line by line.
const DEPTH_MAX: usize = 8;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The model's folder
    folder: PathBuf,
}

pub(super) fn execute(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let card = Card::read(&arguments.folder).map_err(|fault| failed(&fault))?;
    if card.as_map().is_empty() {
        return Err(Failure::Failed(format!(
            "{}: no card.json; whoever made the model says elsewhere what it is",
            arguments.folder.display()
        )));
    }
    if common.json {
        show::line(&Value::Object(card.as_map().clone()).to_string());
    } else {
        lines(card.as_map(), 0);
    }
    Ok(())
}

fn lines(map: &Map<String, Value>, depth: usize) {
    let indent = "  ".repeat(depth);
    for (key, value) in map {
        match value {
            Value::Object(inner) if depth < DEPTH_MAX && !is_flat(inner) => {
                show::line(&format!("{indent}{key}"));
                lines(inner, depth + 1);
            }
            Value::Object(inner) if is_flat(inner) => {
                let pairs: Vec<String> = inner.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect();
                show::line(&format!("{indent}{key}: {}", pairs.join(", ")));
            }
            _ => show::line(&format!("{indent}{key}: {}", plain(value))),
        }
    }
}

/// A few numbers that belong together, such as a share and what it is of.
fn is_flat(map: &Map<String, Value>) -> bool {
    map.len() <= 3 && map.values().all(Value::is_number)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
