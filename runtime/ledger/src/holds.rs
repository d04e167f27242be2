//! Holds: made durable, settled, and what was spent as their sum.

use rusqlite::{Connection, Row, Transaction, params};
use trimtab_core::budget::{HoldId, OpenHold, Spent};
use trimtab_core::limits::ORPHANS_MAX;
use trimtab_core::{Action, Bytes, ConversationId, Cost, Joules, Millis, TurnId, Usd};

use super::error::LedgerError;
use super::store::{Store, signed};
use super::{Past, Unfinished};

/// Length of the windows that end, in milliseconds of active time.
pub(super) const HOUR: u64 = 3_600_000;
pub(super) const DAY: u64 = 24 * HOUR;
/// Most turns without a record that one start hands out; the next start hands out more.
const UNFINISHED_MAX: u32 = 1024;

/// Holds of past days that one turn's end adds up, so that no transaction is larger than the write-ahead log has room for; the next
/// turn's adds up more.
const FOLDED_MAX: u32 = 1024;

const HOLD_COLUMNS: &str = "hold, conversation, opened, orphan, latency, energy, money, bytes";

impl Store {
    /// Makes a hold durable, or what it has become, and the turn it is for. `action` of none is the decision itself. When
    /// this returns, a crash leaves the hold counted and the turn known.
    pub fn persist_hold(
        &mut self,
        hold: &OpenHold,
        turn: TurnId,
        action: Option<Action>,
        prompt: &str,
    ) -> Result<(), LedgerError> {
        let action = action
            .map(|action| serde_json::to_string(&action))
            .transpose()
            .map_err(|source| self.content(format!("the action of hold {}", hold.id), source))?;
        self.write(hold.opened, |step| {
            step.prepare(
                "INSERT INTO turns (turn, conversation, opened, prompt) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (turn) DO NOTHING",
            )?
            .execute(params![
                turn.key().cast_signed(),
                hold.conversation.0.cast_signed(),
                signed(hold.opened.get()),
                prompt
            ])?;
            insert_hold(step, hold, turn, action.as_deref())?;
            if hold.orphan { limit_orphans(step) } else { Ok(()) }
        })
    }

    /// The holds that count against a window which has not ended at `now`, to be adopted by a new runtime; at most
    /// [`ORPHANS_MAX`].
    pub fn open_holds(&mut self, now: Millis) -> Result<Vec<OpenHold>, LedgerError> {
        let day = signed(now.get() / DAY * DAY);
        self.read(|db| {
            db.prepare(&format!(
                "SELECT {HOLD_COLUMNS} FROM holds WHERE counted IS NULL AND (orphan = 0 OR opened >= ?1) ORDER BY hold"
            ))?
            .query_map([day], open_hold)?
            .collect()
        })
    }

    /// What was spent in the hour and the day that are current at `now`. Open holds are not in it.
    pub fn spent(&mut self, now: Millis) -> Result<Spent, LedgerError> {
        let (hour, day) = (now.get() / HOUR, now.get() / DAY);
        self.read(|db| {
            let since = |instant: u64| sum(db, "counted >= ?1", signed(instant));
            Ok(Spent { hour, day, this_hour: since(hour * HOUR)?, this_day: since(day * DAY)? })
        })
    }

    /// How many turns a conversation had and what they cost, as of `now`.
    pub fn past(&mut self, conversation: ConversationId, now: Millis) -> Result<Past, LedgerError> {
        let id = conversation.0.cast_signed();
        let day = signed(now.get() / DAY * DAY);
        self.read(|db| {
            let mut past = db
                .prepare("SELECT turns, latency, energy, money, bytes FROM conversations WHERE conversation = ?1")?
                .query_map([id], |row| Ok(Past { turns: row.get(0)?, spent: cost(row, 1)? }))?
                .next()
                .transpose()?
                .unwrap_or_default();
            past.spent = past.spent.plus(sum(db, "counted IS NOT NULL AND conversation = ?1", id)?);
            // An orphan whose day has ended will never be paid back: it was spent.
            let mut expired = db.prepare(
                "SELECT latency, energy, money, bytes FROM holds
                 WHERE counted IS NULL AND orphan = 1 AND conversation = ?1 AND opened < ?2",
            )?;
            for amount in expired.query_map([id, day], |row| cost(row, 0))? {
                past.spent = past.spent.plus(amount?);
            }
            Ok(past)
        })
    }

