//! One parameter of the environment varied at a time.

use serde::Serialize;

use trimtab_core::observation::Layout;

use super::row::Spread;
use super::{ExperimentError, Progress, Split, jobs};
use crate::learner::published::{Budgets, NextState, Regime, Training};
use crate::learner::{A2c, Constraint, Method, Recipe};
use crate::published::{Budget, Costs, Greedy, HISTORY, PublishedPolicy, Response, evaluate, oracle};

/// A parameter and what follows from its values.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Ablation {
    /// The parameter.
    pub of: &'static str,
    /// Its unit or meaning.
    pub meaning: &'static str,
    /// What was measured.
    pub measures: &'static str,
    /// One for each value.
    pub points: Vec<Point>,
}

/// One value of the parameter.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Point {
    /// The value.
    pub at: f64,
    /// Over splits.
    pub result: Spread,
    /// Share of conversations over a budget, where there is one.
    pub over: f64,
}

/// History lengths and neighbours that the paper varies.
const HISTORIES: [usize; 4] = [1, 3, 5, 7];
const NEIGHBOURS: [usize; 4] = [1, 3, 5, 10];
/// Every so-many-th training dialogue is held out to judge the estimate: 10 %.
const HELD_OUT_ONE_IN: usize = 10;
/// Weights of the penalty.
const PENALTIES: [f32; 5] = [0.0, 0.3, 1.0, 3.0, 10.0];
/// The budget that is penalised.
const PENALISED: Budget = Budget { seconds: 10.0, usd: 0.01 };
/// The budget under which violations are counted.
const TIGHT: Budget = Budget { seconds: 15.0, usd: 0.025 };

/// All of them.
pub(super) fn all(splits: &[Split], watch: &(dyn Fn(Progress) + Sync)) -> Result<Vec<Ablation>, ExperimentError> {
    let mut found = vec![history(splits, watch)?, neighbours(splits, watch)?];
    found.push(penalty(splits, watch)?);
    found.push(held_out(splits));
    found.push(coverage(splits));
    Ok(found)
}

/// Runs the published greedy in an environment of its own for each value, on every split.
fn greedy(
    splits: &[Split],
    values: &[usize],
    watch: &(dyn Fn(Progress) + Sync),
    fit: impl Fn(&Split, usize) -> Response + Sync,
) -> Result<Vec<Point>, ExperimentError> {
    let costs = Costs::default();
    let one = |value: &usize| -> Result<Point, ExperimentError> {
        let mut rewards = Vec::new();
        let mut over = 0.0;
        for split in splits {
            let response = fit(split, *value);
            let mut greedy = Greedy::fit(&split.train, &costs);
            let result = evaluate(&split.test, &response, &costs, TIGHT, false, &mut greedy)?;
            over += result.over_latency.max(result.over_usage) / splits.len() as f64;
            rewards.push(result.reward);
        }
        Ok(Point { at: *value as f64, result: Spread::of(&rewards), over })
    };
    jobs::run(values, watch, one).into_iter().collect()
}

fn history(splits: &[Split], watch: &(dyn Fn(Progress) + Sync)) -> Result<Ablation, ExperimentError> {
    let points = greedy(splits, &HISTORIES, watch, |split, span| Response::over(&split.train, 5, span.min(HISTORY)))?;
    Ok(Ablation {
        of: "history",
        meaning: "turns that the state looks back on (τ); no dialogue has more than five, so seven are as five",
        measures: "reward of the greedy in its own environment, and share over 15 s or 0.025 USD",
        points,
    })
}

fn neighbours(splits: &[Split], watch: &(dyn Fn(Progress) + Sync)) -> Result<Ablation, ExperimentError> {
    let points = greedy(splits, &NEIGHBOURS, watch, |split, k| Response::with_neighbours(&split.train, k))?;
    Ok(Ablation {
        of: "neighbours",
        meaning: "neighbours of the estimate (k)",
        measures: "reward of the greedy in its own environment, and share over 15 s or 0.025 USD",
        points,
    })
}

/// A2C with the paper's penalty, trained and judged under one budget.
fn penalty(splits: &[Split], watch: &(dyn Fn(Progress) + Sync)) -> Result<Ablation, ExperimentError> {
    let costs = Costs::default();
    let one = |lambda: &f32| -> Result<Point, ExperimentError> {
        let (mut rewards, mut over) = (Vec::new(), 0.0);
        for split in splits {
            let response = Response::fit(&split.train);
            let mut recipe = Recipe::published(Method::A2c(A2c::default()), split.seed + 1);
            recipe.constraint = Constraint::Penalty { lambda: *lambda };
            let regime = Regime { budgets: Budgets::Fixed(PENALISED), ..Regime::PLAIN };
            let training = Training { recipe, regime, next_state: NextState::Logged };
            let trained = training.learn(&split.train, &response, &costs, &mut |_| ())?;
            let mut policy = PublishedPolicy::new(Layout::Tmo1, Vec::new(), trained.network);
            let result = evaluate(&split.test, &response, &costs, PENALISED, false, &mut policy)?;
            over += result.over_latency.max(result.over_usage) / splits.len() as f64;
            rewards.push(result.reward);
        }
        Ok(Point { at: f64::from(*lambda), result: Spread::of(&rewards), over })
    };
    Ok(Ablation {
        of: "penalty",
        meaning: "weight of the penalty (λ) on what A2C is expected to use over 10 s and 0.01 USD",
        measures: "reward of A2C with the penalty, without a shield",
        points: jobs::run(&PENALTIES, watch, one).into_iter().collect::<Result<_, _>>()?,
    })
}

/// How well the estimate predicts logged scores of dialogues it was not fitted to.
fn held_out(splits: &[Split]) -> Ablation {
    let one = |k: usize| {
        let errors: Vec<f64> = splits
            .iter()
            .map(|split| {
                let parts = |held: bool| {
                    let keep =
                        move |(index, _): &(usize, &crate::published::Episode)| (index % HELD_OUT_ONE_IN == 0) == held;
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
        Point { at: k as f64, result: Spread::of(&errors), over: 0.0 }
    };
    Ablation {
        of: "estimate",
        meaning: "neighbours of the estimate (k), 10 % of the training dialogues held out",
        measures: "mean squared error of the estimated score",
        points: NEIGHBOURS.into_iter().map(one).collect(),
    }
}

/// How much of what the oracle does was ever logged: share of its (state, action) pairs in the training log, by look-back.
fn coverage(splits: &[Split]) -> Ablation {
    let costs = Costs::default();
    let one = |span: usize| {
        let shares: Vec<f64> = splits
            .iter()
            .map(|split| {
                let seen: std::collections::HashSet<_> = split
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
        Point { at: span as f64, result: Spread::of(&shares), over: 0.0 }
    };
    Ablation {
        of: "coverage",
        meaning: "turns of the state that must agree",
        measures: "share of the oracle's state and action pairs that the training log holds",
        points: (1..=HISTORY).map(one).collect(),
    }
}
