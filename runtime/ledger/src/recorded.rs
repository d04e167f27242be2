//! Reads what turns were fed, beside a runtime that may be writing.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};
use trimtab_core::TurnId;

use super::error::LedgerError;
use super::{room, schema};

/// Rows that are read at once.
const ROWS_MAX: u32 = 64;

/// What was taken with one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// Whose record it was taken with.
    pub turn: TurnId,
    /// The record as it is stored, as JSON.
    pub record: Option<String>,
    /// What turns were fed until then.
    pub events: Vec<u8>,
}

/// A ledger that is only read. Nothing is locked or changed.
#[derive(Debug)]
pub struct Recording {
    db: Connection,
    path: PathBuf,
    after: i64,
}

impl Recording {
    /// Opens the file at `path`.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let sql = |source| LedgerError::of(path, source);
        // A file that is not there is told as such.
        std::fs::metadata(path).map_err(|source| LedgerError::Open { path: path.to_path_buf(), source })?;
        room::check(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(sql)?;
        // A look leaves everything as it is: the room of the write-ahead log too.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(sql)?;
        schema::check(&db, path)?;
        Ok(Self { db, path: path.to_path_buf(), after: i64::MIN })
    }

    /// Records that are stored without anything to replay.
    pub fn without_events(&self) -> Result<u64, LedgerError> {
        let sql = |source| LedgerError::of(&self.path, source);
        let query = "SELECT count(*) FROM turns WHERE record IS NOT NULL AND turn NOT IN (SELECT turn FROM journal)";
        let count: i64 = self.db.query_row(query, [], |row| row.get(0)).map_err(sql)?;
        Ok(count.cast_unsigned())
    }

    /// Records that went because the disk was full.
    pub fn dropped(&self) -> Result<u64, LedgerError> {
        let sql = |source| LedgerError::of(&self.path, source);
        let query = "SELECT coalesce(sum(records), 0) FROM episodes";
        let count: i64 = self.db.query_row(query, [], |row| row.get(0)).map_err(sql)?;
        Ok(count.cast_unsigned())
    }

    /// The next of what was recorded, in its order; nothing after the last.
    pub fn more(&mut self) -> Result<Vec<Recorded>, LedgerError> {
        let read = |after: i64| -> rusqlite::Result<Vec<(i64, Recorded)>> {
            self.db
                .prepare(
                    "SELECT seq, journal.turn, record, events FROM journal LEFT JOIN turns ON turns.turn = journal.turn
                     WHERE seq > ?1 ORDER BY seq LIMIT ?2",
                )?
                .query_map(params![after, ROWS_MAX], |row| {
                    let turn = TurnId::from_key(row.get::<_, i64>(1)?.cast_unsigned());
                    Ok((row.get(0)?, Recorded { turn, record: row.get(2)?, events: row.get(3)? }))
                })?
                .collect()
        };
        let rows = read(self.after).map_err(|source| LedgerError::of(&self.path, source))?;
        self.after = rows.last().map_or(self.after, |(seq, _)| *seq);
        Ok(rows.into_iter().map(|(_, recorded)| recorded).collect())
    }
}
