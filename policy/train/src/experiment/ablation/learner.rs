//! Published learners, trained anew for each value.

use trimtab_core::observation::{Layout, TMO1_WIDTH};
use trimtab_scenes::Rng;

use super::environment::HISTORIES;
use super::{Ablation, Point, TIGHT};
use crate::experiment::{Args, ExperimentError, Progress, Split, jobs};
use crate::learner::published::{Budgets, NextState, Published, Regime, Training};
use crate::learner::{A2c, Constraint, Environment, Method, Recipe, Step, Use, train};
use crate::published::{
    Budget, Chooser, Costs, Episode, Evaluation, Greedy, HISTORY, LookingBack, PublishedPolicy, Response, evaluate,
};

/// Most training seeds of each split for each length of the history.
const HISTORY_SEEDS_MAX: u64 = 3;
/// The budget under which a short memory shows: the published learners break it most.
const SCARCE: Budget = Budget { seconds: 7.0, usd: 0.006 };
/// Weights of the penalty.
const PENALTIES: [f32; 5] = [0.0, 0.3, 1.0, 3.0, 10.0];
/// The budget that is penalised.
const PENALISED: Budget = Budget { seconds: 10.0, usd: 0.01 };

/// An environment whose policy sees only the last turns of the state.
struct Forgetful<'a> {
    environment: Published<'a>,
    turns: usize,
    observation: Vec<f32>,
}

impl Forgetful<'_> {
    fn observe(&mut self) {
        self.observation.clear();
        self.observation.extend_from_slice(self.environment.observation());
        self.observation[..(HISTORY - self.turns) * (TMO1_WIDTH / HISTORY)].fill(-1.0);
    }
}

impl Environment for Forgetful<'_> {
    fn width(&self) -> usize {
        self.environment.width()
    }
    fn actions(&self) -> usize {
        self.environment.actions()
    }
    fn reset(&mut self, rng: &mut Rng) {
        self.environment.reset(rng);
        self.observe();
    }
    fn observation(&self) -> &[f32] {
        &self.observation
    }
    fn uses(&self) -> &[Use] {
        self.environment.uses()
    }
    fn share(&self) -> f32 {
        self.environment.share()
    }
    fn step(&mut self, action: usize) -> Step {
        let step = self.environment.step(action);
        self.observe();
        step
    }
}

