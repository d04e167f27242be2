//! What can go wrong with the file, told by file and remedy.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use trimtab_core::TurnId;

/// Why the ledger did not do what was asked. Nothing of a failed call is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Cannot be opened or created.
    #[error("{path}: cannot open the ledger; its folder must exist and be writable for the runtime's user")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another runtime writes it.
    #[error("{path}: another trimtab uses this ledger; stop it, or give this one its own [device] state_dir")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A program from the future wrote it.
    #[error(
        "{path}: the ledger has schema {have}, this program knows up to {known}; install the newer trimtab, or move the file away"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        have: u32,
        /// The newest schema that is known here.
        known: u32,
    },
    /// An older program wrote it, and it is only read here.
    #[error(
        "{path}: the ledger has schema {have}, not {known}; start trimtab with it once, which brings it up to date"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        have: u32,
        /// The schema that is read here.
        known: u32,
    },
    /// Some other SQLite file.
    #[error("{path}: a database, but no ledger; move it away or set another [device] state_dir")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Truncated, overwritten, or no database.
    #[error(
        "{path}: the ledger is damaged; stop trimtab, move the file and its -wal away, and keep both: what was spent is in them"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// No room.
    #[error("{path}: no room to write the ledger; free disk space or lower [ledger] bytes")]
    Full {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// May be read, but not written.
    #[error(
        "{path}: the ledger cannot be written; make the file and its folder writable for the runtime's user, and the disk not read-only"
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The disk fails.
    #[error("{path}: reading or writing the ledger failed; check the disk, its quota and the system's log")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// Anything else that SQLite objects to.
    #[error(
        "{path}: the ledger refused; another program may have changed it: check it with `sqlite3 {path} 'pragma integrity_check'`"
    )]
    Sql {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// What is stored cannot be read as what it should be.
    #[error("{path}: {what} cannot be read; a newer trimtab may have written it, or the file was edited")]
    Content {
        /// The file.
        path: PathBuf,
        /// Which entry.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A turn has exactly one record.
    #[error("turn {turn} already has its record; a turn is closed once")]
    ClosedTurn {
        /// Which turn.
        turn: TurnId,
    },
    /// No record of that turn.
    #[error("turn {turn} is not in the ledger; it never ended, or it was older than [ledger] keeps")]
    NoTurn {
        /// Which turn.
        turn: TurnId,
    },
    /// Its record went because the disk was full.
    #[error(
        "turn {turn} was dropped, with {others} other records, while the disk was full; free disk space, and those that are left stay"
    )]
    Dropped {
        /// Which turn.
        turn: TurnId,
        /// What else that episode took.
        others: u64,
    },
    /// As many scores as a turn may have.
    #[error("turn {turn} has {limit} scores already; no more are kept")]
    Scores {
        /// Which turn.
        turn: TurnId,
        /// How many may be.
        limit: usize,
    },
    /// A score that is none.
    #[error("a score is a number from 0 to 1 with a source of 1 to {limit} bytes")]
    Score {
        /// Longest source.
        limit: usize,
    },
    /// Too many requests without an answer.
    #[error("{limit} requests wait for late answers; no more are sent until some are answered or a day has passed")]
    OutboxFull {
        /// How many may be.
        limit: usize,
    },
    /// A setting too large to keep.
    #[error("setting {name}: {bytes} bytes of JSON, above the limit of {limit}; shorten it")]
    Setting {
        /// Its name.
        name: String,
        /// Its size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The ledger's thread has ended.
    #[error("{path}: the ledger is closed; restart trimtab")]
    Gone {
        /// The file.
        path: PathBuf,
    },
}

impl LedgerError {
    /// Tells apart what SQLite reports, for the file at `path`.
    pub(super) fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        let extended = source.sqlite_error().map(|error| error.extended_code);
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path, source },
            Some(_) if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => Self::Full { path, source },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::ReadOnly { path, source }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, source },
            Some(ErrorCode::SystemIoFailure) => Self::Disk { path, source },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { path },
            _ => Self::Sql { path, source },
        }
    }
}
