//! Records of turns: written once, then only added to.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use trimtab_core::budget::{HoldId, OpenHold};
use trimtab_core::{Millis, TurnId};
use trimtab_turn::{Feedback, Late, TurnRecord};

use super::Retention;
use super::error::LedgerError;
use super::holds::{DAY, fold_past_days, insert_hold, limit_orphans, settle};
use super::store::{Kept, Store, signed};

/// Scores that one turn may be given.
pub const FEEDBACK_MAX: usize = 16;
/// Longest name of a score's source, in bytes.
pub const SOURCE_BYTES_MAX: usize = 64;
/// Most records handed out at once.
pub const RECENT_MAX: u32 = 1000;

impl Store {
    /// [`close_with`](Self::close_with), with nothing to replay.
    pub fn close(&mut self, record: &TurnRecord) -> Result<(), LedgerError> {
        self.close_with(record, &[])
    }

    /// Ends a turn: its record, its settlements, the holds it leaves open, and what turns were fed since the one before, all at
    /// once. A settled hold that was never made durable still counts if anything was spent under it. Old records make room, as
    /// far as [`super::Retention`] says.
    pub fn close_with(&mut self, record: &TurnRecord, events: &[u8]) -> Result<(), LedgerError> {
        let text = self.text(record)?;
        let key = record.turn.key().cast_signed();
        let earlier: Option<Option<String>> = self.read(|db| {
            db.prepare("SELECT record FROM turns WHERE turn = ?1")?.query_row([key], |row| row.get(0)).optional()
        })?;
        if matches!(earlier, Some(Some(_))) {
            return Err(LedgerError::ClosedTurn { turn: record.turn });
        }
        let retention = self.retention;
        self.kept = self.write_with(record.ended, |step, kept| {
            step.prepare(
                "INSERT INTO turns (turn, conversation, opened, prompt, record) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (turn) DO UPDATE SET record = ?5",
            )?
            .execute(params![
                key,
                record.conversation.0.cast_signed(),
                signed(record.started.get()),
                record.prompt,
                text
            ])?;
            step.prepare(
                "INSERT INTO conversations VALUES (?1, 1, 0, 0, 0, 0)
                 ON CONFLICT (conversation) DO UPDATE SET turns = turns + 1",
            )?
            .execute([record.conversation.0.cast_signed()])?;
            for (hold, settlement) in &record.settlements {
                if !is_known(step, *hold)? {
                    let unknown = OpenHold {
                        id: *hold,
                        conversation: record.conversation,
                        cost: settlement.debited,
                        opened: record.started,
                        orphan: false,
                    };
                    insert_hold(step, &unknown, record.turn, None)?;
                }
                settle(step, *hold, &settlement.debited, record.ended)?;
            }
            for hold in &record.left_open {
                step.prepare("UPDATE holds SET orphan = 1 WHERE hold = ?1 AND counted IS NULL")?
                    .execute([hold.0.cast_signed()])?;
            }
            limit_orphans(step)?;
            if !events.is_empty() {
                step.prepare("INSERT INTO journal (turn, events) VALUES (?1, ?2)")?.execute(params![key, events])?;
            }
            fold_past_days(step, record.ended)?;
            step.prepare("DELETE FROM outbox WHERE deadline < ?1")?
                .execute([signed(record.ended.minus(Millis::new(DAY)).get())])?;
            let bytes = text.len() + record.prompt.len() + events.len();
            make_room(step, kept.with(bytes as u64), retention, record.ended)
        })?;
        self.stock();
        Ok(())
    }

    /// The record of a turn, with its scores and its late answer; none if it has not ended or is forgotten.
    pub fn record(&mut self, turn: TurnId) -> Result<Option<TurnRecord>, LedgerError> {
        let text = self.read(|db| stored(db, turn))?;
        text.map(|text| self.parse(turn, &text)).transpose()
    }

    /// The same, where a record that is not there is a fault that says why.
    pub fn wanted(&mut self, turn: TurnId) -> Result<TurnRecord, LedgerError> {
        match self.record(turn)? {
            Some(record) => Ok(record),
            None => Err(match self.dropped(turn)? {
                Some(episode) => LedgerError::Dropped { turn, others: episode.records.saturating_sub(1) },
                None => LedgerError::NoTurn { turn },
            }),
        }
    }

    /// The newest records, newest first; at most [`RECENT_MAX`].
    pub fn recent(&mut self, count: u32) -> Result<Vec<TurnRecord>, LedgerError> {
        self.listed(
            "SELECT turn, record FROM turns WHERE record IS NOT NULL AND turn < ?1 ORDER BY turn DESC LIMIT ?2",
            i64::MAX,
            count,
        )
    }

    /// Records of turns after `turn`, oldest first; at most [`RECENT_MAX`]. All of them, by asking again after the last.
    pub fn after(&mut self, turn: TurnId, count: u32) -> Result<Vec<TurnRecord>, LedgerError> {
        self.listed(
            "SELECT turn, record FROM turns WHERE record IS NOT NULL AND turn > ?1 ORDER BY turn LIMIT ?2",
            turn.key().cast_signed(),
            count,
        )
    }

