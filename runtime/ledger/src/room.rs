//! Room on the disk that the ledger owns before it needs it, so that nobody can take it away.
//!
//! What one transaction needs, and of which file:
//!
//! | file | grows | how it is owned |
//! |---|---|---|
//! | `-wal` | with every commit, until a checkpoint folds it; then it is written over from its start | [`LOG_BYTES`] of blocks are allocated once; it is neither cut short nor deleted while the ledger is open |
//! | the file itself | at a checkpoint, by the pages that commits have added | [`AHEAD_BYTES`] of blocks are allocated beyond its end before they are needed; a commit that would need more is not made |
//! | `-shm` | once, 32 KiB | left in place when the ledger closes; SQLite cuts it short at an opening and extends it again at once |
//!
//! Blocks are allocated by `fallocate` without a change of the file's size, which SQLite does not see. On ext4, XFS, F2FS and tmpfs
//! writing there needs no further room. A checkpoint that is complete sets the file to its size, which gives back what lies beyond:
//! so it is allocated again after every write. Where that fails the disk is full, and at this moment nothing waits for room, since the
//! checkpoint was complete. From then on no commit may add pages; those that it needs come from inside the file
//! ([`super::scarce`]). So nothing is freed that others could take first.
//!
//! Only an opening does that, since SQLite cuts `-shm` short: for its moment [`OPENING_BYTES`] of a file beside the ledger are given up,
//! and kept again after it. Somebody who takes them in this moment keeps the ledger from being opened until the next try. SQLite
//! maps `-shm` into memory and makes sure of one block a page; where blocks are smaller than pages, as on ext4 below 512 MB, writing
//! to such a page on a full disk ends the process. So there no ledger is opened, nor looked at, on a disk without that room.
//!
//! Copy-on-write file systems (Btrfs) need new room to write over old, and some (ext3, NFS before 4.2) cannot allocate ahead: there a
//! full disk refuses turns, as a disk does that is read-only.
//!
//! POSIX forgets a process's locks on a file when any of its descriptors is closed. So the descriptor here is opened after that of
//! SQLite, and closed after it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, Stat, StatVfs, StatVfsMountFlags, fallocate, fstat, fstatvfs, statvfs};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::error::LedgerError;

/// Blocks of the write-ahead log: twice what waits for a checkpoint, so that the largest transaction fits on top.
pub(super) const LOG_BYTES: u64 = 2 << 20;
/// Blocks beyond the end of the file: more than all pages that may wait for a checkpoint.
pub(super) const AHEAD_BYTES: u64 = 2 << 20;
/// Room that must be free again beyond what is owned before a disk counts as no longer full: else it would be so again at once.
const AGAIN_BYTES: u64 = 4 << 20;
/// What an opening may need: `-shm`, and the first pages of a log that somebody deleted.
const OPENING_BYTES: u64 = 128 * 1024;
/// Of it, `-shm` and what else a file system writes for it.
const SHARED_BYTES: u64 = 64 * 1024;
/// Pages in which memory is mapped.
const PAGE_BYTES: u64 = 4096;
/// What a file system counts in blocks.
const BLOCK_BYTES: u64 = 512;

/// How allocating went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claim {
    Owned,
    Full,
    /// The file system cannot do it, or fails in another way, which writing will tell.
    Unknown,
}

/// The room of one ledger.
#[derive(Debug)]
pub(super) struct Room {
    file: File,
    log: PathBuf,
    opening: PathBuf,
    /// Bytes of the file that are on the disk, written or allocated.
    owned: u64,
}

impl Room {
    /// For the ledger at `path`, which SQLite has open; owns nothing yet.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { file, log: beside(path, "-wal"), opening: beside(path, "-room"), owned: 0 })
    }

    /// Keeps room for the next opening, if there is any.
    pub(super) fn claim_opening(&self) {
        let Ok(file) = File::create(&self.opening) else { return };
        claim(&file, 0, OPENING_BYTES);
    }

    /// Allocates the write-ahead log. Where that fails it still has the blocks that it had.
    pub(super) fn claim_log(&self) {
        let Ok(log) = OpenOptions::new().write(true).open(&self.log) else { return };
        if fstat(&log).is_ok_and(|about| on_disk(&about) < LOG_BYTES) {
            claim(&log, 0, LOG_BYTES);
        }
    }

    /// Allocates again what a checkpoint has given back; false where the disk is full.
    pub(super) fn renew(&mut self) -> bool {
        let Ok(about) = fstat(&self.file) else { return true };
        let size = about.st_size.cast_unsigned();
        let ahead = size.saturating_add(AHEAD_BYTES);
        let given_back = on_disk(&about) < self.owned;
        if !given_back && self.owned >= ahead {
            return true;
        }
        // What is owned is not asked for again: where the rest fails, tmpfs would give it up too.
        let from = if given_back { size } else { size.max(self.owned) };
        match claim(&self.file, from, ahead - from) {
            Claim::Owned => self.owned = ahead,
            Claim::Unknown => self.owned = u64::MAX,
            Claim::Full => {
                self.owned = from;
                return false;
            }
        }
        true
    }

    /// Whether a file of so many bytes fits what is owned.
    pub(super) const fn holds(&self, bytes: u64) -> bool {
        bytes <= self.owned
    }

    /// Owns room for a file of so many bytes, if the disk has it.
    pub(super) fn extend(&mut self, bytes: u64) -> bool {
        match claim(&self.file, self.owned, bytes.saturating_sub(self.owned)) {
            Claim::Owned => self.owned = bytes,
            Claim::Unknown => self.owned = u64::MAX,
            Claim::Full => return false,
        }
        true
    }

    /// Whether the disk has so much room that it may count as no longer full.
    pub(super) fn has_again(&self) -> bool {
        fstatvfs(&self.file).is_ok_and(|about| free(&about) >= AGAIN_BYTES)
    }
}

/// Gives up the room that is kept for an opening.
pub(super) fn make_way(path: &Path) {
    // Where there is none the opening has what it finds.
    let _ = std::fs::remove_file(beside(path, "-room"));
}

/// Fails where opening the ledger at `path` could end the process for want of room.
pub(super) fn check(path: &Path) -> Result<(), LedgerError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(about) = statvfs(folder) else { return Ok(()) };
    let whole_pages = about.f_frsize >= PAGE_BYTES || about.f_flag.contains(StatVfsMountFlags::RDONLY);
    if whole_pages || free(&about) >= SHARED_BYTES {
        return Ok(());
    }
    Err(LedgerError::of(path, none()))
}

fn on_disk(about: &Stat) -> u64 {
    about.st_blocks.cast_unsigned().saturating_mul(BLOCK_BYTES)
}

/// Room for this user: some of it may be kept for root.
fn free(about: &StatVfs) -> u64 {
    let blocks = if geteuid().is_root() { about.f_bfree } else { about.f_bavail };
    blocks.saturating_mul(about.f_frsize)
}

/// What SQLite says of a full disk.
pub(super) fn none() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn claim(file: &File, from: u64, bytes: u64) -> Claim {
    match fallocate(file, FallocateFlags::KEEP_SIZE, from, bytes) {
        Ok(()) => Claim::Owned,
        Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Claim::Full,
        Err(_) => Claim::Unknown,
    }
}
