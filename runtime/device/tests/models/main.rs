//! `trimtab models`, as the real program on the shipped models.

mod commands;
mod faults;
mod hub;
mod pull;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn shipped(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped").join(name).display().to_string()
}

fn trimtab(arguments: &[&str]) -> Output {
    let home = std::env::temp_dir();
    Command::new(env!("CARGO_BIN_EXE_trimtab")).arg("models").args(arguments).env("HOME", home).output().unwrap()
}

/// The one JSON document that a command prints, and its exit code.
fn said(arguments: &[&str]) -> (Value, i32) {
    let output = trimtab(&[arguments, &["--json"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let value = serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{fault}: {text:?}"));
    (value, output.status.code().unwrap())
}

/// What a command prints that succeeds.
fn done(arguments: &[&str]) -> Value {
    let (value, code) = said(arguments);
    assert_eq!(code, 0, "{value}");
    value
}

/// A copy of a shipped folder.
fn copy(name: &str, to: &Path) -> PathBuf {
    let folder = to.join(name);
    copy_folder(Path::new(&shipped(name)), &folder);
    folder
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_folder(&path, &target) } else { std::fs::copy(&path, &target).map(drop).unwrap() }
    }
}
