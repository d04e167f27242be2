//! The open file: what is checked at its opening, and the figures that are kept in memory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use trimtab_core::Millis;
use trimtab_core::budget::HoldId;

use super::error::LedgerError;
use super::holds::{HOUR, limit_orphans};
use super::room::{self, AHEAD_BYTES, Room};
use super::{Durability, Retention, schema};

/// How often a runtime notes the time, in active time, so that a power cut loses no more than this of it.
pub const STAMP_EVERY: Millis = Millis::new(10_000);
/// How long a reader in another process may keep us waiting.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Pages of the write-ahead log after which it is folded into the file.
const CHECKPOINT_PAGES: u32 = 256;
/// Kibibytes of page cache.
const CACHE_KIB: i32 = 512;

/// The ledger's file, open; blocking. Usually reached through [`super::Ledger`].
#[derive(Debug)]
pub struct Store {
    pub(super) db: Connection,
    // Dropped after SQLite has closed the file.
    pub(super) room: Room,
    path: PathBuf,
    pub(super) retention: Retention,
    pub(super) kept: Kept,
    boot: u32,
    newest: Millis,
    page_bytes: u64,
    /// The disk is full: no page is added.
    pub(super) scarce: bool,
    pub(super) scarce_since: Millis,
    /// The spare pages are there.
    pub(super) spare: bool,
    // Dropped after the file is closed.
    _lock: Lock,
}

/// Records in the file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    pub(super) turns: u64,
    pub(super) bytes: u64,
}

/// What became of a transaction.
pub(super) enum Attempt<T> {
    Done(T),
    /// It would have added pages for which there is no room, and was rolled back.
    Grows,
}

