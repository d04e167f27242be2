//! What it is worth to choose which views go up.

use super::{Ablation, Point, TIGHT};
use crate::experiment::{ExperimentError, Split};
use crate::published::{ACTIONS, Costs, Episode, Evaluation, Greedy, Response, Restricted, VIEWS, best, evaluate};

/// With all views.
const ALL: usize = ACTIONS - 1;
/// With one view: this and the ones after it.
const ONE: usize = 2;

/// The actions that may be taken in one turn.
type Allowed = fn(&Episode, usize) -> [bool; ACTIONS];

const WAYS: [(&str, Allowed); 4] = [
    ("any views", |_, _| [true; ACTIONS]),
    ("all views", |_, _| local_or(ALL)),
    ("the best view", |episode, turn| local_or(best_view(episode, turn))),
    ("no views", |_, _| local_or(1)),
];

fn local_or(action: usize) -> [bool; ACTIONS] {
    std::array::from_fn(|other| other == 0 || other == action)
}

/// The action with the one view of the highest association.
fn best_view(episode: &Episode, turn: usize) -> usize {
    let gain = episode.gain(turn);
    best(&std::array::from_fn(
        |action| {
            if (ONE..ONE + VIEWS).contains(&action) { gain[action] } else { f64::NEG_INFINITY }
        },
    ))
}

/// The greedy, where a cloud answer may have any views, or always has the same.
pub(super) fn choice(splits: &[Split]) -> Result<Ablation, ExperimentError> {
    let costs = Costs::default();
    let play = |split: &Split, allowed: Allowed| -> Result<Evaluation, ExperimentError> {
        let turns = |episode: &Episode| (0..episode.turns()).map(|turn| allowed(episode, turn)).collect();
        let mut greedy = Greedy::fit(&split.train, &costs);
        let mut chooser = Restricted { chooser: &mut greedy, allowed: split.test.iter().map(turns).collect() };
        Ok(evaluate(&split.test, &Response::fit(&split.train), &costs, TIGHT, false, &mut chooser)?)
    };
    let mut plays = Vec::new();
    for (_, allowed) in WAYS {
        plays.push(splits.iter().map(|split| play(split, allowed)).collect::<Result<Vec<_>, _>>()?);
    }
    let point = |(at, (name, _)): (usize, (&'static str, Allowed))| {
        let point = Point::played(at as f64, splits, &plays[at]).named(name);
        if at > 0 { point.against(&plays[0], &plays[at]) } else { point }
    };
    Ok(Ablation {
        of: "views",
        meaning: "what goes up with a cloud answer",
        measures: "reward of the greedy without a shield, and share over 15 s or 0.025 USD",
        points: WAYS.into_iter().enumerate().map(point).collect(),
    })
}
