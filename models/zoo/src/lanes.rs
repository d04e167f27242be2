//! Trainings side by side: each a process of its own with one thread, so that its sums come out the same every time and
//! two of them fill two cores.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};

/// Arguments of this program.
pub type Arguments = Vec<OsString>;

/// Runs this program with the arguments of each lane, one after another within a lane, the lanes side by side. What they
/// say of their progress is passed on line by line.
///
/// # Errors
/// The first failure of any; the other lanes then end with what they are at.
pub fn run(lanes: Vec<Vec<Arguments>>) -> Result<()> {
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        let lanes: Vec<_> = lanes.into_iter().map(|lane| scope.spawn(|| run_lane(lane, &failed))).collect();
        let ends = lanes.into_iter().map(|lane| lane.join().unwrap_or_else(|_| bail!("a lane of trainings broke off")));
        // Every lane is waited for before the first failure is returned.
        ends.collect::<Vec<Result<()>>>().into_iter().collect()
    })
}

fn run_lane(lane: Vec<Arguments>, failed: &AtomicBool) -> Result<()> {
    for arguments in lane {
        if failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let done = run_one(&arguments);
        if done.is_err() {
            failed.store(true, Ordering::Relaxed);
        }
        done?;
    }
    Ok(())
}

fn run_one(arguments: &Arguments) -> Result<()> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("RAYON_NUM_THREADS", "1")
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {arguments:?}"))?;
    if let Some(said) = child.stderr.take() {
        for line in BufReader::new(said).lines() {
            eprintln!("{}", line.context("reading what a training says")?);
        }
    }
    let status = child.wait().with_context(|| format!("waiting for {arguments:?}"))?;
    if !status.success() {
        bail!("{arguments:?} ended with {status}");
    }
    Ok(())
}
