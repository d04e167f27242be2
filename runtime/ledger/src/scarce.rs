//! What happens when the disk is full: turns go on, within the room that the ledger owns, and what is lost for it is counted.
//!
//! ```text
//!             no room ahead of the file                 a commit needs pages
//!  roomy ───────────────────────────────▶ scarce ─────────────────────────────▶ the spare pages, then the oldest records
//!    ▲                                      │                                   go, and the commit is tried again
//!    └───── room ahead, and some more ──────┘
//! ```
//!
//! Only records and what turns were fed go, the oldest first, as they do by age. Windows, open holds, settlements, sums of
//! conversations, requests and settings stay, so that a budget is as hard on a full disk as on an empty one: a hold that cannot be
//! made durable is still refused, and that happens only when there is no record left to drop. Each episode is a row that says
//! which records it took and since when; it is written in the transaction that drops them.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use trimtab_core::{Millis, TurnId};

use super::error::LedgerError;
use super::holds::millis;
use super::store::{Attempt, Kept, Store, signed};

/// Pages that are kept inside the file for a young ledger on a full disk, which has few records to drop.
const SPARE_BYTES: u32 = 256 * 1024;
/// Records that go at once, so that whole pages become free.
const DROPPED_AT_ONCE: u32 = 16;
/// Episodes that are told apart; of more the oldest become one.
const EPISODES_MAX: u32 = 16;

/// Records that went because the disk was full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Episode {
    /// How many.
    pub records: u64,
    /// Since when it was full, in active time.
    pub since: Millis,
    /// Until when; none: it is full now, as far as the ledger knows.
    pub until: Option<Millis>,
    /// The oldest of them.
    pub first: TurnId,
    /// The newest of them.
    pub last: TurnId,
}

/// All that was lost to full disks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// Records that were dropped.
    pub records: u64,
    /// Since when, in active time; none where nothing was lost.
    pub since: Option<Millis>,
    /// The disk is full now, as far as the ledger knows.
    pub full: bool,
}

impl Store {
    /// What was lost to full disks, over the life of the file.
    pub fn losses(&mut self) -> Result<Losses, LedgerError> {
        let full = self.scarce;
        Ok(Losses { full, ..self.read(lost)? })
    }

    /// The episode that took a turn's record, as far as can be told: records that were too old before are taken for such.
    pub fn dropped(&mut self, turn: TurnId) -> Result<Option<Episode>, LedgerError> {
        let key = turn.key().cast_signed();
        self.read(|db| {
            db.prepare(
                "SELECT records, since, until, first, last FROM episodes WHERE ?1 BETWEEN first AND last
                 AND NOT EXISTS (SELECT 1 FROM turns WHERE turn = ?1)",
            )?
            .query_row([key], |row| {
                let until: Option<i64> = row.get(2)?;
                Ok(Episode {
                    records: row.get::<_, i64>(0)?.cast_unsigned(),
                    since: millis(row, 1)?,
                    until: until.map(|until| Millis::new(until.cast_unsigned())),
                    first: TurnId::from_key(row.get::<_, i64>(3)?.cast_unsigned()),
                    last: TurnId::from_key(row.get::<_, i64>(4)?.cast_unsigned()),
                })
            })
            .optional()
        })
    }

    /// Owns again what the last write used up, and notices where the disk has become full or has room again.
    pub(super) fn tend(&mut self) {
        let roomy = self.room.renew();
        if !roomy && !self.scarce {
            self.scarce = true;
            self.scarce_since = self.newest();
            let path = self.path().display();
            tracing::warn!(%path, "the disk is full: turns go on, and the oldest records go for it; free disk space");
        } else if roomy && self.scarce && self.room.has_again() {
            self.scarce = false;
            let path = self.path().display();
            tracing::info!(%path, "the disk has room again: no more records go");
            self.room.claim_opening();
            if let Err(fault) = self.end_episode() {
                tracing::warn!(%fault, "the end of a full disk was not noted");
            }
        }
    }

    /// Keeps the spare pages, where the disk has room for them.
    pub(super) fn stock(&mut self) {
        if self.scarce || self.spare {
            return;
        }
        let kept = self.attempt(self.newest(), &|step, _| {
            step.execute("INSERT OR IGNORE INTO spare VALUES (0, zeroblob(?1))", [SPARE_BYTES]).map(drop)
        });
        // Without them a young ledger has less to give up; nothing else depends on them.
        self.spare = matches!(kept, Ok(Attempt::Done(())));
        self.tend();
    }