    /// Turns that a dead runtime left without a record: close each, with its holds left open.
    pub fn unfinished(&mut self) -> Result<Vec<Unfinished>, LedgerError> {
        let this_boot = TurnId { boot: self.boot(), number: 0 };
        self.read(|db| {
            let mut turns: Vec<Unfinished> = db
                .prepare(
                    "SELECT turn, conversation, opened, prompt FROM turns
                     WHERE record IS NULL AND turn < ?1 ORDER BY turn LIMIT ?2",
                )?
                .query_map(params![this_boot.key().cast_signed(), UNFINISHED_MAX], |row| {
                    Ok(Unfinished {
                        turn: TurnId::from_key(row.get::<_, i64>(0)?.cast_unsigned()),
                        conversation: ConversationId(row.get::<_, i64>(1)?.cast_unsigned()),
                        opened: millis(row, 2)?,
                        prompt: row.get(3)?,
                        holds: Vec::new(),
                    })
                })?
                .collect::<Result<_, _>>()?;
            let mut holds = db.prepare(&format!(
                "SELECT {HOLD_COLUMNS} FROM holds WHERE counted IS NULL AND turn = ?1 ORDER BY hold"
            ))?;
            for turn in &mut turns {
                turn.holds = holds.query_map([turn.turn.key().cast_signed()], open_hold)?.collect::<Result<_, _>>()?;
            }
            Ok(turns)
        })
    }
}

/// Settles the oldest orphans at their full cost until [`ORPHANS_MAX`] are left, as the budgets do, so that a new runtime can
/// hold all of them and still has room for its own, however often it was killed before.
pub(super) fn limit_orphans(step: &Transaction<'_>) -> rusqlite::Result<()> {
    step.prepare(
        "UPDATE holds SET counted = opened, actual_latency = latency, actual_energy = energy,
             actual_money = money, actual_bytes = bytes
         WHERE counted IS NULL AND orphan = 1 AND hold NOT IN
             (SELECT hold FROM holds WHERE counted IS NULL AND orphan = 1 ORDER BY hold DESC LIMIT ?1)",
    )?
    .execute([ORPHANS_MAX as i64])?;
    Ok(())
}

pub(super) fn insert_hold(
    step: &Transaction<'_>,
    hold: &OpenHold,
    turn: TurnId,
    action: Option<&str>,
) -> rusqlite::Result<()> {
    step.prepare(
        "INSERT INTO holds (hold, turn, conversation, action, opened, latency, energy, money, bytes, orphan)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (hold) DO UPDATE SET opened = ?5, latency = ?6, energy = ?7, money = ?8, bytes = ?9, orphan = ?10
             WHERE counted IS NULL",
    )?
    .execute(params![
        hold.id.0.cast_signed(),
        turn.key().cast_signed(),
        hold.conversation.0.cast_signed(),
        action,
        signed(hold.opened.get()),
        signed(hold.cost.latency.get()),
        signed(hold.cost.energy.micro()),
        signed(hold.cost.money.nano()),
        signed(hold.cost.bytes.get()),
        hold.orphan
    ])?;
    step.prepare("UPDATE meta SET next_hold = ?1 WHERE next_hold < ?1")?.execute([hold
        .id
        .0
        .saturating_add(1)
        .cast_signed()])?;
    Ok(())
}

/// Writes the actual cost of an open hold; false if there is no such open hold. The cost of an orphan belongs to the
/// windows it was opened in, that of a live hold to those of `now`. An orphan whose day has ended stays as it is, spent in
/// full.
pub(super) fn settle(step: &Transaction<'_>, hold: HoldId, actual: &Cost, now: Millis) -> rusqlite::Result<bool> {
    let settled = step
        .prepare(
            "UPDATE holds SET counted = CASE orphan WHEN 1 THEN opened ELSE ?2 END,
                 actual_latency = ?3, actual_energy = ?4, actual_money = ?5, actual_bytes = ?6
             WHERE hold = ?1 AND counted IS NULL AND (orphan = 0 OR opened >= ?7)",
        )?
        .execute(params![
            hold.0.cast_signed(),
            signed(now.get()),
            signed(actual.latency.get()),
            signed(actual.energy.micro()),
            signed(actual.money.nano()),
            signed(actual.bytes.get()),
            signed(now.get() / DAY * DAY)
        ])?;
    Ok(settled > 0)
}

