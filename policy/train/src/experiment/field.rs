//! One split with the environment fitted to it, in which every contender plays.

use trimtab_core::Action;
use trimtab_core::observation::Layout;

use super::row::Run;
use super::{Args, ExperimentError, Split};
use crate::dataset::LoggedTurn;
use crate::estimator::{Kind, Prompts};
use crate::export::Weights;
use crate::learner::CurvePoint;
use crate::learner::published::Training;
use crate::logged::baseline;
use crate::logged::candidates::NODES;
use crate::logged::charge::Charges;
use crate::logged::file::on_states;
use crate::logged::recipe::Recipe;
use crate::published::{
    ACTIONS, Budget, Chooser, Constant, Costs, DistilRecipe, Drawn, FileChooser, Greedy, NAMED_BUDGETS, Plan, Planner,
    PublishedPolicy, Response, Scripted, VIEWS, distil, evaluate, oracle,
};

/// What the lab makes for this environment: the plan in a network, as int8 file.
pub const LEARNT: &str = "planner, distilled, int8";
pub(super) const PLANNER: &str = "planner";
pub(super) const GREEDY: &str = "greedy";
pub(super) const ORACLE: &str = "oracle";
pub(super) const RANDOM: &str = "random";
pub(super) const LOCAL: &str = "local";
pub(super) const CLOUD: &str = "cloud";
/// What the lab makes of logged scores.
pub(super) const RECIPE: &str = "recipe";
/// The greedy on an estimate that sees the prompt.
pub const SIGHTED_GREEDY: &str = "greedy on shrunk means";

/// A result that still lacks its row.
pub(super) struct Found {
    pub(super) method: String,
    pub(super) budget: Budget,
    pub(super) shielded: bool,
    pub(super) run: Run,
}

/// What one fit of a contender chooses in the logged turns of a split's test part.
pub(super) struct Fit {
    pub(super) method: String,
    pub(super) split: u64,
    pub(super) choices: Vec<Action>,
}

/// What came of one fit.
#[derive(Default)]
pub(super) struct Played {
    pub(super) found: Vec<Found>,
    pub(super) fits: Vec<Fit>,
    /// Of a learner, with its name.
    pub(super) curves: Vec<(&'static str, Vec<CurvePoint>)>,
}

impl Played {
    pub(super) fn extend(&mut self, other: Self) {
        self.found.extend(other.found);
        self.fits.extend(other.fits);
        self.curves.extend(other.curves);
    }
}

/// A split with the environment fitted to it.
pub(super) struct Field<'a> {
    pub(super) split: &'a Split,
    pub(super) response: Response,
    pub(super) costs: Costs,
}

impl<'a> Field<'a> {
    pub(super) fn new(split: &'a Split) -> Self {
        Self { split, response: Response::fit(&split.train), costs: Costs::default() }
    }

    /// Plays a contender that knows no budget, or finds its own in what is shown: under every budget, alone and under the shield.
    fn play(
        &self,
        method: &str,
        seed: u64,
        shields: &[bool],
        chooser: &mut dyn Chooser,
    ) -> Result<Played, ExperimentError> {
        let mut played = Played::default();
        for budget in NAMED_BUDGETS {
            for shielded in shields {
                played.found.push(self.found(method, budget, *shielded, seed, chooser)?);
            }
        }
        played.fits.push(self.fit(method, chooser)?);
        Ok(played)
    }

    fn found(
        &self,
        method: &str,
        budget: Budget,
        shielded: bool,
        seed: u64,
        chooser: &mut dyn Chooser,
    ) -> Result<Found, ExperimentError> {
        let result = evaluate(&self.split.test, &self.response, &self.costs, budget, shielded, chooser)?;
        Ok(Found { method: method.into(), budget, shielded, run: Run { split: self.split.seed, seed, result } })
    }

    fn fit(&self, method: &str, chooser: &mut dyn Chooser) -> Result<Fit, ExperimentError> {
        let (turns, model) = (&self.split.test_turns, Some(&self.response as _));
        let choices = on_states(turns, chooser, model, &self.costs, NAMED_BUDGETS[0])?;
        Ok(Fit { method: method.into(), split: self.split.seed, choices })
    }

