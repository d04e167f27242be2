//! Runs on the board: turns, and a mark on the bare disk for each settlement that the ledger has acknowledged.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::fs::OFlags;
use trimtab_ledger::Durability;
use trimtab_powercut::mark::{MARK_BYTES, MARKS_MAX, Mark};
use trimtab_powercut::script::Script;

/// Writes a ledger, and marks beside it.
#[derive(Parser)]
struct Arguments {
    /// The ledger's file, new
    ledger: PathBuf,
    /// The disk, whose end is free for marks
    disk: PathBuf,
    /// Turns
    #[arg(long, default_value_t = 1_000)]
    turns: u32,
    /// Seed of all chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave out what makes the ledger durable, so that whoever judges it must find losses
    #[arg(long)]
    unsynced: bool,
}

fn main() -> Result<()> {
    let Arguments { ledger, disk, turns, seed, unsynced } = Arguments::parse();
    let direct = i32::try_from(OFlags::DIRECT.bits())?;
    let disk = OpenOptions::new()
        .write(true)
        .custom_flags(direct)
        .open(&disk)
        .with_context(|| format!("{}: cannot be written around the cache", disk.display()))?;
    let durability = if unsynced { Durability::Off } else { Durability::Full };
    let mut script = Script::new(&ledger, durability, seed)?;
    let mut marks = Marks::new(disk);
    for _ in 0..turns {
        script.turn(|mark| marks.write(mark))?;
    }
    println!("{turns} turns, {} marks", marks.written);
    Ok(())
}

/// Marks, written around the kernel's cache.
struct Marks {
    disk: File,
    space: Vec<u8>,
    written: u64,
}

impl Marks {
    fn new(disk: File) -> Self {
        // Such writes must come from an address that is a multiple of a block's size.
        Self { disk, space: vec![0; 2 * MARK_BYTES], written: 0 }
    }

    fn write(&mut self, mark: &Mark) -> Result<()> {
        ensure!(mark.number < MARKS_MAX, "the disk has no room for more than {MARKS_MAX} marks");
        let start = self.space.as_ptr().align_offset(MARK_BYTES);
        let block = &mut self.space[start..start + MARK_BYTES];
        block.copy_from_slice(&mark.block());
        self.disk.write_all_at(block, mark.place()).context("a mark was not written")?;
        self.written += 1;
        Ok(())
    }
}
