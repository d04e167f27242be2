//! The tables, and how an older file becomes a current one.
//!
//! Times are milliseconds of active time, amounts whole units as in `trimtab-core`; a conversation's id is stored by its
//! bits. Of a hold, `counted` is the instant whose hour and day its actual cost belongs to: when it was settled, or, for
//! an orphan, when it was opened. It is null as long as the hold is open. What turns were fed is kept with the record of the
//! one that it was taken with, in the order of `seq`; it goes with that record. The pages of `spare` are given up, and `episodes`
//! counts what went, when the disk is full: see [`super::scarce`].

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::LedgerError;

/// Marks the file as a ledger: "TRIM".
const APPLICATION_ID: i32 = 0x5452_494d;

/// Step n brings schema n to n + 1.
const STEPS: &[&str] = &[
    "
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    boot INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    next_hold INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (0, 0, 0, 1);

CREATE TABLE turns (
    turn INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    record TEXT
) STRICT;
CREATE INDEX turns_open ON turns (turn) WHERE record IS NULL;

CREATE TABLE holds (
    hold INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    action TEXT,
    opened INTEGER NOT NULL,
    latency INTEGER NOT NULL,
    energy INTEGER NOT NULL,
    money INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    orphan INTEGER NOT NULL,
    counted INTEGER,
    actual_latency INTEGER,
    actual_energy INTEGER,
    actual_money INTEGER,
    actual_bytes INTEGER
) STRICT;
CREATE INDEX holds_open ON holds (hold) WHERE counted IS NULL;
CREATE INDEX holds_counted ON holds (counted) WHERE counted IS NOT NULL;
CREATE INDEX holds_conversation ON holds (conversation);
CREATE INDEX holds_turn ON holds (turn);

CREATE TABLE conversations (
    conversation INTEGER PRIMARY KEY,
    turns INTEGER NOT NULL,
    latency INTEGER NOT NULL,
    energy INTEGER NOT NULL,
    money INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox (
    request BLOB PRIMARY KEY,
    turn INTEGER NOT NULL,
    hold INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    node TEXT NOT NULL,
    deadline INTEGER NOT NULL,
    late INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    counter INTEGER NOT NULL,
    value TEXT NOT NULL
) STRICT;
",
    "
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL UNIQUE,
    events BLOB NOT NULL
) STRICT;
",
    "
CREATE TABLE spare (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    pages BLOB NOT NULL
) STRICT;
CREATE TABLE episodes (
    id INTEGER PRIMARY KEY,
    records INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;
",
];

/// The schema of this program.
pub(super) const KNOWN: u32 = STEPS.len() as u32;

/// Whether the file is a ledger of this program's schema.
pub(super) fn check(db: &Connection, path: &Path) -> Result<(), LedgerError> {
    let sql = |source| LedgerError::of(path, source);
    let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sql)?;
    let have: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sql)?;
    let path = path.to_path_buf();
    match have {
        _ if application != APPLICATION_ID => Err(LedgerError::Foreign { path }),
        have if have > KNOWN => Err(LedgerError::Newer { path, have, known: KNOWN }),
        have if have < KNOWN => Err(LedgerError::Older { path, have, known: KNOWN }),
        _ => Ok(()),
    }
}

/// Brings the file to [`KNOWN`], all steps in one transaction.
pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<(), LedgerError> {
    let sql = |source| LedgerError::of(path, source);
    let step = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
    let have = known(&step, path)?;
    for statements in STEPS.iter().skip(have as usize) {
        step.execute_batch(statements).map_err(sql)?;
    }
    step.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
    step.pragma_update(None, "user_version", KNOWN).map_err(sql)?;
    step.commit().map_err(sql)
}

/// The schema of a file, 0 for a new one; fails for one that is no ledger, or a newer one.
pub(super) fn known(db: &Connection, path: &Path) -> Result<u32, LedgerError> {
    let sql = |source| LedgerError::of(path, source);
    let have: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sql)?;
    let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sql)?;
    let tables: u32 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sql)?;
    let fresh = application == 0 && have == 0 && tables == 0;
    if !fresh && application != APPLICATION_ID {
        return Err(LedgerError::Foreign { path: path.to_path_buf() });
    }
    if have > KNOWN {
        return Err(LedgerError::Newer { path: path.to_path_buf(), have, known: KNOWN });
    }
    Ok(have)
}
