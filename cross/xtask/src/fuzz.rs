//! Long fuzzing: libFuzzer over the targets of `tests/fuzz`, by the nightly toolchain, outside the workspace.
//!
//! What an ordinary test run does with the committed corpus is bounded and the same every time; this searches for inputs
//! that reach new code, for as long as it is told to. New inputs are kept in `target/fuzz`, and the fewest of them that reach
//! all that is known are put beside the corpus to be chosen from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::clock::{must, succeeds};

/// Where the program that is linked with libFuzzer lies.
const LONG: &str = "tests/fuzz/long";
/// Edges of the control flow, counted, with the operands of comparisons; and the sanitizer that sees what foreign code does
/// with memory.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Ccodegen-units=1";
/// Longest time of one input, seconds: a decoder that needs it does not end.
const INPUT_SECONDS_MAX: u32 = 20;
/// Most memory of the program, MB: above what the largest picture that is decoded takes.
const MEMORY_MB_MAX: u32 = 2048;
/// Longest input of any target, bytes; each passes over what is longer than its own.
const INPUT_BYTES_MAX: u32 = 32 * 1024;

/// What to fuzz, and for how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A folder of tests/fuzz/corpus; all of them, one after the other, where none is named
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Builds, searches, and keeps the fewest inputs that reach all that was found.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let names = names(root)?;
    let chosen = match &arguments.target {
        Some(name) if names.contains(name) => vec![name.clone()],
        Some(name) => bail!("no target {name}; there are {}", names.join(", ")),
        None => names,
    };
    needs()?;
    let program = build(root)?;
    let found: Vec<String> = chosen
        .into_iter()
        .filter_map(|name| search(root, &program, &name, arguments.seconds).err().map(|fault| format!("{fault:#}")))
        .collect();
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// Every target has a corpus, and a test holds it to that.
fn names(root: &Path) -> Result<Vec<String>> {
    let corpus = root.join("tests/fuzz/corpus");
    let mut names = Vec::new();
    for entry in fs::read_dir(&corpus).with_context(|| format!("cannot list {}", corpus.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Says all that is missing at once.
fn needs() -> Result<()> {
    let wanted = [
        (
            ["rustup", "run", "nightly", "rustc", "--version"].as_slice(),
            "rustup toolchain install nightly --profile minimal",
        ),
        (&["c++", "--version"], "sudo apt-get install --no-install-recommends -y g++"),
    ];
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|(words, _)| !succeeds(Command::new(words[0]).args(&words[1..])))
        .map(|(_, remedy)| remedy)
        .collect();
    ensure!(
        missing.is_empty(),
        "long fuzzing needs more than the tests do; install it with\n  {}",
        missing.join("\n  ")
    );
    Ok(())
}

fn build(root: &Path) -> Result<PathBuf> {
    let host = host()?;
    let folder = root.join("target/fuzz");
    // The dependencies that are tested and shipped are those that are fuzzed; libFuzzer's crate is added to them.
    fs::copy(root.join("Cargo.lock"), root.join(LONG).join("Cargo.lock")).context("cannot copy the lock file")?;
    let mut cargo = Command::new("rustup");
    cargo.current_dir(root).args(["run", "nightly", "cargo", "build", "--release", "--target", &host]);
    cargo.arg("--manifest-path").arg(root.join(LONG).join("Cargo.toml")).arg("--target-dir").arg(&folder);
    must(cargo.env("RUSTFLAGS", FLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
    Ok(folder.join(host).join("release/trimtab-fuzz-long"))
}

/// The triple of this machine: build scripts must not be instrumented, which cargo leaves out where a target is named.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Ok(host.to_owned())
}

fn search(root: &Path, program: &Path, name: &str, seconds: u32) -> Result<()> {
    println!("\n── {name}");
    let committed = root.join("tests/fuzz/corpus").join(name);
    let [grown, fewest, crashes] =
        ["grown", "fewest", "crashes"].map(|folder| root.join("target/fuzz").join(folder).join(name));
    if fewest.exists() {
        fs::remove_dir_all(&fewest).with_context(|| format!("cannot empty {}", fewest.display()))?;
    }
    for folder in [&grown, &fewest, &crashes] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let fuzzer = |options: &[String]| {
        let mut command = Command::new(program);
        command.current_dir(root).env("TRIMTAB_FUZZ_TARGET", name).env("RUST_BACKTRACE", "1");
        command.args([
            format!("-max_len={INPUT_BYTES_MAX}"),
            format!("-timeout={INPUT_SECONDS_MAX}"),
            format!("-rss_limit_mb={MEMORY_MB_MAX}"),
            format!("-artifact_prefix={}/", crashes.display()),
            "-detect_leaks=0".to_owned(),
            "-print_final_stats=1".to_owned(),
        ]);
        command.args(options);
        command
    };
    must(fuzzer(&[format!("-max_total_time={seconds}")]).args([&grown, &committed])).with_context(|| {
        format!(
            "{name}: the input is in {}; fix the cause, then copy it into {}",
            crashes.display(),
            committed.display()
        )
    })?;
    must(fuzzer(&["-set_cover_merge=1".to_owned()]).args([&fewest, &committed, &grown]))?;
    println!("{name}: choose from {} what {} shall keep", fewest.display(), committed.display());
    Ok(())
}
