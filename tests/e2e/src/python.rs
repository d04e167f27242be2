//! The clients of another language, in the environment that `cargo xtask setup` makes.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::programs;

/// A script of `tests/e2e/python`, ready to be given arguments.
pub fn script(name: &str) -> Result<Command> {
    let python = programs::root().join("target/venv/bin/python");
    ensure!(python.exists(), "no {}: run `cargo xtask setup`", python.display());
    let mut command = Command::new(python);
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name));
    Ok(command)
}

/// Runs a script that prints one JSON value.
pub fn json(command: &mut Command) -> Result<Value> {
    let output = command.output().context("cannot start python")?;
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "the script ended with {}:\n{out}{errors}", output.status);
    serde_json::from_str(out.trim()).with_context(|| format!("not JSON: {out}"))
}
