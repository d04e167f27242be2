//! The best sequence of actions in hindsight, by going through all of them.

use super::evaluation::{Budget, value};
use super::rules::Scripted;
use super::{ACTIONS, Costs, Episode, ResponseModel, State};

/// Longest episode that is searched: each further turn takes nine times as long.
pub const ORACLE_TURNS_MAX: usize = 6;

/// The actions of the highest reward within a budget, episode by episode; without one, in general. Where nothing fits, all
/// turns are local. None if an episode is longer than [`ORACLE_TURNS_MAX`].
#[must_use]
pub fn oracle(
    episodes: &[Episode],
    model: &dyn ResponseModel,
    costs: &Costs,
    budget: Option<Budget>,
) -> Option<Scripted> {
    let search = |(number, episode): (usize, &Episode)| {
        let turns = episode.turns();
        if turns > ORACLE_TURNS_MAX {
            return None;
        }
        let gains: Vec<[f64; ACTIONS]> = (0..turns).map(|turn| episode.normalised_gain(turn)).collect();
        let mut search =
            Search { number, episode, gains, model, costs, budget, best: (f64::NEG_INFINITY, vec![0; turns]) };
        search.from(State::first(episode.tasks[0]), &mut Vec::new(), 0.0, Budget::NOTHING);
        Some(search.best.1)
    };
    episodes.iter().enumerate().map(search).collect::<Option<Vec<_>>>().map(Scripted)
}

struct Search<'a> {
    number: usize,
    episode: &'a Episode,
    gains: Vec<[f64; ACTIONS]>,
    model: &'a dyn ResponseModel,
    costs: &'a Costs,
    budget: Option<Budget>,
    best: (f64, Vec<usize>),
}

impl Search<'_> {
    fn from(&mut self, state: State, path: &mut Vec<usize>, reward: f64, spent: Budget) {
        let turn = path.len();
        let responses = self.model.responses(self.number, turn, state);
        for action in 0..ACTIONS {
            let spent = spent.plus(self.costs, action);
            if self.budget.is_some_and(|most| spent.seconds > most.seconds || spent.usd > most.usd) {
                continue;
            }
            let reward = reward + value(&responses, &self.gains[turn], self.costs, action);
            path.push(action);
            if path.len() == self.episode.turns() {
                if reward > self.best.0 {
                    self.best = (reward, path.clone());
                }
            } else {
                self.from(state.then(action, self.episode.tasks[turn + 1]), path, reward, spent);
            }
            path.pop();
        }
    }
}
