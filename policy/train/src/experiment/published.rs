//! Every contender on every split, under every named budget.

use trimtab_core::observation::Layout;

use super::row::{Row, Run};
use super::{ExperimentError, Progress, Split, jobs};
use crate::export::Weights;
use crate::learner::published::Training;
use crate::published::{
    Budget, Chooser, Constant, Costs, DistilRecipe, Drawn, Evaluation, FileChooser, Greedy, NAMED_BUDGETS, Plan,
    Planner, PublishedPolicy, Response, distil, evaluate, oracle,
};

/// What the lab makes for this environment: the plan in a network, as int8 file.
pub(super) const LEARNT: &str = "planner, distilled, int8";
pub(super) const GREEDY: &str = "greedy";
pub(super) const ORACLE: &str = "oracle";
pub(super) const RANDOM: &str = "random";
pub(super) const LOCAL: &str = "local";
pub(super) const CLOUD: &str = "cloud";

/// A result that still lacks its row.
struct Found {
    method: String,
    budget: Budget,
    shielded: bool,
    run: Run,
}

/// The rows of all contenders.
pub(super) fn rows(
    splits: &[Split],
    seeds: u64,
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Row>, ExperimentError> {
    // One split at a time: its plan is shared by all training seeds, and uses every core by itself.
    let mut found = Vec::new();
    for split in splits {
        let field = Field::new(split);
        found.extend(field.rules()?);
        watch(Progress::More(1));
        let plan = Plan::new(&split.train, &field.response, &field.costs);
        watch(Progress::Done);
        found.extend(field.planner(&plan)?);
        let seeds: Vec<u64> = (1..=seeds).collect();
        for result in jobs::run(&seeds, watch, |seed| field.learnt(&plan, *seed)) {
            found.extend(result?);
        }
        let trainings: Vec<(&str, u64)> =
            Training::NAMES.into_iter().flat_map(|name| seeds.iter().map(move |seed| (name, *seed))).collect();
        for result in jobs::run(&trainings, watch, |(name, seed)| field.published(name, *seed)) {
            found.extend(result?);
        }
    }
    let mut rows: Vec<(String, Budget, bool, Vec<Run>)> = Vec::new();
    for Found { method, budget, shielded, run } in found {
        match rows.iter_mut().find(|(m, b, s, _)| (m, *b, *s) == (&method, budget, shielded)) {
            Some((.., runs)) => runs.push(run),
            None => rows.push((method, budget, shielded, vec![run])),
        }
    }
    Ok(rows.into_iter().map(|(method, budget, shielded, runs)| Row::of(&method, budget, shielded, runs)).collect())
}

/// A split with the environment fitted to it.
struct Field<'a> {
    split: &'a Split,
    response: Response,
    costs: Costs,
}

impl<'a> Field<'a> {
    fn new(split: &'a Split) -> Self {
        Self { split, response: Response::fit(&split.train), costs: Costs::default() }
    }

    fn play(&self, budget: Budget, shielded: bool, chooser: &mut dyn Chooser) -> Result<Evaluation, ExperimentError> {
        Ok(evaluate(&self.split.test, &self.response, &self.costs, budget, shielded, chooser)?)
    }

    fn found(
        &self,
        method: &str,
        budget: Budget,
        shielded: bool,
        seed: u64,
        chooser: &mut dyn Chooser,
    ) -> Result<Found, ExperimentError> {
        let run = Run { split: self.split.seed, seed, result: self.play(budget, shielded, chooser)? };
        Ok(Found { method: method.into(), budget, shielded, run })
    }

    /// What needs no training.
    fn rules(&self) -> Result<Vec<Found>, ExperimentError> {
        let mut found = Vec::new();
        for budget in NAMED_BUDGETS {
            let mut greedy = Greedy::fit(&self.split.train, &self.costs);
            found.push(self.found(RANDOM, budget, false, 0, &mut Drawn::random(self.split.seed))?);
            found.push(self.found(LOCAL, budget, false, 0, &mut Constant(0))?);
            found.push(self.found(CLOUD, budget, false, 0, &mut Drawn::cloud(self.split.seed))?);
            for action in 1..crate::published::ACTIONS {
                found.push(self.found(&format!("constant {action}"), budget, false, 0, &mut Constant(action))?);
            }
            found.push(self.found(GREEDY, budget, false, 0, &mut greedy)?);
            found.push(self.found(GREEDY, budget, true, 0, &mut greedy)?);
            if let Some(mut best) = oracle(&self.split.test, &self.response, &self.costs, Some(budget)) {
                found.push(self.found(ORACLE, budget, false, 0, &mut best)?);
            }
        }
        Ok(found)
    }

    /// The plan itself, which needs its tables at hand.
    fn planner(&self, plan: &Plan) -> Result<Vec<Found>, ExperimentError> {
        let one = |budget: Budget| {
            let mut planner = Planner { planned: plan.within(budget), response: &self.response };
            self.found("planner", budget, false, 0, &mut planner)
        };
        NAMED_BUDGETS.into_iter().map(one).collect()
    }

    /// The plan as a policy file, run by the engine: one file for every budget.
    fn learnt(&self, plan: &Plan, seed: u64) -> Result<Vec<Found>, ExperimentError> {
        let recipe = DistilRecipe { seed, ..DistilRecipe::default() };
        let (ramps, network) = distil(plan, &self.response, &self.costs, &recipe, &mut |_| ());
        let policy = PublishedPolicy::new(Layout::Tmo1Rc, ramps, network);
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("policy.onnx");
        policy.for_int8(&self.split.train, &self.costs)?.write(Weights::Int8, &path)?;
        let mut file = FileChooser::load(&path)?;
        let mut found = Vec::new();
        for budget in NAMED_BUDGETS {
            for shielded in [false, true] {
                found.push(self.found(LEARNT, budget, shielded, seed, &mut file)?);
            }
        }
        Ok(found)
    }

    /// A published learner, with the weights that it has learnt.
    fn published(&self, name: &str, seed: u64) -> Result<Vec<Found>, ExperimentError> {
        let Some(training) = Training::published(name, seed) else { return Ok(Vec::new()) };
        let trained = training.learn(&self.split.train, &self.response, &self.costs, &mut |_| ())?;
        let mut policy = PublishedPolicy::new(training.layout(), Vec::new(), trained.network);
        let mut found = Vec::new();
        for budget in NAMED_BUDGETS {
            for shielded in [false, true] {
                found.push(self.found(name, budget, shielded, seed, &mut policy)?);
            }
        }
        Ok(found)
    }
}