impl Store {
    /// Opens or creates the file and begins a new boot.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, LedgerError> {
        Self::open_with(path, retention, Durability::Full)
    }

    /// The same, as durable as that says.
    pub fn open_with(path: &Path, retention: Retention, durability: Durability) -> Result<Self, LedgerError> {
        let lock = lock(path)?;
        room::make_way(path);
        room::check(path)?;
        let sql = |source| LedgerError::of(path, source);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags).map_err(sql)?;
        db.busy_timeout(BUSY).map_err(sql)?;
        for (name, value) in [
            ("journal_mode", "wal".to_owned()),
            ("synchronous", durability.pragma().to_owned()),
            ("wal_autocheckpoint", CHECKPOINT_PAGES.to_string()),
            ("cache_size", (-CACHE_KIB).to_string()),
        ] {
            db.pragma_update_and_check(None, name, value, |_| Ok(()))
                .or_else(|error| match error {
                    // Some of these answer with their new value and some do not.
                    rusqlite::Error::QueryReturnedNoRows => Ok(()),
                    other => Err(other),
                })
                .map_err(sql)?;
        }
        schema::migrate(&mut db, path)?;
        // What SQLite would delete at the end has room that is needed at the next start.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(sql)?;
        let page_bytes: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(sql)?;
        let room = Room::of(path).map_err(|source| LedgerError::Open { path: path.to_path_buf(), source })?;
        let mut store = Self {
            db,
            room,
            path: path.to_path_buf(),
            retention,
            kept: Kept::default(),
            boot: 0,
            newest: Millis::ZERO,
            page_bytes: page_bytes.cast_unsigned(),
            scarce: false,
            scarce_since: Millis::ZERO,
            spare: false,
            _lock: lock,
        };
        store.room.claim_log();
        store.room.claim_opening();
        store.tend();
        store.begin_boot()?;
        store.resume_episode()?;
        Ok(store)
    }

    /// Starts of the runtime with this file, this one included; the boot of this runtime's turns.
    #[must_use]
    pub const fn boot(&self) -> u32 {
        self.boot
    }

    /// The newest stamp in the file.
    #[must_use]
    pub const fn newest(&self) -> Millis {
        self.newest
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A name above that of every hold that was ever in the file.
    pub fn next_hold(&mut self) -> Result<HoldId, LedgerError> {
        self.read(|db| {
            let next: i64 = db.query_row("SELECT next_hold FROM meta", [], |row| row.get(0))?;
            Ok(HoldId(next.cast_unsigned()))
        })
    }

    /// Notes that it is `now`, so that after a power cut active time goes on from here.
    pub fn stamp(&mut self, now: Millis) -> Result<(), LedgerError> {
        self.write(now, |_| Ok(()))
    }

    /// Gives back the memory that the file's pages take; they are read again when needed.
    pub fn trim(&mut self) -> Result<(), LedgerError> {
        self.read(|db| db.execute_batch("PRAGMA shrink_memory"))
    }

    fn begin_boot(&mut self) -> Result<(), LedgerError> {
        let (boot, newest, kept, spare) = self.read(|db| {
            let (boot, newest): (u32, i64) =
                db.query_row("SELECT boot, newest FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let kept = db.query_row(
                "SELECT count(*), total(length(CAST(prompt AS BLOB)) + length(CAST(record AS BLOB)))
                     + (SELECT total(length(events)) FROM journal)
                 FROM turns WHERE record IS NOT NULL",
                [],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?)),
            )?;
            let spare = db.query_row("SELECT EXISTS (SELECT 1 FROM spare)", [], |row| row.get(0))?;
            Ok((boot, newest, kept, spare))
        })?;
        self.newest = resumed(Millis::new(newest.cast_unsigned()));
        self.kept = Kept { turns: kept.0.cast_unsigned(), bytes: kept.1 as u64 };
        self.spare = spare;
        self.boot = boot.saturating_add(1);
        let boot = self.boot;
        let newest = signed(self.newest.get());
        self.write(self.newest, |step| {
            step.execute("UPDATE meta SET boot = ?1", [boot])?;
            // The runtime that opened them is gone. What it spent under them until then counts in the windows that are
            // current, as it did before.
            step.execute(
                "UPDATE holds SET orphan = 1, opened = max(opened, ?1) WHERE counted IS NULL AND orphan = 0",
                [newest],
            )?;
            limit_orphans(step)
        })
    }

    /// Reads, without a transaction of its own.
    pub(super) fn read<T>(&self, act: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        act(&self.db).map_err(|source| LedgerError::of(&self.path, source))
    }

    /// Writes in one transaction, and stamps it.
    pub(super) fn write<T>(
        &mut self,
        now: Millis,
        act: impl Fn(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        self.write_with(now, |step, _| act(step))
    }

    /// The same, with what the file keeps. On a full disk it is tried again after something was given up for it.
    pub(super) fn write_with<T>(
        &mut self,
        now: Millis,
        act: impl Fn(&Transaction<'_>, Kept) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let newest = self.newest.max(now);
        let mut folded = false;
        loop {
            let fault = match self.attempt(newest, &act) {
                Ok(Attempt::Done(value)) => {
                    self.newest = newest;
                    self.tend();
                    return Ok(value);
                }
                Ok(Attempt::Grows) => match self.give_up() {
                    Ok(true) => continue,
                    Ok(false) => room::none(),
                    Err(fault) => fault,
                },
                // Somebody who reads for long keeps the log from being folded, and it has grown out of its room.
                Err(fault) if fault.sqlite_error_code() == Some(ErrorCode::DiskFull) && !folded => {
                    folded = true;
                    self.fold("PASSIVE");
                    continue;
                }
                Err(fault) => fault,
            };
            return Err(LedgerError::of(&self.path, fault));
        }
    }

    /// One transaction, unless it adds pages without room for them.
    pub(super) fn attempt<T>(
        &mut self,
        newest: Millis,
        act: &impl Fn(&Transaction<'_>, Kept) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Attempt<T>> {
        let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let pages = |step: &Connection| step.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0));
        let before = pages(&step)?;
        let value = act(&step, self.kept)?;
        step.execute("UPDATE meta SET newest = ?1 WHERE newest < ?1", [signed(newest.get())])?;
        let after = pages(&step)?;
        let bytes = after.cast_unsigned().saturating_mul(self.page_bytes);
        if after > before && !self.room.holds(bytes) {
            let extended = !self.scarce && self.room.extend(bytes.saturating_add(AHEAD_BYTES));
            if !extended {
                return Ok(Attempt::Grows);
            }
        }
        step.commit()?;
        Ok(Attempt::Done(value))
    }

    /// Folds the write-ahead log into the file, as far as others let it. What stays in the log is folded later.
    fn fold(&self, how: &str) {
        if let Err(fault) = self.db.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(())) {
            tracing::debug!(%fault, "the write-ahead log is not folded");
        }
    }

    /// Why a stored text could not be read.
    pub(super) fn content(&self, what: String, source: serde_json::Error) -> LedgerError {
        LedgerError::Content { path: self.path.clone(), what, source }
    }
}

impl Drop for Store {
    /// Leaves one whole file and an empty log, so that a copy of the file is a copy of the ledger. On a full disk everything stays
    /// as it is, as if the process had died: the room of the log would be gone.
    fn drop(&mut self) {
        if self.scarce || !self.room.has_again() || self.db.busy_timeout(Duration::ZERO).is_err() {
            return;
        }
        self.fold("TRUNCATE");
        self.room.claim_log();
    }
}

/// Where active time goes on after `newest`. What a runtime that died had done after its last stamp may have been done in the next
/// hour already; so near to the end of an hour time goes on with that, and nothing counts in the wrong window.
fn resumed(newest: Millis) -> Millis {
    let next = (newest.get() / HOUR + 1).saturating_mul(HOUR);
    if newest.is_zero() || newest.plus(STAMP_EVERY).plus(STAMP_EVERY).get() < next { newest } else { Millis::new(next) }
}

/// As the file stores amounts: beyond half of what is possible there is no difference any more.
pub(super) fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

/// Stands beside the file, and dies with the process.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would not do: a child that is just being started has the lock too, until it runs its program. Should
        // this fail, it is as if the process had died.
        let _ = self.0.unlock();
    }
}

fn lock(path: &Path) -> Result<Lock, LedgerError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |source| LedgerError::Open { path: path.to_path_buf(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(PathBuf::from(name)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(LedgerError::InUse { path: path.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
