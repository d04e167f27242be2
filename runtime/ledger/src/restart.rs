//! What a runtime finds of the one before it.

use trimtab_core::budget::TooManyBudgets;
use trimtab_core::{Budget, Budgets, Cost, Joules, Millis, Placement, TaskKind, TurnId, ViewSet};
use trimtab_turn::{EnergySource, Finish, TurnRecord};

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
        turn: lost.turn,
        conversation: lost.conversation,
        conversation_name: String::new(),
        prompt: lost.prompt,
        started: lost.opened,
        ended: now,
        task: TaskKind::Unknown,
        task_mix: [0.0; 4],
        views: Vec::new(),
        candidates: Vec::new(),
        chosen: None,
        placement: Placement::Refused,
        node: String::new(),
        views_used: ViewSet::EMPTY,
        view_dropped: ViewSet::EMPTY,
        reason: "lost".to_owned(),
        trouble: Some("the runtime died in this turn; what it held counts as spent until it is settled".to_owned()),
        cost: Cost::ZERO,
        energy_source: EnergySource::Unknown,
        decision_energy: Joules::ZERO,
        phases: Vec::new(),
        settlements: Vec::new(),
        left_open: lost.holds.iter().map(|hold| hold.id).collect(),
        answer: String::new(),
        action: None,
        finish: Finish::Lost,
        completion_tokens: None,
        fallback: None,
        late: None,
        feedback: Vec::new(),
    }
}
