//! The engine and the quantiser against the originals: PyTorch and transformers on full-size models, real photographs, and a
//! transformer with its own pretrained weights. What the ordinary tests keep of the originals' results is made again and compared.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::clock::{Clock, must};
use crate::{dist, setup};

/// How much to compare.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Install PyTorch and transformers into target/venv-full, export full-size models into target/parity, and compare
    #[arg(long)]
    full: bool,
}

/// Compares and prints; fails when a figure misses its limit.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let mut clock = Clock::start();
    let outcome = if arguments.full { full(root, &mut clock) } else { kept(root, &mut clock) };
    println!("{}", clock.table());
    outcome
}

/// Against the kept results, ONNX Runtime and the reference tokenizer: what every test run does.
fn kept(root: &Path, clock: &mut Clock) -> Result<()> {
    clock.step("set up", || setup::everything(root))?;
    clock.step("kept results", || must(&mut tests(root)))
}

fn full(root: &Path, clock: &mut Clock) -> Result<()> {
    kept(root, clock)?;
    let python = clock.step("the originals", || setup::full(root))?;
    let folder = root.join("target/parity");
    let [models, remade] = ["models", "vectors"].map(|name| folder.join(name));
    let script = |name: &str| {
        let mut command = Command::new(&python);
        command.arg("-B").arg(root.join("tests/parity").join(name));
        command
    };
    clock.step("exports", || must(script("exports.py").arg(&models)))?;
    clock.step("results made again", || must(script("vectors.py").arg(&remade)))?;
    clock.step("programs", || {
        let words = ["build", "--release", "--locked", "--workspace", "--bin", "trimtab", "--bin", "trimtab-lab"];
        must(Command::new("cargo").current_dir(root).args(words))
    })?;
    let programs = dist::target(root).join("release");
    clock.step("full-size tokenizers", || {
        let command = &mut tests(root);
        must(command.env("TRIMTAB_PARITY_MODELS", &models).args(["--", "full_size_models"]))
    })?;
    clock.step("full-size models", || {
        must(script("full.py").arg(&programs).arg(&models).arg(root.join("tests/vectors/models")).arg(&remade))
    })
}

fn tests(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    let words = ["test", "--release", "--locked", "--package", "trimtab-engine", "--test", "parity"];
    command.current_dir(root).args(words);
    command
}
