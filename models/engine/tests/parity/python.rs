//! ONNX Runtime and the reference tokenizer, in the environment that `cargo xtask setup` makes.

use std::io::Write;
use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::vectors::root;

/// Runs `tests/parity/reference.py`: one JSON value in, one out.
pub(crate) fn ask<T: DeserializeOwned>(question: &Value) -> T {
    let python = root().join("target/venv/bin/python");
    assert!(python.exists(), "no {}: run `cargo xtask setup`", python.display());
    let mut command = Command::new(python);
    command.arg("-B").arg(root().join("tests/parity/reference.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Its answer begins when it has read everything, so neither waits for the other.
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the script ended with {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}