    /// Makes pages free inside the file; false if there is nothing left to give up.
    pub(super) fn give_up(&mut self) -> rusqlite::Result<bool> {
        let (now, since) = (self.newest(), self.scarce_since);
        let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if self.spare {
            step.execute("DELETE FROM spare", [])?;
            step.commit()?;
            self.spare = false;
            return Ok(true);
        }
        let Some(went) = drop_oldest(&step, DROPPED_AT_ONCE)? else { return Ok(false) };
        note(&step, &went, since.min(now))?;
        step.commit()?;
        self.kept.turns = self.kept.turns.saturating_sub(went.records);
        self.kept.bytes = self.kept.bytes.saturating_sub(went.bytes);
        Ok(true)
    }

    /// The episode that an earlier runtime did not see the end of goes on, if the disk is full still.
    pub(super) fn resume_episode(&mut self) -> Result<(), LedgerError> {
        let since: Option<i64> = self.read(|db| {
            db.query_row("SELECT since FROM episodes WHERE until IS NULL", [], |row| row.get(0)).optional()
        })?;
        match since {
            Some(since) if self.scarce => self.scarce_since = Millis::new(since.cast_unsigned()),
            Some(_) => self.end_episode().map_err(|source| LedgerError::of(self.path(), source))?,
            None => {}
        }
        Ok(())
    }

    fn end_episode(&mut self) -> rusqlite::Result<()> {
        let now = signed(self.newest().get());
        self.attempt(self.newest(), &|step, _| {
            step.execute("UPDATE episodes SET until = ?1 WHERE until IS NULL", [now]).map(drop)
        })
        .map(drop)
    }
}

/// What is counted in the file; where an episode goes on the disk is taken for full.
pub(super) fn lost(db: &Connection) -> rusqlite::Result<Losses> {
    let query = "SELECT coalesce(sum(records), 0), min(since), count(*) > count(until) FROM episodes";
    db.query_row(query, [], |row| {
        let since = row.get::<_, Option<i64>>(1)?.map(|since| Millis::new(since.cast_unsigned()));
        Ok(Losses { records: row.get::<_, i64>(0)?.cast_unsigned(), since, full: row.get(2)? })
    })
}

/// Records that went.
pub(super) struct Went {
    pub(super) records: u64,
    pub(super) bytes: u64,
    first: i64,
    last: i64,
}

/// Drops the oldest records, at most so many, with what turns were fed; none if there are no records.
pub(super) fn drop_oldest(step: &Transaction<'_>, count: u32) -> rusqlite::Result<Option<Went>> {
    let (records, bytes, first, last): (i64, f64, Option<i64>, Option<i64>) = step
        .prepare(
            "SELECT count(*), total(bytes), min(turn), max(turn) FROM (
                 SELECT turn, length(CAST(prompt AS BLOB)) + length(CAST(record AS BLOB))
                     + coalesce((SELECT length(events) FROM journal WHERE journal.turn = turns.turn), 0) AS bytes
                 FROM turns WHERE record IS NOT NULL ORDER BY turn LIMIT ?1)",
        )?
        .query_row([count], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let Some((first, last)) = first.zip(last) else { return Ok(None) };
    step.prepare("DELETE FROM turns WHERE record IS NOT NULL AND turn BETWEEN ?1 AND ?2")?.execute([first, last])?;
    step.prepare("DELETE FROM journal WHERE turn BETWEEN ?1 AND ?2")?.execute([first, last])?;
    Ok(Some(Went { records: records.cast_unsigned(), bytes: bytes as u64, first, last }))
}

/// Adds to the episode that goes on, or begins one.
fn note(step: &Transaction<'_>, went: &Went, since: Millis) -> rusqlite::Result<()> {
    let records = signed(went.records);
    let known = step.execute(
        "UPDATE episodes SET records = records + ?1, last = max(last, ?2) WHERE until IS NULL",
        params![records, went.last],
    )?;
    if known > 0 {
        return Ok(());
    }
    let episodes: u32 = step.query_row("SELECT count(*) FROM episodes", [], |row| row.get(0))?;
    if episodes >= EPISODES_MAX {
        step.execute_batch(
            "UPDATE episodes SET (records, since, first) =
                 (SELECT sum(records), min(since), min(first) FROM (SELECT * FROM episodes ORDER BY id LIMIT 2))
             WHERE id = (SELECT id FROM episodes ORDER BY id LIMIT 1 OFFSET 1);
             DELETE FROM episodes WHERE id = (SELECT min(id) FROM episodes);",
        )?;
    }
    step.execute(
        "INSERT INTO episodes (records, since, first, last) VALUES (?1, ?2, ?3, ?4)",
        params![records, signed(since.get()), went.first, went.last],
    )?;
    Ok(())
}

impl Kept {
    /// After one record more.
    pub(super) const fn with(self, bytes: u64) -> Self {
        Self { turns: self.turns + 1, bytes: self.bytes + bytes }
    }
}
