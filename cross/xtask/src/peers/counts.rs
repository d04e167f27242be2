//! Instructions of the image towers on emulated boards, int8 against float: a count, not a time, and the same on every machine.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use super::{CONTESTS, Kind};
use crate::clock::must;
use crate::{dist, setup};

/// Processors of a Raspberry Pi 5, which has dot products of bytes, and of a Raspberry Pi 4, which has none.
const PROCESSORS: [&str; 2] = ["cortex-a76", "cortex-a72"];

/// Counts and prints.
pub(super) fn run(root: &Path, models: &Path, only: &str) -> Result<()> {
    setup::everything(root)?;
    let program = dist::board_peer(root)?;
    let words = ["build", "--locked", "--release", "--package", "trimtab-icount"];
    must(Command::new("cargo").current_dir(root).args(words))?;
    let plugin = dist::target(root).join("release/libtrimtab_icount.so");
    println!("{:<34} {:<12} {:>12} {:>12} {:>7}", "instructions of a run, millions", "", "float", "int8", "ratio");
    for contest in CONTESTS.iter().filter(|contest| contest.kind == Kind::Vision && contest.name.contains(only)) {
        for processor in PROCESSORS {
            let count = |folder: &str| -> Result<f64> {
                let folder = models.join(folder);
                let counted = |runs: u32| instructions(&program, &plugin, processor, &folder, runs);
                let (one, two) = thread::scope(|scope| {
                    let one = scope.spawn(|| counted(1));
                    let two = counted(2);
                    (one.join().unwrap_or_else(|_| bail!("a count broke off")), two)
                });
                Ok((two? - one?) as f64 / 1e6)
            };
            let (float, int8) = (count(contest.folder)?, count(&format!("{}-{}", contest.folder, contest.form))?);
            println!("{:<34} {processor:<12} {float:>12.1} {int8:>12.1} {:>7.3}", contest.name, int8 / float);
        }
    }
    println!("\nThe engine as installed, under QEMU.");
    Ok(())
}

/// Instructions of a whole process that runs a tower so many times.
fn instructions(program: &Path, plugin: &Path, processor: &str, folder: &Path, runs: u32) -> Result<i64> {
    ensure!(folder.is_dir(), "no {}: `cargo xtask parity --full` makes it", folder.display());
    let mut child = Command::new("qemu-aarch64")
        .args(["-cpu", processor, "-L", setup::BOARD_SYSROOT, "-plugin"])
        .arg(plugin)
        .arg(program)
        .arg(Kind::Vision.word())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start qemu-aarch64")?;
    writeln!(child.stdin.take().context("no input")?, "{runs}")?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} on {processor}: {said}", program.display());
    let count = said.lines().find_map(|line| line.strip_prefix("instructions "));
    Ok(count.context("the plugin counted nothing")?.parse()?)
}
