//! What policies choose in logged turns: those of the published layouts from the published state, those of layout `trimtab-1`
//! from one row for each candidate. What came before a turn is what was logged, whatever the policy would have done.

use trimtab_core::{Action, Preference};
use trimtab_engine::PolicyError;

use super::candidates::NODES;
use crate::choose::Chooser;
use crate::dataset::{LoggedTurn, Turn};
use crate::published::{self, ACTIONS, Budget, Costs, ResponseModel, Scene, State, VIEWS, best};

/// The choices of a policy of a published layout. What is left of `budget` is what the logged actions before would have left.
/// Who looks at the estimate is given that of `responses`; a policy file does not.
pub fn on_states(
    log: &[LoggedTurn],
    chooser: &mut dyn published::Chooser,
    responses: Option<&dyn ResponseModel>,
    costs: &Costs,
    budget: Budget,
) -> Result<Vec<Action>, PolicyError> {
    let actions: Vec<Action> = Action::all(NODES, VIEWS).collect();
    let mut all = Vec::with_capacity(log.len());
    for (episode, turns) in log.chunk_by(|a, b| a.dialogue == b.dialogue).enumerate() {
        let mut spent = Budget::NOTHING;
        for turn in turns {
            let state = State::read(&turn.context.history.observe());
            let remaining = budget.less(spent);
            let number = turn.context.number;
            let known = responses.map_or([0.0; ACTIONS], |model| model.responses(episode, number, state));
            let scene = Scene { episode, turn: number, state, remaining, responses: &known };
            all.push(actions[best(&chooser.scores(&scene)?)]);
            spent = spent.plus(costs, turn.action.number(NODES, VIEWS).unwrap_or(0));
        }
    }
    Ok(all)
}

/// The choices of a way to choose off the candidates of turns.
pub fn on_candidates(turns: &[&Turn], chooser: &Chooser, preference: &Preference) -> Result<Vec<Action>, PolicyError> {
    turns.iter().map(|turn| Ok(turn.tried[chooser.choose(turn, preference)?].action)).collect()
}
