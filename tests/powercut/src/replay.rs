//! The disk as it is after a cut: what was flushed is there, and of what came later each write may or may not be.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use trimtab_sim::chance::Chance;

use crate::log::{Entry, Log};
use crate::mark::{MARK_BYTES, MARKS_AT, Mark};

/// Cuts one run's power again and again, later each time.
pub struct Replay {
    log: Log,
    /// The disk as of the last flush.
    settled: File,
    place: PathBuf,
    /// What came after the last flush.
    pending: Vec<Entry>,
    marks: Vec<Mark>,
    seen: u64,
}

impl Replay {
    /// Of a run that began with the disk `base`; works in `folder`.
    pub fn new(base: &Path, log: &Path, folder: &Path) -> Result<Self> {
        let place = folder.join("settled.img");
        fs::copy(base, &place).with_context(|| format!("{}: cannot copy", base.display()))?;
        let settled = OpenOptions::new().read(true).write(true).open(&place)?;
        Ok(Self { log: Log::open(log)?, settled, place, pending: Vec::new(), marks: Vec::new(), seen: 0 })
    }

    /// Points at which it can be cut.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.log.entries()
    }

    /// Goes on to just before entry `cut`, which must not be before the last one.
    pub fn go_to(&mut self, cut: u64) -> Result<()> {
        while self.seen < cut {
            let Some(entry) = self.log.next() else { break };
            let entry = entry?;
            self.seen += 1;
            if entry.at >= MARKS_AT {
                self.marks.extend(entry.bytes.chunks_exact(MARK_BYTES).filter_map(Mark::read));
            }
            if entry.flush {
                for earlier in self.pending.drain(..) {
                    self.settled.write_all_at(&earlier.bytes, earlier.at)?;
                }
                // What a flush itself carries is written after what was on its way.
                if !entry.bytes.is_empty() {
                    self.pending.push(Entry { flush: false, ..entry });
                }
            } else {
                self.pending.push(entry);
            }
        }
        Ok(())
    }

    /// Every settlement that was acknowledged before the cut: its mark was on its way to the disk.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Writes the disk after a cut here to `image`; chance decides on each write that was not flushed.
    pub fn cut(&self, chance: &mut Chance, image: &Path) -> Result<()> {
        fs::copy(&self.place, image)?;
        let disk = OpenOptions::new().write(true).open(image)?;
        for entry in &self.pending {
            if chance.happens(0.5) {
                disk.write_all_at(&entry.bytes, entry.at)?;
            }
        }
        Ok(())
    }
}
