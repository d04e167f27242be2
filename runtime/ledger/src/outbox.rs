//! Requests that may still be answered, and what operators have set.

use rusqlite::{OptionalExtension, Row, params};
use trimtab_core::budget::HoldId;
use trimtab_core::{ConversationId, Millis, TurnId};
use trimtab_wire::RequestId;

use super::error::LedgerError;
use super::holds::millis;
use super::store::{Store, signed};
use super::{Outgoing, Setting};

/// Requests without an answer that are kept at once; each is forgotten a day after its deadline.
pub const OUTBOX_MAX: usize = 256;
/// Longest value of a setting, in bytes of JSON.
pub const SETTING_BYTES_MAX: usize = 16 * 1024;

const COLUMNS: &str = "request, turn, hold, conversation, node, deadline, late";

impl Store {
    /// Notes a request before it leaves. The same request again replaces its entry.
    pub fn outbox_put(&mut self, now: Millis, entry: &Outgoing) -> Result<(), LedgerError> {
        let waiting: i64 = self.read(|db| {
            db.prepare("SELECT count(*) FROM outbox WHERE request <> ?1")?
                .query_row([entry.request.0], |row| row.get(0))
        })?;
        if waiting.cast_unsigned() >= OUTBOX_MAX as u64 {
            return Err(LedgerError::OutboxFull { limit: OUTBOX_MAX });
        }
        self.write(now, |step| {
            step.prepare("INSERT OR REPLACE INTO outbox VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
                entry.request.0,
                entry.turn.key().cast_signed(),
                entry.hold.0.cast_signed(),
                entry.conversation.0.cast_signed(),
                entry.node,
                signed(entry.deadline.get()),
                entry.late
            ])?;
            Ok(())
        })
    }

    /// Notes that nobody waits for this answer any more; false if the request is not there.
    pub fn outbox_late(&mut self, now: Millis, request: RequestId) -> Result<bool, LedgerError> {
        self.write(now, |step| {
            let changed = step.prepare("UPDATE outbox SET late = 1 WHERE request = ?1")?.execute([request.0])?;
            Ok(changed > 0)
        })
    }

    /// Takes a request out because its answer came; none if it is not there, so a duplicate is seen as one.
    pub fn outbox_take(&mut self, now: Millis, request: RequestId) -> Result<Option<Outgoing>, LedgerError> {
        self.write(now, |step| {
            step.prepare(&format!("DELETE FROM outbox WHERE request = ?1 RETURNING {COLUMNS}"))?
                .query_map([request.0], outgoing)?
                .next()
                .transpose()
        })
    }

    /// All requests without an answer, by deadline.
    pub fn outbox(&mut self) -> Result<Vec<Outgoing>, LedgerError> {
        self.read(|db| {
            db.prepare(&format!("SELECT {COLUMNS} FROM outbox ORDER BY deadline, request"))?
                .query_map([], outgoing)?
                .collect()
        })
    }

    /// What was set under a name.
    pub fn setting(&mut self, name: &str) -> Result<Option<Setting>, LedgerError> {
        let row: Option<(i64, String)> = self.read(|db| {
            db.prepare("SELECT counter, value FROM settings WHERE name = ?1")?
                .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })?;
        row.map(|(counter, text)| {
            let value =
                serde_json::from_str(&text).map_err(|source| self.content(format!("the setting {name}"), source))?;
            Ok(Setting { counter: counter.cast_unsigned(), value })
        })
        .transpose()
    }

    /// Sets a name, if `setting.counter` is higher than before; false if it is not, and nothing changes.
    pub fn set(&mut self, now: Millis, name: &str, setting: &Setting) -> Result<bool, LedgerError> {
        let text = setting.value.to_string();
        if text.len() > SETTING_BYTES_MAX {
            return Err(LedgerError::Setting { name: name.to_owned(), bytes: text.len(), limit: SETTING_BYTES_MAX });
        }
        self.write(now, |step| {
            let changed = step
                .prepare(
                    "INSERT INTO settings VALUES (?1, ?2, ?3)
                     ON CONFLICT (name) DO UPDATE SET counter = ?2, value = ?3 WHERE counter < ?2",
                )?
                .execute(params![name, signed(setting.counter), text])?;
            Ok(changed > 0)
        })
    }
}

fn outgoing(row: &Row<'_>) -> rusqlite::Result<Outgoing> {
    Ok(Outgoing {
        request: RequestId(row.get(0)?),
        turn: TurnId::from_key(row.get::<_, i64>(1)?.cast_unsigned()),
        hold: HoldId(row.get::<_, i64>(2)?.cast_unsigned()),
        conversation: ConversationId(row.get::<_, i64>(3)?.cast_unsigned()),
        node: row.get(4)?,
        deadline: millis(row, 5)?,
        late: row.get(6)?,
    })
}
