//! `trimtab models bench`: time, peak memory and load time of each tower.
//!
//! Each tower is loaded and run by a fresh process of this same program, so that its peak memory is its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use trimtab_engine::FolderKind;

use super::super::{Common, Failure, show};
use super::{admit, failed, measure, megabytes};

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The model's folder
    folder: PathBuf,
    /// Measure this tower, in this process
    #[arg(long, hide = true)]
    tower: Option<Tower>,
}

/// A part that is loaded and run by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Tower {
    Vision,
    Text,
    Lm,
}

impl Tower {
    const fn name(self) -> &'static str {
        match self {
            Self::Vision => "vision",
            Self::Text => "text",
            Self::Lm => "lm",
        }
    }
}

pub(super) fn execute(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    if let Some(tower) = arguments.tower {
        let measured = measure::tower(tower, folder).map_err(|fault| failed(&fault))?;
        show::line(&measured.to_string());
        return Ok(());
    }
    admit(common, folder)?;
    let mut measured = Map::new();
    for tower in towers(folder)? {
        measured.insert(tower.name().to_owned(), alone(tower, folder)?);
    }
    if common.json {
        show::line(&json!({ "towers": measured }).to_string());
        return Ok(());
    }
    show::line("tower   median        peak memory   load");
    for (name, figures) in &measured {
        let ms = |key: &str| format!("{:.3} ms", figures[key].as_f64().unwrap_or(0.0));
        let peak = megabytes(figures["peak_rss_bytes"].as_u64().unwrap_or(0));
        show::line(&format!("{name:<7} {:<13} {peak:<13} {}", ms("median_ms"), ms("load_ms")));
    }
    Ok(())
}

/// Those that the folder has.
fn towers(folder: &Path) -> Result<Vec<Tower>, Failure> {
    let has = |file: &str| folder.join(file).is_file();
    match FolderKind::of(folder) {
        Some(FolderKind::Encoder) => {
            let split = [(Tower::Vision, "onnx/vision_model.onnx"), (Tower::Text, "onnx/text_model.onnx")];
            let there: Vec<Tower> = split.iter().filter(|(_, file)| has(file)).map(|(tower, _)| *tower).collect();
            // With neither file, loading says what is missing.
            Ok(if there.is_empty() { split.map(|(tower, _)| tower).to_vec() } else { there })
        }
        Some(FolderKind::Language) => Ok(vec![Tower::Lm]),
        other => {
            let what = other.map_or("no model", FolderKind::name);
            Err(Failure::Failed(format!(
                "{}: {what}; only encoders and language models are measured, give the folder of one",
                folder.display()
            )))
        }
    }
}

fn alone(tower: Tower, folder: &Path) -> Result<Value, Failure> {
    let program = std::env::current_exe().map_err(|fault| failed(&fault))?;
    let output = Command::new(program)
        .args(["--json", "models", "bench", "--tower", tower.name(), "--"])
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|fault| failed(&fault))?;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if output.status.success() && said.is_object() {
        return Ok(said);
    }
    Err(Failure::Failed(match said["error"].as_str() {
        Some(error) => error.to_owned(),
        None => format!(
            "{}: the {} tower's process ended with {}; a process that was killed usually lacked memory",
            folder.display(),
            tower.name(),
            output.status
        ),
    }))
}
