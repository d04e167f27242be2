//! Power cuts: a board writes its ledger on a disk whose every write QEMU notes, and the disk is then made as it may be after
//! a cut, at many points (`tests/powercut`). That the test would find a loss is tested too: a ledger that is told not to be
//! durable must fail it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::debian::tool;
use super::machine::{Disks, Machine};
use super::{Ready, empty, system};
use crate::clock::must;
use crate::dist::{self, BOARD_TARGET};

/// The file system, and with the marks behind it the disk, in bytes: as in `tests/powercut/src/mark.rs`.
const FILE_SYSTEM: u64 = 64 << 20;
const DISK: u64 = FILE_SYSTEM + (64 << 20);
/// Room for the log of writes; what is not written takes no space.
const LOG: u64 = 4 << 30;
/// How long the board may write.
const LIMIT: Duration = Duration::from_secs(600);
/// What the board does.
const SCRIPT: &str = "mkdir -p /run/cut && mount -t ext4 /dev/vdc /run/cut && /run/board/powercut-writer";

/// How often, and where.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Cuts
    #[arg(long, default_value_t = 1_000)]
    cuts: usize,
    /// Turns that the board takes
    #[arg(long, default_value_t = 300)]
    turns: u32,
    /// Seed of what is spent, of the points and of what is lost at each
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    /// As the tests do it.
    pub(crate) fn tested() -> Self {
        Self { cuts: 200, turns: 300, seed: 1 }
    }
}

/// Both runs; fails unless the durable ledger survives every cut and the other one does not.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let words = ["build", "--release", "--locked", "--workspace", "--bin", "powercut-judge"];
    must(Command::new("cargo").current_dir(root).args(words))?;
    let words =
        ["build", "--release", "--locked", "--package", "trimtab-powercut", "--bin", "powercut-writer", "--target"];
    must(Command::new("cargo").current_dir(root).args(words).arg(BOARD_TARGET))?;
    let place = dist::target(root).join("qemu/powercut");
    empty(&place)?;
    let payload = payload(root, &place)?;
    let ready = Ready::new(root)?;
    let durable = written(&ready, &payload, &place, "durable", arguments)?;
    ensure!(judged(root, &durable, arguments)?, "the ledger lost something, or spent too much, after a power cut");
    let unsynced = written(&ready, &payload, &place, "unsynced", arguments)?;
    ensure!(!judged(root, &unsynced, arguments)?, "a ledger that is not durable passes: the test finds nothing");
    println!("the ledger survives {} cuts, and one that is not durable does not", arguments.cuts);
    Ok(())
}

fn payload(root: &Path, place: &Path) -> Result<PathBuf> {
    let folder = place.join("payload");
    empty(&folder)?;
    let writer = dist::target(root).join(BOARD_TARGET).join("release/powercut-writer");
    fs::copy(&writer, folder.join("powercut-writer"))?;
    system::disk_of(root, &folder, place)
}

/// A run of the board, which loses its power at the end: the disk before it, and the log of its writes.
struct Run {
    base: PathBuf,
    log: PathBuf,
}

fn written(ready: &Ready, payload: &Path, place: &Path, name: &str, arguments: &Arguments) -> Result<Run> {
    let file = |end: &str| place.join(format!("{name}.{end}"));
    let run = Run { base: file("base"), log: file("log") };
    let disk = file("disk");
    File::create(&run.base)?.set_len(DISK)?;
    let blocks = format!("{}k", FILE_SYSTEM >> 10);
    must(tool("mke2fs").args(["-q", "-F", "-t", "ext4"]).arg(&run.base).arg(blocks))?;
    fs::copy(&run.base, &disk)?;
    File::create(&run.log)?.set_len(LOG)?;
    let more = [
        format!("driver=file,filename={},node-name=plain", disk.display()),
        format!("driver=file,filename={},node-name=notes", run.log.display()),
        "driver=blklogwrites,file=plain,log=notes,node-name=logged,log-sector-size=512,log-append=off,log-super-update-interval=1".to_owned(),
    ];
    let more: Vec<&str> = more
        .iter()
        .flat_map(|node| ["-blockdev", node.as_str()])
        .chain(["-device", "virtio-blk-pci,drive=logged"])
        .collect();
    let disks = Disks { system: &ready.system, payload, more: &more };
    let mut machine = Machine::start(&ready.kernel, &disks, place, false)?;
    let unsynced = if name == "unsynced" { "--unsynced" } else { "" };
    let (turns, seed) = (arguments.turns, arguments.seed);
    let script = format!("{SCRIPT} /run/cut/ledger.sqlite /dev/vdc --turns {turns} --seed {seed} {unsynced}");
    let reply = machine.agent().and_then(|mut agent| agent.run(&script, LIMIT));
    let reply = reply.with_context(|| format!("the board's console ended with\n{}", machine.last_lines()))?;
    ensure!(reply.code == 0, "the board could not write: {}", reply.output);
    println!("  {name}: {}", reply.output.trim());
    Ok(run)
}

/// Whether everything that was acknowledged was there after every cut.
fn judged(root: &Path, run: &Run, arguments: &Arguments) -> Result<bool> {
    let mut judge = Command::new(dist::target(root).join("release/powercut-judge"));
    judge.arg(&run.base).arg(&run.log);
    judge.args(["--cuts", &arguments.cuts.to_string(), "--seed", &arguments.seed.to_string()]);
    match judge.status().context("cannot start powercut-judge")?.code() {
        Some(0) => Ok(true),
        Some(3) => Ok(false),
        code => anyhow::bail!("powercut-judge broke off ({code:?})"),
    }
}
