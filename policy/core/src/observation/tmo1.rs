//! The published state (TMO, section 4): the last five turns, oldest first, five numbers each.

use crate::action::{Action, ViewSet};
use crate::task::TaskKind;

/// Turns that the state looks back on.
pub const TMO1_HISTORY: usize = 5;
/// Numbers in the state.
pub const TMO1_WIDTH: usize = 5 * TMO1_HISTORY;
/// Numbers in the state with the seconds and USD that remain.
pub const TMO1_RC_WIDTH: usize = TMO1_WIDTH + 2;
/// Actions: one local, one cloud node with each subset of three views.
pub const TMO1_ACTIONS: usize = 9;

/// What the state says of one turn: the action of the turn before it, and its own task.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TmoTurn {
    /// The action of the previous turn, if there was one.
    pub previous: Option<Action>,
    /// The task of this turn.
    pub task: TaskKind,
}

impl TmoTurn {
    /// `[-1 none / 0 local / 1 cloud, view 0, view 1, view 2, task]`; an unknown task is -1, like a missing turn.
    fn numbers(self) -> [f32; 5] {
        let (place, views) = match self.previous {
            None => (-1.0, ViewSet::EMPTY),
            Some(action) if action.node.is_local() => (0.0, ViewSet::EMPTY),
            Some(action) => (1.0, action.views),
        };
        let used = |view| if views.contains(view) { 1.0 } else { 0.0 };
        [place, used(0), used(1), used(2), self.task.index().map_or(-1.0, |index| index as f32)]
    }
}

/// The last turns of a conversation.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TmoHistory {
    turns: heapless::Deque<TmoTurn, TMO1_HISTORY>,
}

impl TmoHistory {
    /// Adds a turn, forgetting the oldest of more than five.
    pub fn push(&mut self, turn: TmoTurn) {
        if self.turns.is_full() {
            self.turns.pop_front();
        }
        // There is room: the oldest was just dropped.
        let _ = self.turns.push_back(turn);
    }
    /// The state: missing turns come first, as five times -1.
    #[must_use]
    pub fn observe(&self) -> [f32; TMO1_WIDTH] {
        let mut state = [-1.0; TMO1_WIDTH];
        let rows = state.as_chunks_mut::<5>().0;
        for (row, turn) in rows.iter_mut().rev().zip(self.turns.iter().rev()) {
            *row = turn.numbers();
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::NodeIndex;

    #[test]
    fn the_newest_turn_is_last_and_missing_ones_are_minus_one() {
        let mut history = TmoHistory::default();
        let cloud = Action { node: NodeIndex::new(1).unwrap_or(NodeIndex::LOCAL), views: ViewSet::from_bits(0b101) };
        history.push(TmoTurn { previous: None, task: TaskKind::Query });
        history.push(TmoTurn { previous: Some(cloud), task: TaskKind::Assistive });
        let state = history.observe();
        assert_eq!(state[..15], [-1.0; 15]);
        assert_eq!(state[15..], [-1.0, 0.0, 0.0, 0.0, 2.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
    }
}
