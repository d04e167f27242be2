//! The log of everything that a disk was told, as QEMU's `blklogwrites` keeps it (the format of Linux's `dm-log-writes`).

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, ensure};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;
/// Most bytes of one write.
const WRITE_BYTES_MAX: u64 = 64 << 20;
/// Most entries that are read.
const ENTRIES_MAX: u64 = 10_000_000;

/// One thing that the disk was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was on its way before is durable from here on.
    pub flush: bool,
    /// Where it was written, in bytes.
    pub at: u64,
    /// What was written; nothing for a flush alone.
    pub bytes: Vec<u8>,
}

/// Reads a log from its beginning.
pub struct Log {
    file: BufReader<File>,
    sector: u64,
    entries: u64,
    read: u64,
}

impl Log {
    /// Opens a log whose writer has ended.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("{}: cannot open the log", path.display()))?;
        let mut file = BufReader::new(file);
        let magic = word(&mut file)?;
        let (version, entries, sector) = (word(&mut file)?, word(&mut file)?, word(&mut file)? & 0xffff_ffff);
        ensure!(magic == MAGIC && version == VERSION, "{}: no log of writes, version {VERSION}", path.display());
        ensure!((512..=4096).contains(&sector) && entries <= ENTRIES_MAX, "{}: damaged", path.display());
        file.seek(SeekFrom::Start(sector))?;
        Ok(Self { file, sector, entries, read: 0 })
    }

    /// Entries that it has.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    fn entry(&mut self) -> Result<Entry> {
        let (at, sectors, flags, _) =
            (word(&mut self.file)?, word(&mut self.file)?, word(&mut self.file)?, word(&mut self.file)?);
        self.file.seek_relative(self.sector as i64 - 32)?;
        let length = if flags & DISCARD == 0 { sectors.saturating_mul(self.sector) } else { 0 };
        ensure!(length <= WRITE_BYTES_MAX, "entry {} claims {length} bytes", self.read);
        let mut bytes = vec![0; length as usize];
        self.file.read_exact(&mut bytes).with_context(|| format!("entry {} is cut off", self.read))?;
        Ok(Entry { flush: flags & FLUSH != 0, at: at.saturating_mul(self.sector), bytes })
    }
}

impl Iterator for Log {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read >= self.entries {
            return None;
        }
        let entry = self.entry();
        self.read += 1;
        Some(entry)
    }
}

fn word(file: &mut impl Read) -> Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes).context("the log is cut off")?;
    Ok(u64::from_le_bytes(bytes))
}