    /// What needs no training.
    pub(super) fn rules(&self) -> Result<Played, ExperimentError> {
        let seed = self.split.seed;
        let mut played = Played::default();
        for budget in NAMED_BUDGETS {
            // Drawn anew for each budget, so that all see the same draws.
            played.found.push(self.found(RANDOM, budget, false, 0, &mut Drawn::random(seed))?);
            played.found.push(self.found(CLOUD, budget, false, 0, &mut Drawn::cloud(seed))?);
            if let Some(mut best) = oracle(&self.split.test, &self.response, &self.costs, Some(budget)) {
                played.found.push(self.found(ORACLE, budget, false, 0, &mut best)?);
                if budget == NAMED_BUDGETS[0] {
                    played.fits.push(self.fit(ORACLE, &mut best)?);
                }
            }
        }
        played.fits.push(self.fit(RANDOM, &mut Drawn::random(seed))?);
        played.fits.push(self.fit(CLOUD, &mut Drawn::cloud(seed))?);
        played.extend(self.play(LOCAL, 0, &[false], &mut Constant(0))?);
        for action in 1..ACTIONS {
            played.extend(self.play(&format!("constant {action}"), 0, &[false], &mut Constant(action))?);
        }
        played.extend(self.play(GREEDY, 0, &[false, true], &mut Greedy::fit(&self.split.train, &self.costs))?);
        Ok(played)
    }

    /// What is learnt from logged scores and sees the prompt, with the view of the highest association where it sends one.
    pub(super) fn sighted(&self) -> Result<Played, ExperimentError> {
        let (charges, none) = (Charges::default(), Prompts::new());
        let train: Vec<&LoggedTurn> = self.split.train_turns.iter().collect();
        let recipe = Recipe::default().train(&train, &charges, &none);
        let estimator = Kind::ShrunkMeans.fit_turns(&train, &none);
        let greedy = baseline::Greedy::new(&*estimator, &train, &charges);
        let mut played =
            self.play(RECIPE, 0, &[false, true], &mut self.scripted(&|turn| recipe.choose(&turn.context)))?;
        played.extend(self.play(
            SIGHTED_GREEDY,
            0,
            &[false],
            &mut self.scripted(&|turn| greedy.choose(&turn.context)),
        )?);
        Ok(played)
    }

    /// Choices that do not look at what came before.
    fn scripted(&self, choose: &dyn Fn(&LoggedTurn) -> Action) -> Scripted {
        let dialogues = self.split.test_turns.chunk_by(|a, b| a.dialogue == b.dialogue);
        let number = |turn: &LoggedTurn| choose(turn).number(NODES, VIEWS).unwrap_or(0);
        Scripted(dialogues.map(|turns| turns.iter().map(number).collect()).collect())
    }

    /// The plan itself, which needs its tables at hand.
    pub(super) fn planner(&self, plan: &Plan) -> Result<Played, ExperimentError> {
        let mut played = Played::default();
        for budget in NAMED_BUDGETS {
            let mut planner = Planner { planned: plan.within(budget), response: &self.response };
            played.found.push(self.found(PLANNER, budget, false, 0, &mut planner)?);
            if budget == NAMED_BUDGETS[0] {
                played.fits.push(self.fit(PLANNER, &mut planner)?);
            }
        }
        Ok(played)
    }

    /// The plan as a policy file, run by the engine: one file for every budget.
    pub(super) fn learnt(&self, plan: &Plan, seed: u64) -> Result<Played, ExperimentError> {
        let recipe = DistilRecipe { seed, ..DistilRecipe::default() };
        let (ramps, network) = distil(plan, &self.response, &self.costs, &recipe, &mut |_| ());
        let policy = PublishedPolicy::new(Layout::Tmo1Rc, ramps, network);
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("policy.onnx");
        policy.for_int8(&self.split.train, &self.costs)?.write(Weights::Int8, &path)?;
        self.play(LEARNT, seed, &[false, true], &mut FileChooser::load(&path)?)
    }

    /// A published learner, with the weights that it has learnt.
    pub(super) fn published(&self, name: &'static str, seed: u64, args: &Args) -> Result<Played, ExperimentError> {
        let Some(mut training) = Training::published(name, seed) else { return Ok(Played::default()) };
        training.recipe.steps = args.steps;
        let trained = training.learn(&self.split.train, &self.response, &self.costs, &mut |_| ())?;
        let mut policy = PublishedPolicy::new(training.layout(), Vec::new(), trained.network);
        let mut played = self.play(name, seed, &[false, true], &mut policy)?;
        played.curves.push((name, trained.curve));
        Ok(played)
    }
}