/// Drops holds that no window but their conversation's counts any more, once they are added to it.
pub(super) fn fold_past_days(step: &Transaction<'_>, now: Millis) -> rusqlite::Result<()> {
    let day = signed(now.get() / DAY * DAY);
    let past = "((counted IS NOT NULL AND counted < ?1) OR (counted IS NULL AND orphan = 1 AND opened < ?1))";
    let last: Option<i64> = step
        .prepare(&format!("SELECT max(hold) FROM (SELECT hold FROM holds WHERE {past} ORDER BY hold LIMIT ?2)"))?
        .query_row([day, i64::from(FOLDED_MAX)], |row| row.get(0))?;
    let Some(last) = last else { return Ok(()) };
    let mut of_holds = step.prepare(&format!(
        "SELECT conversation, coalesce(actual_latency, latency), coalesce(actual_energy, energy),
             coalesce(actual_money, money), coalesce(actual_bytes, bytes) FROM holds WHERE {past} AND hold <= ?2"
    ))?;
    let mut of_conversation =
        step.prepare("SELECT latency, energy, money, bytes FROM conversations WHERE conversation = ?1")?;
    let mut keep = step.prepare(
        "INSERT INTO conversations VALUES (?1, 0, ?2, ?3, ?4, ?5)
         ON CONFLICT (conversation) DO UPDATE SET latency = ?2, energy = ?3, money = ?4, bytes = ?5",
    )?;
    let mut rows = of_holds.query([day, last])?;
    while let Some(row) = rows.next()? {
        let conversation: i64 = row.get(0)?;
        let before =
            of_conversation.query_map([conversation], |row| cost(row, 0))?.next().transpose()?.unwrap_or_default();
        let sum = before.plus(cost(row, 1)?);
        keep.execute(params![
            conversation,
            signed(sum.latency.get()),
            signed(sum.energy.micro()),
            signed(sum.money.nano()),
            signed(sum.bytes.get())
        ])?;
    }
    step.execute(&format!("DELETE FROM holds WHERE {past} AND hold <= ?2"), [day, last])?;
    Ok(())
}

/// Sums in whole units, saturating, as the budgets do.
fn sum(db: &Connection, holds: &str, value: i64) -> rusqlite::Result<Cost> {
    db.prepare(&format!("SELECT actual_latency, actual_energy, actual_money, actual_bytes FROM holds WHERE {holds}"))?
        .query_map([value], |row| cost(row, 0))?
        .try_fold(Cost::ZERO, |sum, cost| Ok(sum.plus(cost?)))
}

fn open_hold(row: &Row<'_>) -> rusqlite::Result<OpenHold> {
    Ok(OpenHold {
        id: HoldId(row.get::<_, i64>(0)?.cast_unsigned()),
        conversation: ConversationId(row.get::<_, i64>(1)?.cast_unsigned()),
        opened: millis(row, 2)?,
        orphan: row.get(3)?,
        cost: cost(row, 4)?,
    })
}

/// Four columns from `first` on: latency, energy, money, bytes.
fn cost(row: &Row<'_>, first: usize) -> rusqlite::Result<Cost> {
    let amount = |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(first + column)?.cast_unsigned());
    Ok(Cost {
        latency: Millis::new(amount(0)?),
        energy: Joules::from_micro(amount(1)?),
        money: Usd::from_nano(amount(2)?),
        bytes: Bytes::new(amount(3)?),
    })
}

pub(super) fn millis(row: &Row<'_>, column: usize) -> rusqlite::Result<Millis> {
    Ok(Millis::new(row.get::<_, i64>(column)?.cast_unsigned()))
}
