//! What ONNX Runtime's own tools make of a model, and which of it is the fastest here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::contender::Contender;
use super::interval::median;
use super::{Contest, Kind};
use crate::clock::must;

const SCRIPT: &str = "tests/parity/peer_forms.py";
/// Runs by which one of several forms is chosen.
const RUNS: usize = 9;

/// The fastest of the forms; they are made where they are missing.
pub(super) fn fastest(root: &Path, python: &Path, models: &Path, contest: &Contest) -> Result<PathBuf> {
    let float = models.join(contest.folder);
    let folder = models.join("onnx-runtime").join(format!("{}-{}", contest.folder, contest.form));
    if !folder.is_dir() {
        let file = float.join(contest.kind.file());
        ensure!(file.is_file(), "no {}: `cargo xtask parity --full` makes it", file.display());
        // Under another name until it is whole.
        let part = folder.with_extension("part");
        must(Command::new(python).arg("-B").arg(root.join(SCRIPT)).arg(&file).arg(&part).arg(contest.form))?;
        fs::rename(&part, &folder).with_context(|| format!("cannot rename {}", part.display()))?;
    }
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .filter(|path: &Result<PathBuf>| {
            path.as_ref().is_ok_and(|path| path.extension().is_some_and(|end| end == "onnx"))
        })
        .collect::<Result<_>>()?;
    files.sort();
    let mut best: Option<(f64, PathBuf)> = None;
    for file in files {
        let mut contender = Contender::onnx_runtime(name(&file), root, python, contest.kind, &float, &file)?;
        let parts = contest.kind.parts().len();
        let runs = contender.run(if contest.kind == Kind::Decoder { 1 } else { RUNS }, parts)?;
        contender.finish()?;
        let time = median(&runs.iter().map(|run| run[parts - 1].cpu).collect::<Vec<_>>());
        println!("  ONNX Runtime's form {:<24} {:>9.2} cpu ms", name(&file), time / 1e3);
        if best.as_ref().is_none_or(|(fastest, _)| time < *fastest) {
            best = Some((time, file));
        }
    }
    best.map(|(_, file)| file).with_context(|| format!("{} holds no form", folder.display()))
}

/// The form's name: its file's.
pub(super) fn name(file: &Path) -> &str {
    file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}
