//! What the log says: how well its scores are foretold, and how much of what is done later it has seen.

use std::collections::HashSet;

use super::environment::NEIGHBOURHOODS;
use super::{Ablation, Point};
use crate::experiment::Split;
use crate::published::{Costs, Episode, HISTORY, Response, oracle};

/// Every so-many-th training dialogue is held out to judge the estimate: 10 %.
const HELD_OUT_ONE_IN: usize = 10;

/// How well the estimate predicts logged scores of dialogues it was not fitted to.
pub(super) fn held_out(splits: &[Split]) -> Ablation {
    let one = |k: usize| {
        let errors: Vec<f64> = splits
            .iter()
            .map(|split| {
                let parts = |held: bool| {
                    let keep = move |(index, _): &(usize, &Episode)| (index % HELD_OUT_ONE_IN == 0) == held;
                    split.train.iter().enumerate().filter(keep).map(|(_, episode)| episode.clone()).collect::<Vec<_>>()
                };
                let response = Response::with_neighbours(&parts(false), k);
                let misses: Vec<f64> = parts(true)
                    .iter()
                    .flat_map(|episode| {
                        let states = episode.logged_states();
                        (0..episode.turns())
                            .map(|turn| {
                                let expected = response.of(states[turn])[usize::from(episode.logged[turn])];
                                (expected - episode.scores[turn]).powi(2)
                            })
                            .collect::<Vec<_>>()
                    })
                    .collect();
                misses.iter().sum::<f64>() / misses.len().max(1) as f64
            })
            .collect();
        Point::figure(k as f64, &errors)
    };
    Ablation {
        of: "estimate",
        meaning: "neighbours of the estimate (k), 10 % of the training dialogues held out",
        measures: "mean squared error of the estimated score",
        points: NEIGHBOURHOODS.into_iter().map(one).collect(),
    }
}

/// How much of what the oracle does was ever logged: share of its (state, action) pairs in the training log, by look-back.
pub(super) fn coverage(splits: &[Split]) -> Ablation {
    let costs = Costs::default();
    let one = |span: usize| {
        let shares: Vec<f64> = splits
            .iter()
            .map(|split| {
                let seen: HashSet<_> = split
                    .train
                    .iter()
                    .flat_map(|episode| {
                        let states = episode.logged_states();
                        (0..episode.turns())
                            .map(|turn| (states[turn].last(span), episode.logged[turn]))
                            .collect::<Vec<_>>()
                    })
                    .collect();
                let response = Response::fit(&split.train);
                let Some(best) = oracle(&split.test, &response, &costs, None) else { return 0.0 };
                let visited = split.test.iter().zip(&best.0).flat_map(|(episode, actions)| {
                    let actions: Vec<u8> = actions.iter().map(|action| *action as u8).collect();
                    let states = episode.states(&actions);
                    states.into_iter().map(|state| state.last(span)).zip(actions).collect::<Vec<_>>()
                });
                let (mut known, mut all) = (0_u32, 0_u32);
                for pair in visited {
                    all += 1;
                    known += u32::from(seen.contains(&pair));
                }
                f64::from(known) / f64::from(all.max(1))
            })
            .collect();
        Point::figure(span as f64, &shares)
    };
    Ablation {
        of: "coverage",
        meaning: "turns of the state that must agree",
        measures: "share of the oracle's state and action pairs that the training log holds",
        points: (1..=HISTORY).map(one).collect(),
    }
}
