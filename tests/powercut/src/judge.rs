//! What must hold after every cut.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use trimtab_core::budget::HoldId;
use trimtab_core::{Cost, Millis, TurnId};
use trimtab_ledger::{RECENT_MAX, Retention, Store};

use crate::mark::Mark;
use crate::script::{HOUR_LIMIT, KEPT};

/// The ledger's file on the disk.
pub const LEDGER: &str = "ledger.sqlite";
/// What belongs to it.
const FILES: [&str; 2] = [LEDGER, "ledger.sqlite-wal"];
const HOUR: u64 = 3_600_000;

/// What was found in a ledger that is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Settlements in it.
    pub settled: u64,
    /// Of these, with a mark.
    pub marked: u64,
}

/// Takes the ledger from a disk after a cut and opens it as a runtime would. Fails with what is wrong.
pub fn judge(image: &Path, marks: &[Mark], folder: &Path) -> Result<Found> {
    repair(image)?;
    let path = take(image, folder)?;
    if !path.exists() {
        ensure!(marks.is_empty(), "the ledger is gone, and {} settlements were acknowledged", marks.len());
        return Ok(Found::default());
    }
    let mut store = Store::open(&path, Retention { turns: KEPT, ..Retention::default() })?;
    let settled = settlements(&mut store)?;
    for mark in marks {
        let found = settled
            .get(&mark.hold)
            .with_context(|| format!("settlement {} was acknowledged and is gone", mark.number))?;
        ensure!(
            found.0 == mark.cost,
            "settlement {}: {:?} was acknowledged, {:?} is there",
            mark.number,
            mark.cost,
            found.0
        );
    }
    if let Some(last) = marks.last() {
        let total =
            marks.iter().filter_map(|mark| settled.get(&mark.hold)).fold(Cost::ZERO, |sum, found| sum.plus(found.0));
        ensure!(total == last.total, "{:?} were acknowledged in all, {total:?} are there", last.total);
    }
    windows(&mut store, &settled)?;
    Ok(Found { settled: settled.len() as u64, marked: marks.len() as u64 })
}

/// The journal of the file system is played back, as a kernel does when it mounts it.
fn repair(image: &Path) -> Result<()> {
    let status = Command::new("e2fsck").args(["-fp"]).arg(image).output().context("cannot start e2fsck")?;
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    // 1: repaired.
    ensure!(matches!(status.status.code(), Some(0 | 1)), "the file system is damaged: {said}");
    Ok(())
}

fn take(image: &Path, folder: &Path) -> Result<PathBuf> {
    for name in FILES {
        let to = folder.join(name);
        if to.exists() {
            std::fs::remove_file(&to)?;
        }
        let dump = format!("dump /{name} {}", to.display());
        let done = Command::new("debugfs").args(["-R", &dump]).arg(image).output().context("cannot start debugfs")?;
        ensure!(done.status.success(), "debugfs: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(folder.join(LEDGER))
}

/// What every settled hold was debited, and when.
fn settlements(store: &mut Store) -> Result<HashMap<HoldId, (Cost, Millis)>> {
    let mut settled = HashMap::new();
    let mut last = TurnId { boot: 0, number: 0 };
    loop {
        let records = store.after(last, RECENT_MAX)?;
        let Some(newest) = records.last() else { return Ok(settled) };
        last = newest.turn;
        for record in &records {
            for (hold, settlement) in &record.settlements {
                let twice = settled.insert(*hold, (settlement.debited, record.ended));
                ensure!(twice.is_none(), "hold {hold} is settled twice");
            }
        }
    }
}

/// No hour is over-spent, and what the ledger sums up is what its records say.
fn windows(store: &mut Store, settled: &HashMap<HoldId, (Cost, Millis)>) -> Result<()> {
    let mut hours: HashMap<u64, Cost> = HashMap::new();
    for (cost, at) in settled.values() {
        let hour = hours.entry(at.get() / HOUR).or_default();
        *hour = hour.plus(*cost);
    }
    let now = store.newest();
    let this = now.get() / HOUR;
    let held = store
        .open_holds(now)?
        .iter()
        .filter(|hold| hold.opened.get() / HOUR == this)
        .fold(Cost::ZERO, |sum, hold| sum.plus(hold.cost));
    let spent = store.spent(now)?.this_hour;
    let recorded = hours.get(&this).copied().unwrap_or_default();
    ensure!(spent == recorded, "this hour's records sum up to {recorded:?}, the ledger to {spent:?}");
    let counted = hours.entry(this).or_default();
    *counted = counted.plus(held);
    for (hour, cost) in hours {
        ensure!(cost.energy <= HOUR_LIMIT, "hour {hour}: {} of {HOUR_LIMIT} are spent", cost.energy);
    }
    Ok(())
}
