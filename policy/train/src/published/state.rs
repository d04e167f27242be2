//! The published state in its compact form.

use trimtab_core::ViewSet;
use trimtab_core::observation::{TMO1_HISTORY, TMO1_WIDTH};

use super::episode::views_of;
use super::{ACTIONS, VIEWS};
use crate::dataset::cloud;

/// Records that the state looks back on.
pub const HISTORY: usize = TMO1_HISTORY;
/// Different records: each previous action or none, with each task; and no record at all.
pub const RECORDS: usize = (ACTIONS + 1) * TASKS + 1;
/// Task kinds.
pub const TASKS: usize = 4;
const MISSING: u8 = (RECORDS - 1) as u8;
/// Numbers of a record.
pub(super) const FIELDS: usize = TMO1_WIDTH / HISTORY;

/// The last five records, oldest first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct State([u8; HISTORY]);

impl State {
    /// Before any turn.
    pub const EMPTY: Self = Self([MISSING; HISTORY]);

    /// The state of the first turn.
    #[must_use]
    pub fn first(task: u8) -> Self {
        Self::EMPTY.after(None, task)
    }

    /// The state of the next turn, whose task is `task`, after `previous`.
    #[must_use]
    pub fn then(self, previous: usize, task: u8) -> Self {
        self.after(Some(previous), task)
    }

    fn after(self, previous: Option<usize>, task: u8) -> Self {
        let mut records = self.0;
        records.rotate_left(1);
        records[HISTORY - 1] = (previous.unwrap_or(ACTIONS) * TASKS) as u8 + task;
        Self(records)
    }

    /// The records, by number.
    #[must_use]
    pub const fn records(self) -> [u8; HISTORY] {
        self.0
    }

    /// The action of each turn before this one that the state remembers, oldest first.
    pub fn actions(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().map(|record| usize::from(record) / TASKS).filter(|action| *action < ACTIONS)
    }

    /// The task of each turn that the state remembers, oldest first; this one's last.
    #[must_use]
    pub fn tasks(self) -> Vec<u8> {
        self.0.into_iter().filter(|record| *record != MISSING).map(|record| record % TASKS as u8).collect()
    }

    /// The task of this turn.
    #[must_use]
    pub const fn task(self) -> u8 {
        self.0[HISTORY - 1] % TASKS as u8
    }

    /// The same with only the last `turns` records.
    #[must_use]
    pub fn last(self, turns: usize) -> Self {
        let mut records = self.0;
        records[..HISTORY.saturating_sub(turns)].fill(MISSING);
        Self(records)
    }

    /// The same state with another task in this turn.
    #[must_use]
    pub const fn with_task(mut self, task: u8) -> Self {
        self.0[HISTORY - 1] = self.0[HISTORY - 1] - self.task() + task;
        self
    }

    /// The state whose 25 numbers of layout `tmo-1` these are; a turn of an unknown task is taken for a missing one.
    #[must_use]
    pub fn read(numbers: &[f32; TMO1_WIDTH]) -> Self {
        let mut records = [MISSING; HISTORY];
        for (record, numbers) in records.iter_mut().zip(numbers.as_chunks::<FIELDS>().0) {
            let [place, used @ .., task] = *numbers;
            if task < 0.0 {
                continue;
            }
            let views = (0..VIEWS).filter(|view| used[*view] > 0.0).fold(ViewSet::EMPTY, ViewSet::with);
            let previous = match place {
                none if none < 0.0 => None,
                0.0 => Some(0),
                _ => cloud(views).number(2, VIEWS),
            };
            *record = (previous.unwrap_or(ACTIONS) * TASKS) as u8 + task as u8;
        }
        Self(records)
    }

    /// The 25 numbers of layout `tmo-1`.
    #[must_use]
    pub fn observe(self) -> [f32; TMO1_WIDTH] {
        let mut numbers = [0.0; TMO1_WIDTH];
        for (slot, record) in numbers.as_chunks_mut::<FIELDS>().0.iter_mut().zip(self.0) {
            *slot = fields(record).map(f32::from);
        }
        numbers
    }
}

/// The numbers of a record: place (-1 none, 0 local, 1 cloud), use of each view, task; -1 throughout where there is none.
pub(super) fn fields(record: u8) -> [i8; FIELDS] {
    if record == MISSING {
        return [-1; FIELDS];
    }
    let (action, task) = (usize::from(record) / TASKS, record % TASKS as u8);
    let place = match action {
        ACTIONS => -1,
        0 => 0,
        _ => 1,
    };
    let views = if action == ACTIONS { views_of(0) } else { views_of(action) };
    let used = |view| i8::from(views.contains(view));
    [place, used(0), used(1), used(2), task as i8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::observation::{TmoHistory, TmoTurn};
    use trimtab_core::{Action, TaskKind};

    /// The compact state and the device's own history say the same.
    #[test]
    fn agrees_with_the_devices_history() {
        let actions: Vec<Action> = Action::all(2, 3).collect();
        let mut history = TmoHistory::default();
        let mut state = State::EMPTY;
        let mut previous = None;
        for turn in 0..12_usize {
            let task = (turn * 7 % 4) as u8;
            history.push(TmoTurn {
                previous: previous.map(|p: usize| actions[p]),
                task: TaskKind::KNOWN[usize::from(task)],
            });
            state = state.after(previous, task);
            assert_eq!(state.observe(), history.observe());
            assert_eq!(State::read(&history.observe()), state);
            previous = Some(turn * 5 % 9);
        }
    }
}
