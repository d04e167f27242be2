//! `train --env published`: the planner and the published learners.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use trimtab_core::observation::Layout;
use trimtab_train::dataset::LoggedTable;
use trimtab_train::export::Weights;
use trimtab_train::learner::Constraint;
use trimtab_train::learner::published::{Budgets, Training};
use trimtab_train::published::{
    Budget, Costs, DistilRecipe, Episode, FileChooser, NAMED_BUDGETS, Plan, PublishedPolicy, Response, agreement,
    distil, evaluate,
};

use crate::command::progress;
use crate::command::train::agree;

/// What is learnt where `--algo` says nothing.
const PLANNER: &str = "planner";
/// Most standard errors that can be taken off.
const PESSIMISM_MAX: f64 = 10.0;

/// How budgets enter the loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Form {
    /// Not at all.
    None,
    /// What the policy is expected to use too much costs `--lambda`.
    Penalty,
    /// Every use has a price, which rises until the budgets hold.
    Dual,
}

/// How to learn in the published environment, for all but the planner.
#[derive(Args, Debug)]
pub(in crate::command) struct Learning {
    /// Published learners: how budgets enter the loss.
    #[arg(long, value_enum)]
    constraint: Option<Form>,
    /// Published learners: weight of the penalty.
    #[arg(long)]
    lambda: Option<f32>,
    /// Published learners: turns to learn from; 30000 as published.
    #[arg(long)]
    steps: Option<usize>,
    /// Published learners: seconds of a conversation in training; without it 30. Those called rc- draw their budgets.
    #[arg(long)]
    latency_budget: Option<f64>,
    /// Published learners: USD of a conversation in training; without it 0.05.
    #[arg(long)]
    usage_budget: Option<f64>,
    /// Published environment: standard errors taken off every estimated response in training (pessimistic offline learning).
    #[arg(long)]
    pub(in crate::command) pessimism: Option<f64>,
    /// Published environment: writes the learning curve here as JSON, with everything that it follows from.
    #[arg(long)]
    pub(in crate::command) curve: Option<PathBuf>,
}

/// A policy before it is written.
struct Made {
    policy: PublishedPolicy,
    /// The learning curve, as JSON.
    curve: Vec<u8>,
}

/// A learning curve with everything that it follows from.
#[derive(Serialize)]
struct Curve<'a, R, P> {
    algorithm: &'a str,
    dataset_sha256: &'a str,
    turns: usize,
    recipe: &'a R,
    curve: &'a [P],
}

