//! Cuts the power of a run that was logged, again and again, and judges what is left each time.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use trimtab_powercut::judge::judge;
use trimtab_powercut::replay::Replay;
use trimtab_sim::chance::Chance;

/// Faults that are told in full.
const TOLD_MAX: usize = 10;
/// Exit code where something was lost.
const LOST: u8 = 3;

/// Cuts the power at random points and judges the ledger after each.
#[derive(Parser)]
struct Arguments {
    /// The disk before the run
    base: PathBuf,
    /// QEMU's log of the run's writes
    log: PathBuf,
    /// Cuts
    #[arg(long, default_value_t = 200)]
    cuts: usize,
    /// Seed of the points, and of what is lost at each
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let Arguments { base, log, cuts, seed, json } = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let mut replay = Replay::new(&base, &log, folder.path())?;
    let entries = replay.entries();
    ensure!(entries > 0, "{}: nothing was written", log.display());
    let mut chance = Chance::new(seed);
    let mut points: Vec<u64> = (0..cuts).map(|_| chance.within(0, entries)).collect();
    points.sort_unstable();
    let progress = if json { ProgressBar::hidden() } else { ProgressBar::new(cuts as u64) };
    progress.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} cuts, {eta} left")?);
    let image = folder.path().join("cut.img");
    let (mut faults, mut most) = (Vec::new(), 0);
    for point in points {
        replay.go_to(point)?;
        replay.cut(&mut chance, &image)?;
        match judge(&image, replay.marks(), folder.path()) {
            Ok(found) => most = most.max(found.marked),
            Err(fault) => faults.push(format!("after {point} of {entries} writes: {fault:#}")),
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    let well = cuts - faults.len();
    if json {
        let told = &faults[..faults.len().min(TOLD_MAX)];
        println!(
            "{}",
            json!({"seed": seed, "writes": entries, "cuts": cuts, "well": well, "settlements": most, "faults": told})
        );
    } else {
        faults.iter().take(TOLD_MAX).for_each(|fault| println!("{fault}"));
        println!("seed {seed}: {well} of {cuts} cuts well, {entries} writes, up to {most} acknowledged settlements");
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(LOST) })
}