/// RC-A2C by the turns that it looks back on; the environment that judges it stays the same.
pub(super) fn history(
    args: &Args,
    splits: &[Split],
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<Ablation, ExperimentError> {
    let costs = Costs::default();
    let play = |split: &Split, turns: usize, seed: u64| -> Result<Option<Evaluation>, ExperimentError> {
        let Some(Training { recipe, regime, next_state }) = Training::published("rc-a2c", seed) else {
            return Ok(None);
        };
        let response = Response::fit(&split.train);
        let environment = Published::new(&split.train, &response, &costs, regime, next_state)?;
        let mut forgetful = Forgetful { environment, turns, observation: Vec::new() };
        let trained = train(&mut forgetful, &Recipe { steps: args.steps, ..recipe }, &mut |_| ());
        let network = forgetful.environment.unscale(trained).network;
        let mut policy = PublishedPolicy::new(Layout::Tmo1Rc, Vec::new(), network);
        let mut chooser = LookingBack { chooser: &mut policy, turns };
        Ok(Some(evaluate(&split.test, &response, &costs, SCARCE, false, &mut chooser)?))
    };
    let spans: Vec<usize> = HISTORIES.into_iter().filter(|turns| *turns <= HISTORY).collect();
    let seeds = 1..=args.training_seeds.min(HISTORY_SEEDS_MAX);
    let each = || splits.iter().flat_map(|split| seeds.clone().map(move |seed| (split, seed)));
    let all: Vec<(&Split, usize, u64)> =
        spans.iter().flat_map(|turns| each().map(move |(split, seed)| (split, *turns, seed))).collect();
    let plays = jobs::run(&all, watch, |(split, turns, seed)| play(split, *turns, *seed));
    let plays: Vec<Evaluation> = plays.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    let point = |turns: usize| {
        let own: Vec<Evaluation> = all
            .iter()
            .zip(&plays)
            .filter(|((_, span, _), _)| *span == turns.min(HISTORY))
            .map(|(_, play)| play.clone())
            .collect();
        Point::played(turns as f64, splits, &own)
    };
    Ok(Ablation {
        of: "history",
        meaning: "turns that RC-A2C looks back on (τ); no dialogue has more than five, so seven are as five",
        measures: "reward of RC-A2C without a shield, and share over 7 s or 0.006 USD",
        points: HISTORIES.into_iter().map(point).collect(),
    })
}

/// A2C with the paper's penalty, trained and judged under one budget.
pub(super) fn penalty(
    args: &Args,
    splits: &[Split],
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<Ablation, ExperimentError> {
    let costs = Costs::default();
    let one = |lambda: &f32| -> Result<Point, ExperimentError> {
        let mut plays = Vec::new();
        for split in splits {
            let mut recipe = Recipe::published(Method::A2c(A2c::default()), split.seed + 1);
            (recipe.constraint, recipe.steps) = (Constraint::Penalty { lambda: *lambda }, args.steps);
            let regime = Regime { budgets: Budgets::Fixed(PENALISED), ..Regime::PLAIN };
            let training = Training { recipe, regime, next_state: NextState::Logged };
            plays.push(learnt(&training, split, &split.train, &costs, PENALISED)?);
        }
        Ok(Point::played(f64::from(*lambda), splits, &plays))
    };
    Ok(Ablation {
        of: "penalty",
        meaning: "weight of the penalty (λ) on what A2C is expected to use over 10 s and 0.01 USD",
        measures: "reward of A2C with the penalty, without a shield, and share over 10 s or 0.01 USD",
        points: jobs::run(&PENALTIES, watch, one).into_iter().collect::<Result<_, _>>()?,
    })
}

/// The greedy and PPO, taught with and without association in the reward; both are judged with it.
pub(super) fn association(
    args: &Args,
    splits: &[Split],
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<Ablation, ExperimentError> {
    let costs = Costs::default();
    let one = |(learner, blind): &(bool, bool)| -> Result<Vec<Evaluation>, ExperimentError> {
        let play = |split: &Split| {
            let taught = if *blind { without_association(&split.train) } else { split.train.clone() };
            match Training::published("ppo", split.seed + 1) {
                Some(mut training) if *learner => {
                    training.recipe.steps = args.steps;
                    learnt(&training, split, &taught, &costs, TIGHT)
                }
                _ => played(split, &costs, TIGHT, &mut Greedy::fit(&taught, &costs)),
            }
        };
        splits.iter().map(play).collect()
    };
    let all = [(false, false), (false, true), (true, false), (true, true)];
    let plays = jobs::run(&all, watch, one).into_iter().collect::<Result<Vec<_>, _>>()?;
    let names = ["greedy", "greedy, without it", "PPO", "PPO, without it"];
    let point = |(at, name): (usize, &'static str)| {
        let point = Point::played(at as f64, splits, &plays[at]).named(name);
        if all[at].1 { point.against(&plays[at - 1], &plays[at]) } else { point }
    };
    Ok(Ablation {
        of: "association",
        meaning: "whether what teaches holds the association of prompt and views; what judges does",
        measures: "reward, and share over 15 s or 0.025 USD",
        points: names.into_iter().enumerate().map(point).collect(),
    })
}

fn without_association(episodes: &[Episode]) -> Vec<Episode> {
    let blind = |episode: &Episode| {
        let association = episode.association.iter().map(|row| row.map(|_| 0.0)).collect();
        Episode { association, ..episode.clone() }
    };
    episodes.iter().map(blind).collect()
}

/// A learner without a shield, on the test part.
fn learnt(
    training: &Training,
    split: &Split,
    taught: &[Episode],
    costs: &Costs,
    budget: Budget,
) -> Result<Evaluation, ExperimentError> {
    let trained = training.learn(taught, &Response::fit(&split.train), costs, &mut |_| ())?;
    played(split, costs, budget, &mut PublishedPolicy::new(training.layout(), Vec::new(), trained.network))
}

fn played(
    split: &Split,
    costs: &Costs,
    budget: Budget,
    chooser: &mut dyn Chooser,
) -> Result<Evaluation, ExperimentError> {
    Ok(evaluate(&split.test, &Response::fit(&split.train), costs, budget, false, chooser)?)
}