/// Trains in the published environment and writes the policy file.
pub(in crate::command) fn train(
    data: &[PathBuf],
    algorithm: Option<&str>,
    seed: u64,
    learning: &Learning,
    out: &Path,
    json: bool,
) -> anyhow::Result<()> {
    let table = LoggedTable::read(data)?;
    let episodes = Episode::all(&table)?;
    let pessimism = learning.pessimism.unwrap_or(0.0);
    ensure!(
        (0.0..=PESSIMISM_MAX).contains(&pessimism),
        "--pessimism {pessimism}: give a number from 0 to {PESSIMISM_MAX}"
    );
    let (costs, response) = (Costs::default(), Response::fit(&episodes));
    let believed = response.clone().pessimistic(pessimism);
    let algorithm = algorithm.unwrap_or(PLANNER);
    let Made { mut policy, curve } = match Training::published(algorithm, seed) {
        Some(training) => learnt(&learning.applied(training)?, algorithm, &table, &episodes, &believed, &costs)?,
        None if algorithm == PLANNER => {
            learning.refuse_for(PLANNER)?;
            planned(seed, &table, &episodes, &believed, &costs)?
        }
        None => bail!("--algo {algorithm}: one of {PLANNER}, {}", Training::NAMES.join(", ")),
    };
    if pessimism > 0.0 {
        policy.algorithm = format!("{}, pessimism {pessimism}", policy.algorithm);
    }
    let levelled = policy.for_int8(&episodes, &costs)?;
    // What a check refuses never stands where it was asked for.
    let scratch = tempfile::tempdir().context("no temporary folder")?;
    let tried = scratch.path().join("policy.onnx");
    levelled.write(Weights::Int8, &tried)?;
    let mut file = FileChooser::load(&tried).context("the file just written does not load")?;
    let int8 = evaluate(&episodes, &response, &costs, Budget::PUBLISHED, false, &mut file)?;
    let parity = agreement(&episodes, &response, &costs, &mut policy, &mut file)?;
    agree(parity)?;
    levelled.write(Weights::Int8, out)?;
    if let Some(path) = &learning.curve {
        std::fs::write(path, &curve).with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    if json {
        println!(
            "{}",
            json!({
                "policy": out, "algorithm": policy.algorithm, "seed": seed, "turns": policy.turns,
                "training_reward": int8.reward, "int8_agreement": parity,
            })
        );
    } else {
        println!("{}: {}, {} turns, seed {seed}", out.display(), policy.algorithm, policy.turns);
        println!("  reward on the training dialogues  {:.4}", int8.reward);
        println!("  int8 as float                     {:.2} % of decisions", 100.0 * parity);
    }
    Ok(())
}

/// Plans, and distils the plan.
fn planned(
    seed: u64,
    table: &LoggedTable,
    episodes: &[Episode],
    response: &Response,
    costs: &Costs,
) -> anyhow::Result<Made> {
    let recipe = DistilRecipe { seed, ..DistilRecipe::default() };
    let bar = progress(recipe.epochs as u64, "train");
    bar.set_message("planning");
    let plan = Plan::new(episodes, response, costs);
    let mut losses = Vec::new();
    let (ramps, network) = distil(&plan, response, costs, &recipe, &mut |loss| {
        bar.set_message(format!("loss {loss:.4}"));
        bar.inc(1);
        losses.push(loss);
    });
    bar.finish_and_clear();
    let policy = PublishedPolicy {
        layout: Layout::Tmo1Rc,
        ramps,
        network,
        algorithm: PLANNER.into(),
        seed,
        dataset_sha256: table.sha256().into(),
        turns: table.turns().len(),
        budgets_seen: json!(NAMED_BUDGETS).to_string(),
    };
    let curve = curve(&policy, &recipe, &losses)?;
    Ok(Made { policy, curve })
}

/// Learns by acting.
fn learnt(
    training: &Training,
    name: &str,
    table: &LoggedTable,
    episodes: &[Episode],
    response: &Response,
    costs: &Costs,
) -> anyhow::Result<Made> {
    let bar = progress(training.recipe.steps as u64, "train");
    let trained = training.learn(episodes, response, costs, &mut |point| {
        bar.set_position(point.step as u64);
        bar.set_message(format!("reward {:.3}, over {:.2} {:.2}", point.reward, point.over[0], point.over[1]));
    })?;
    bar.finish_and_clear();
    let algorithm = match training.recipe.constraint {
        Constraint::None => name.to_owned(),
        Constraint::Penalty { lambda } => format!("{name}, penalty {lambda}"),
        Constraint::Dual { .. } => format!("{name}, dual"),
    };
    let policy = PublishedPolicy {
        layout: training.layout(),
        ramps: Vec::new(),
        network: trained.network,
        algorithm,
        seed: training.recipe.seed,
        dataset_sha256: table.sha256().into(),
        turns: table.turns().len(),
        budgets_seen: json!(training.regime.budgets).to_string(),
    };
    let curve = curve(&policy, training, &trained.curve)?;
    Ok(Made { policy, curve })
}

fn curve(policy: &PublishedPolicy, recipe: &impl Serialize, curve: &[impl Serialize]) -> anyhow::Result<Vec<u8>> {
    let PublishedPolicy { algorithm, dataset_sha256, turns, .. } = policy;
    Ok(serde_json::to_vec(&Curve { algorithm, dataset_sha256, turns: *turns, recipe, curve })?)
}

impl Learning {
    /// The training with what was asked for in place of what was published.
    fn applied(&self, mut training: Training) -> anyhow::Result<Training> {
        let lambda = self.lambda.unwrap_or(Constraint::PENALTY_LAMBDA);
        ensure!(lambda.is_finite() && lambda >= 0.0, "--lambda {lambda}: give a number of 0 or more");
        ensure!(
            self.lambda.is_none() || self.constraint == Some(Form::Penalty),
            "--lambda: is the weight of --constraint penalty; give that too"
        );
        training.recipe.constraint = match self.constraint.unwrap_or(Form::None) {
            Form::None => Constraint::None,
            Form::Penalty => Constraint::Penalty { lambda },
            Form::Dual => Constraint::DUAL,
        };
        if let Some(steps) = self.steps {
            ensure!(steps > 0, "--steps 0: give 1 or more");
            training.recipe.steps = steps;
        }
        if self.latency_budget.is_none() && self.usage_budget.is_none() {
            return Ok(training);
        }
        let Budgets::Fixed(mut budget) = training.regime.budgets else {
            bail!("--latency-budget, --usage-budget: an rc- learner draws its budgets; leave them out");
        };
        for (name, asked, amount) in [
            ("--latency-budget", self.latency_budget, &mut budget.seconds),
            ("--usage-budget", self.usage_budget, &mut budget.usd),
        ] {
            let Some(asked) = asked else { continue };
            ensure!(asked.is_finite() && asked > 0.0, "{name} {asked}: give a number above 0");
            *amount = asked;
        }
        training.regime.budgets = Budgets::Fixed(budget);
        Ok(training)
    }

    /// Refuses what only the published learners heed.
    pub(in crate::command) fn refuse_for(&self, other: &str) -> anyhow::Result<()> {
        let given = [
            ("--constraint", self.constraint.is_some()),
            ("--lambda", self.lambda.is_some()),
            ("--steps", self.steps.is_some()),
            ("--latency-budget", self.latency_budget.is_some()),
            ("--usage-budget", self.usage_budget.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => {
                bail!(
                    "{name}: {other} has no use for it; leave it out, or take --env published --algo with one of {}",
                    Training::NAMES.join(", ")
                )
            }
            None => Ok(()),
        }
    }
}
