//! What a runtime finds of the one before it.

use trimtab_core::budget::TooManyBudgets;
use trimtab_core::{Budget, Budgets, Millis, TurnId};
use trimtab_turn::{Finish, TurnRecord};

use serde_json::json;

use super::error::LedgerError;
use super::store::Store;
use super::{Setting, Unfinished};

/// The setting that keeps what quotes have learnt; its counter is the time at which they had.
const LEARNT: &str = "learnt";

/// Why budgets could not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Too many budgets.
    #[error("[[budget]] {0}")]
    Budgets(TooManyBudgets),
}

/// A turn that its runtime did not live to close.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    /// Which.
    pub turn: TurnId,
    /// Holds that it left open.
    pub holds: usize,
}

impl Store {
    /// Budgets as they stand at `now`: what was spent in the current windows, and the holds that a dead runtime left open,
    /// which count until they are settled or their day ends.
    pub fn budgets(&mut self, now: Millis, limits: &[Budget]) -> Result<Budgets, RestoreError> {
        let mut budgets = Budgets::new(self.spent(now)?, self.next_hold()?);
        for hold in self.open_holds(now)? {
            let id = hold.id;
            if budgets.adopt(hold).is_err() {
                // The ledger hands out fewer than fit.
                tracing::error!(hold = %id, "no room for an open hold");
            }
        }
        budgets.set_limits(limits).map_err(RestoreError::Budgets)?;
        budgets.advance(now);
        Ok(budgets)
    }

    /// Keeps what was learnt of latency and energy.
    pub fn keep_learnt(&mut self, now: Millis, learnt: &[u8]) -> Result<(), LedgerError> {
        let setting = Setting { counter: now.get(), value: json!(learnt) };
        self.set(now, LEARNT, &setting).map(drop)
    }

    /// What an earlier runtime had learnt; nothing where none did.
    pub fn learnt(&mut self) -> Result<Vec<u8>, LedgerError> {
        let kept = self.setting(LEARNT)?.map(|setting| serde_json::from_value(setting.value));
        kept.transpose()
            .map(Option::unwrap_or_default)
            .map_err(|source| self.content("what was learnt".to_owned(), source))
    }

    /// Every turn ends in a record, also one that its runtime did not live to see: closes those as lost, their holds left
    /// open.
    pub fn close_lost(&mut self, now: Millis) -> Result<Vec<Lost>, LedgerError> {
        let mut closed = Vec::new();
        for unfinished in self.unfinished()? {
            closed.push(Lost { turn: unfinished.turn, holds: unfinished.holds.len() });
            self.close(&lost_record(unfinished, now))?;
        }
        Ok(closed)
    }
}

fn lost_record(lost: Unfinished, now: Millis) -> TurnRecord {
    TurnRecord {
        ended: now,
        reason: "lost".to_owned(),
        trouble: Some("the runtime died in this turn; what it held counts as spent until it is settled".to_owned()),
        left_open: lost.holds.iter().map(|hold| hold.id).collect(),
        finish: Finish::Lost,
        ..TurnRecord::begun(lost.turn, lost.conversation, lost.prompt, lost.opened)
    }
}
