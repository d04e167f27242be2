//! The whole check, in the order in which a mistake is cheapest to hear about.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::clock::{Clock, must};
use crate::dist::BOARD_TARGET;
use crate::{footprint, qemu, setup, size};

/// Tells the end-to-end tests where the programs are that the build step has made.
const PROGRAMS_VARIABLE: &str = "TRIMTAB_PROGRAMS";

/// Processors of boards, as the emulator names them: Raspberry Pi 4, without dot products, and Raspberry Pi 5, with them.
const BOARD_PROCESSORS: [&str; 2] = ["cortex-a72", "cortex-a76"];

/// Sets up, checks and tests everything; prints where the time went, also after a failure.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut clock = Clock::start();
    let outcome = steps(root, &mut clock);
    println!("{}", clock.table());
    outcome
}

fn steps(root: &Path, clock: &mut Clock) -> Result<()> {
    let cargo = |words: &str| {
        let mut command = Command::new("cargo");
        command.current_dir(root).args(words.split_whitespace());
        command
    };
    clock.step("set up", || setup::everything(root))?;
    clock.step("format", || must(&mut cargo("fmt --all --check")))?;
    clock.step("dependency rules", || dependency_rules(root))?;
    let lints = "clippy --release --locked --quiet --workspace --all-targets -- -D warnings";
    clock.step("lints", || must(&mut cargo(lints)))?;
    clock.step("firmware on the host", || firmware(root))?;
    // Programs and tests in one go: the end-to-end tests start the programs, and both must share every dependency.
    clock.step("build", || must(&mut cargo("build --release --locked --workspace --bins --tests")))?;
    clock.step("build for the boards", || size::check_board(root))?;
    clock.step("kernels on the boards", || kernels_on_boards(root))?;
    clock.step("tests", || {
        let mut tests = cargo("test --release --locked --workspace --no-fail-fast");
        must(tests.env(PROGRAMS_VARIABLE, root.join("target/release")))
    })?;
    clock.step("emulated board", || qemu::board(root, &qemu::Scenarios::all()))?;
    clock.step("emulated microcontroller", || qemu::firmware(root, &qemu::FirmwareScenarios::all()))?;
    clock.step("firmware's footprint", || footprint::run(root))?;
    clock.step("power cuts", || qemu::powercut(root, &qemu::Cuts::tested()))?;
    // Last, because the programs that the other tests start are then built with llama.cpp as well.
    let with_llama = "test --release --locked --workspace --features trimtab-device/gguf --test runtime gguf";
    clock.step("device with llama.cpp", || must(&mut cargo(with_llama)))
}

/// The firmware is a workspace of its own. What of it needs no board is tested here, optimised and with every sum checked.
fn firmware(root: &Path) -> Result<()> {
    let words = [
        "fmt --all --check",
        "clippy --locked --quiet --all-targets -- -D warnings",
        "clippy --release --locked --quiet -p trimtab-board-mps2-an386 --target thumbv7em-none-eabihf -- -D warnings",
        "clippy --release --locked --quiet -p trimtab-board-pico --target thumbv6m-none-eabi -- -D warnings",
        "test --locked --quiet",
    ];
    for words in words {
        must(Command::new("cargo").current_dir(root.join("firmware")).args(words.split(' ')))?;
    }
    Ok(())
}

/// The kernels' own tests on every processor of a board that has instructions of its own, emulated.
fn kernels_on_boards(root: &Path) -> Result<()> {
    let words = ["test", "--release", "--locked", "--package", "trimtab-kernels", "--target", BOARD_TARGET];
    for processor in BOARD_PROCESSORS {
        must(Command::new("cargo").current_dir(root).args(words).env("QEMU_CPU", processor))?;
    }
    Ok(())
}

fn dependency_rules(root: &Path) -> Result<()> {
    let workspaces = [root.to_owned(), root.join("firmware")];
    let check = |rules: &[&str]| {
        for workspace in &workspaces {
            let mut command = Command::new(setup::cargo_deny()?);
            // One list of rules for both: it is looked for in the folders above, too.
            command.current_dir(workspace).args(["--offline", "--locked", "check", "--hide-inclusion-graph"]);
            must(command.args(rules))?;
        }
        Ok(())
    };
    // Every crate's source must be there before the licences can be read without a network.
    for workspace in &workspaces {
        must(Command::new("cargo").current_dir(workspace).args(["fetch", "--locked", "--quiet"]))?;
    }
    check(&["bans", "licenses", "sources"])?;
    if advisory_database().is_some_and(|folder| folder.is_dir()) {
        check(&["advisories"])
    } else {
        println!(
            "advisories: not checked, because their database is not on this machine (`cargo deny fetch` brings it)"
        );
        Ok(())
    }
}

fn advisory_database() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))?;
    Some(home.join("advisory-dbs"))
}
