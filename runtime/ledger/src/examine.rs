//! A look at a ledger from outside, also while a runtime writes it. Nothing is changed.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use trimtab_core::Bytes;

use super::error::LedgerError;
use super::scarce::{Losses, lost};
use super::{room, schema};

/// What was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Examined {
    /// The file's schema.
    pub schema: u32,
    /// Records in it.
    pub turns: u64,
    /// Its size, without what is still in the write-ahead log.
    pub bytes: Bytes,
    /// What was lost to full disks.
    pub losses: Losses,
}

/// Reads a ledger's head and checks its pages; fails as opening it would, or if a page is damaged.
pub fn examine(path: &Path) -> Result<Examined, LedgerError> {
    let sql = |source| LedgerError::of(path, source);
    room::check(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(sql)?;
    // A look leaves everything as it is: the room of the write-ahead log too.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(sql)?;
    db.busy_timeout(super::store::BUSY).map_err(sql)?;
    let schema = schema::known(&db, path)?;
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sql)?;
    if verdict != "ok" {
        return Err(sql(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
            Some(verdict),
        )));
    }
    let turns: i64 =
        db.query_row("SELECT count(*) FROM turns WHERE record IS NOT NULL", [], |row| row.get(0)).map_err(sql)?;
    let losses = if schema < schema::KNOWN { Losses::default() } else { lost(&db).map_err(sql)? };
    let bytes = std::fs::metadata(path).map_or(0, |about| about.len());
    Ok(Examined { schema, turns: turns.cast_unsigned(), bytes: Bytes::new(bytes), losses })
}
