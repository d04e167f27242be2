//! Sets up, tests and measures the workspace: `cargo xtask test` is the whole of the continuous integration.

mod bench;
mod clock;
mod deb;
mod dist;
mod footprint;
mod fuzz;
mod models;
mod parity;
mod peers;
mod qemu;
mod setup;
mod size;
mod test;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Sets up, tests and measures the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the checks need and print what was missing
    Setup,
    /// Set up, then format check, lints, dependency rules, every test, and a table of where the time went
    Test,
    /// Build the device's program and the firmware as they are installed; print sizes, memory and stack; fail above the limits
    Size {
        /// Print one JSON object instead of the table
        #[arg(long)]
        json: bool,
        /// Only the firmware
        #[arg(long, conflicts_with = "json")]
        firmware: bool,
    },
    /// Build the Debian package of the device's program
    Deb(deb::Arguments),
    /// Install the package on an emulated board and run every scenario there
    #[command(subcommand)]
    Qemu(qemu::Task),
    /// Time the decision and every model in the code that is installed, and count their instructions
    Bench(peers::Arguments),
    /// Train and score every shipped model anew, each from its seed: an hour or more on two processors
    Models(models::Arguments),
    /// Compare the engine with the originals: PyTorch, transformers, ONNX Runtime and the reference tokenizer
    Parity(parity::Arguments),
    /// Search for inputs that break a decoder, longer than the tests do; needs a nightly toolchain
    Fuzz(fuzz::Arguments),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let root = workspace_root()?;
    match arguments.task {
        Task::Setup => setup::everything(&root),
        Task::Test => test::run(&root),
        Task::Size { firmware: true, .. } => footprint::run(&root),
        Task::Size { json: true, .. } => size::run(&root, true),
        Task::Size { .. } => size::run(&root, false).and_then(|()| footprint::run(&root)),
        Task::Deb(arguments) => deb::run(&root, &arguments),
        Task::Qemu(task) => qemu::run(&root, &task),
        Task::Bench(arguments) if arguments.wanted() => peers::run(&root, &arguments),
        Task::Bench(_) => bench::run(&root),
        Task::Models(arguments) => models::run(&root, &arguments),
        Task::Parity(arguments) => parity::run(&root, &arguments),
        Task::Fuzz(arguments) => fuzz::run(&root, &arguments),
    }
}

/// The folder of the workspace's `Cargo.toml`, two above this crate's.
fn workspace_root() -> Result<PathBuf> {
    let crate_dir = std::env::var_os("CARGO_MANIFEST_DIR").context("not started by cargo: run `cargo xtask`")?;
    let root = PathBuf::from(crate_dir).join("../..");
    root.canonicalize().with_context(|| format!("cannot resolve the workspace root {}", root.display()))
}
