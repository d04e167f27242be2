//! Programs as they are installed: one place knows how they are built, so that size, memory and speed are of the same code.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::clock::must;

/// The target the boards run.
pub(crate) const BOARD_TARGET: &str = "aarch64-unknown-linux-gnu";
/// The target of desktop robots, of this machine, and of everything that is measured by running it.
pub(crate) const HOST_TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the device's program for a target; returns where it is.
pub(crate) fn program(root: &Path, target: &str) -> Result<PathBuf> {
    build(root, target, &["--bin", "trimtab"])?;
    Ok(folder(root, target).join("trimtab"))
}

/// Builds the benches with the code that is installed; returns where they are.
pub(crate) fn benches(root: &Path) -> Result<PathBuf> {
    build(root, HOST_TARGET, &["--example", "speed"])?;
    Ok(folder(root, HOST_TARGET).join("examples/speed"))
}

/// Builds the engine's contender with the code that is installed; returns where it is.
pub(crate) fn peer(root: &Path) -> Result<PathBuf> {
    build(root, HOST_TARGET, &["--example", "peer"])?;
    Ok(folder(root, HOST_TARGET).join("examples/peer"))
}

/// The same for the boards.
pub(crate) fn board_peer(root: &Path) -> Result<PathBuf> {
    build(root, BOARD_TARGET, &["--example", "peer"])?;
    Ok(folder(root, BOARD_TARGET).join("examples/peer"))
}

/// Builds the engine's contender as the tests are built; returns where it is.
pub(crate) fn tested_peer(root: &Path) -> Result<PathBuf> {
    let words = ["build", "--locked", "--release", "--package", "trimtab-device", "--example", "peer"];
    must(Command::new("cargo").current_dir(root).args(words))?;
    Ok(target(root).join("release/examples/peer"))
}

/// Builds the contender with llama.cpp in it, and has it written the file of random weights that it runs, unless that is there; returns
/// where the contender is.
pub(crate) fn llama_peer(root: &Path, file: &Path) -> Result<PathBuf> {
    let words =
        ["build", "--locked", "--release", "--package", "trimtab-device", "--features", "gguf", "--example", "peer"];
    must(Command::new("cargo").current_dir(root).args(words))?;
    // A later build without llama.cpp has the same name.
    let built = target(root).join("release/examples");
    let kept = built.join("peer-llama");
    fs::copy(built.join("peer"), &kept)?;
    if !file.is_file() {
        let words = ["run", "--locked", "--release", "--package", "trimtab-gguf", "--example", "random", "--"];
        must(Command::new("cargo").current_dir(root).args(words).arg(file))?;
    }
    Ok(kept)
}

fn build(root: &Path, target: &str, what: &[&str]) -> Result<()> {
    let words = ["build", "--locked", "--profile", "dist", "--package", "trimtab-device", "--target", target];
    must(Command::new("cargo").current_dir(root).args(words).args(what))
}

fn folder(root: &Path, triple: &str) -> PathBuf {
    target(root).join(triple).join("dist")
}

/// Where builds are kept.
pub(crate) fn target(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}