    /// Adds a score to a turn's record. A later score does not replace an earlier one.
    pub fn add_feedback(&mut self, turn: TurnId, feedback: Feedback) -> Result<(), LedgerError> {
        let source_fits = (1..=SOURCE_BYTES_MAX).contains(&feedback.source.len());
        if !(0.0..=1.0).contains(&feedback.score) || !source_fits {
            return Err(LedgerError::Score { limit: SOURCE_BYTES_MAX });
        }
        let mut record = self.wanted(turn)?;
        if record.feedback.len() >= FEEDBACK_MAX {
            return Err(LedgerError::Scores { turn, limit: FEEDBACK_MAX });
        }
        record.feedback.push(feedback);
        let text = self.text(&record)?;
        self.write(Millis::ZERO, |step| replace(step, turn, &text))?;
        Ok(())
    }

    /// Notes an answer that came after its turn had ended, and settles its hold with what it cost, where `late.settled` says
    /// that the budgets did. The first late answer of a turn is the one that is kept. Where the record is forgotten, the hold is
    /// settled all the same.
    pub fn record_late(&mut self, turn: TurnId, hold: HoldId, late: &Late) -> Result<(), LedgerError> {
        let record = self.record(turn)?;
        let forgotten = record.is_none();
        let noted = record.filter(|record| record.late.is_none());
        let text = noted.map(|record| self.text(&TurnRecord { late: Some(late.clone()), ..record })).transpose()?;
        self.write(late.at, |step| {
            if late.settled {
                settle(step, hold, &late.cost, late.at)?;
            }
            text.as_deref().map_or(Ok(()), |text| replace(step, turn, text))
        })?;
        if forgotten { Err(LedgerError::NoTurn { turn }) } else { Ok(()) }
    }

    fn listed(&mut self, query: &str, turn: i64, count: u32) -> Result<Vec<TurnRecord>, LedgerError> {
        let texts: Vec<(i64, String)> = self.read(|db| {
            db.prepare(query)?
                .query_map(params![turn, count.min(RECENT_MAX)], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        texts.iter().map(|(key, text)| self.parse(TurnId::from_key(key.cast_unsigned()), text)).collect()
    }

    fn parse(&self, turn: TurnId, text: &str) -> Result<TurnRecord, LedgerError> {
        serde_json::from_str(text).map_err(|source| self.content(format!("the record of turn {turn}"), source))
    }

    fn text(&self, record: &TurnRecord) -> Result<String, LedgerError> {
        serde_json::to_string(record)
            .map_err(|source| self.content(format!("the record of turn {}", record.turn), source))
    }
}

fn stored(db: &Connection, turn: TurnId) -> rusqlite::Result<Option<String>> {
    db.prepare("SELECT record FROM turns WHERE turn = ?1 AND record IS NOT NULL")?
        .query_row([turn.key().cast_signed()], |row| row.get(0))
        .optional()
}

fn replace(step: &Transaction<'_>, turn: TurnId, text: &str) -> rusqlite::Result<()> {
    step.prepare("UPDATE turns SET record = ?2 WHERE turn = ?1")?.execute(params![turn.key().cast_signed(), text])?;
    Ok(())
}

fn is_known(step: &Transaction<'_>, hold: HoldId) -> rusqlite::Result<bool> {
    step.prepare("SELECT EXISTS (SELECT 1 FROM holds WHERE hold = ?1)")?
        .query_row([hold.0.cast_signed()], |row| row.get(0))
}

/// Drops the oldest records until all limits are kept; the newest one stays whatever its size.
fn make_room(step: &Transaction<'_>, mut kept: Kept, retention: Retention, now: Millis) -> rusqlite::Result<Kept> {
    let mut oldest = step.prepare(
        "SELECT turn, opened, length(CAST(prompt AS BLOB)) + length(CAST(record AS BLOB))
             + coalesce((SELECT length(events) FROM journal WHERE journal.turn = turns.turn), 0)
         FROM turns WHERE record IS NOT NULL ORDER BY turn LIMIT 1",
    )?;
    let mut drop_it = step.prepare("DELETE FROM turns WHERE turn = ?1")?;
    let mut drop_events = step.prepare("DELETE FROM journal WHERE turn = ?1")?;
    let too_old = signed(now.minus(Millis::new(DAY).times(u64::from(retention.days))).get());
    while kept.turns > 1 {
        let (turn, opened, bytes): (i64, i64, i64) =
            oldest.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let fits = kept.turns <= u64::from(retention.turns.max(1)) && kept.bytes <= retention.bytes.get();
        if fits && opened >= too_old {
            break;
        }
        drop_it.execute([turn])?;
        drop_events.execute([turn])?;
        kept.turns -= 1;
        kept.bytes = kept.bytes.saturating_sub(bytes.cast_unsigned());
    }
    Ok(kept)
}
