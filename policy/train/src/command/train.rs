//! `train`, and `quantise` of what it kept.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use trimtab_core::Preference;
use trimtab_engine::PolicyFile;
use trimtab_train::calibrate::view_threshold;
use trimtab_train::choose::{Chooser, TaskTable};
use trimtab_train::dataset::{Table, Turn, read_dialogues};
use trimtab_train::evaluate::evaluate;
use trimtab_train::export::{self, Weights};
use trimtab_train::learn::{HELD_OUT_ONE_IN, Progress, Recipe, fit};
use trimtab_train::logged::distil::learning;
use trimtab_train::policy::{Policy, QUALITY_REGRESSION};

use super::{logged, parse_preference, progress, published};

/// Share of decisions that int8 weights may not change.
const PARITY_MIN: f64 = 0.99;

/// Where to train.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Environment {
    /// On a table in which every action was run, or on a log of one action a turn in the published schema.
    Trimtab,
    /// In the published simulator.
    Published,
}

#[derive(Args, Debug)]
pub(super) struct Train {
    /// Table files, or folders of them.
    #[arg(long, required = true, num_args = 1..)]
    pub(super) data: Vec<PathBuf>,
    /// Where to train.
    #[arg(long, value_enum, default_value_t = Environment::Trimtab)]
    env: Environment,
    /// How to learn; without it the best way for the environment. Published: planner, a2c, ppo, dqn, rc-a2c, rc-ppo, rc-dqn. On a
    /// log: class-values.
    #[arg(long)]
    pub(super) algo: Option<String>,
    /// Of first weights and order: the same seed and table give the same policy.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Passes over the table; without it 40, and 240 over a log.
    #[arg(long)]
    epochs: Option<usize>,
    /// First learning rate.
    #[arg(long, default_value_t = Recipe::default().rate)]
    rate: f32,
    /// Weight decay; without it 0.5, and 0.05 on a log.
    #[arg(long)]
    decay: Option<f32>,
    /// Weights of the decision at which the view threshold is calibrated, as in quality=1,latency=0.3.
    #[arg(long, value_parser = parse_preference, default_value = "")]
    preference: Preference,
    /// Turns of held-out scenes: the policy is scored on them too, and not fitted.
    #[arg(long, num_args = 1..)]
    pub(super) held_out: Vec<PathBuf>,
    /// On a log: folder of the text encoder; without it the shipped one.
    #[arg(long)]
    pub(super) encoder: Option<PathBuf>,
    #[command(flatten)]
    learning: published::Learning,
    /// The policy file.
    #[arg(long)]
    pub(super) out: PathBuf,
    /// Writes a card here: what the policy is, from what, how good.
    #[arg(long)]
    pub(super) card: Option<PathBuf>,
    /// Keeps the float weights here too, for `quantise`.
    #[arg(long)]
    pub(super) checkpoint: Option<PathBuf>,
    /// Prints the result as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl Train {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.env == Environment::Published {
            return published::train(&self.data, self.algo.as_deref(), self.seed, &self.learning, &self.out, self.json);
        }
        let given = [("--curve", self.learning.curve.is_some()), ("--pessimism", self.learning.pessimism.is_some())];
        if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
            bail!("{name}: is of --env published; leave it out");
        }
        if !read_dialogues(&self.data)?.dialogues.iter().any(|(_, dialogue)| dialogue.ran_every_action()) {
            self.learning.refuse_for(trimtab_train::logged::distil::ALGORITHM)?;
            return logged::train(&self, &self.recipe(learning(self.seed)));
        }
        if let Some(other) = self.algo.as_deref().filter(|name| *name != QUALITY_REGRESSION) {
            bail!("--algo {other}: on a table there is {QUALITY_REGRESSION}");
        }
        self.learning.refuse_for(QUALITY_REGRESSION)?;
        let table = Table::read(&self.data)?;
        let recipe = self.recipe(Recipe::default());
        let bar = progress(recipe.epochs as u64, "train");
        let mut best = f32::INFINITY;
        let mut policy = fit(&table, &recipe, &mut |now: Progress| {
            best = best.min(now.held_out);
            bar.set_message(format!("loss {:.4}, held out {:.4}, best {best:.4}", now.training, now.held_out));
            bar.inc(1);
        });
        bar.finish_and_clear();
        policy.view_threshold = view_threshold(&policy, table.turns(), &self.preference);
        let (training, kept_out) = table.split(HELD_OUT_ONE_IN);
        let kept_out = if kept_out.is_empty() { training.clone() } else { kept_out };
        let task_table = TaskTable::fit(&training, &self.preference);
        let mut scores = json!({
            "preference": weights(&self.preference),
            "held-out loss": round(f64::from(best)),
            "training scenes, kept out of the fit": score(&policy, &kept_out, &task_table, &self.preference)?,
        });
        if !self.held_out.is_empty() {
            let other = Table::read(&self.held_out)?;
            same_encoder(&policy, &other)?;
            let turns: Vec<&Turn> = other.turns().iter().collect();
            scores["held-out scenes"] = score(&policy, &turns, &task_table, &self.preference)?;
        }
        policy.origin.scores = scores.clone();
        let turns: Vec<&Turn> = table.turns().iter().collect();
        let parity = write(&policy, &self.out, &turns, &self.preference)?;
        if let Some(path) = &self.card {
            let card = serde_json::to_string_pretty(&card(&policy, &table, &self.out)?)?;
            std::fs::write(path, card + "\n").with_context(|| format!("{}: cannot be written", path.display()))?;
        }
        if let Some(path) = &self.checkpoint {
            policy.save(path)?;
        }
        let report = json!({
            "policy": self.out, "turns": turns.len(), "unscored": table.unscored(), "seed": self.seed,
            "view_threshold": policy.view_threshold, "scores": scores, "int8_agreement": parity,
        });
        if self.json {
            println!("{report}");
        } else {
            println!("{}: {} turns, seed {}", self.out.display(), turns.len(), self.seed);
            say_unscored(table.unscored());
            println!("  scores            {scores:#}");
            println!("  view threshold    {:.2}", policy.view_threshold);
            println!("  int8 as float     {:.2} % of decisions", 100.0 * parity);
        }
        Ok(())
    }
}

impl Train {
    /// How to fit: as asked for, else as usual.
    fn recipe(&self, usual: Recipe) -> Recipe {
        let epochs = self.epochs.unwrap_or(usual.epochs);
        Recipe { seed: self.seed, epochs, rate: self.rate, decay: self.decay.unwrap_or(usual.decay) }
    }
}

/// Writes what [`Train`] kept, and says in how many turns both forms decide alike.
pub(super) fn quantise(checkpoint: &Path, data: &[PathBuf], out: &Path, json: bool) -> anyhow::Result<()> {
    let policy = Policy::load(checkpoint)?;
    let table = Table::read(data)?;
    same_encoder(&policy, &table)?;
    let turns: Vec<&Turn> = table.turns().iter().collect();
    let parity = write(&policy, out, &turns, &Preference::default())?;
    if json {
        println!("{}", json!({"policy": out, "turns": turns.len(), "int8_agreement": parity}));
    } else {
        let percent = 100.0 * parity;
        println!("{}: decides as with float weights in {percent:.2} % of {} turns", out.display(), turns.len());
    }
    Ok(())
}

/// Says what was not trained on.
pub(super) fn say_unscored(turns: usize) {
    if turns > 0 {
        println!("  left out          {turns} turns that nobody has scored yet");
    }
}

/// Refuses a file that decides otherwise than what it was made of: `parity` is the share of decisions that are the same.
pub(super) fn agree(parity: f64) -> anyhow::Result<()> {
    let changed = 100.0 * (1.0 - parity);
    ensure!(parity >= PARITY_MIN, "int8 weights change {changed:.2} % of the decisions, more than 1 %");
    Ok(())
}

fn same_encoder(policy: &Policy, table: &Table) -> anyhow::Result<()> {
    ensure!(
        table.encoder_sha256() == policy.origin.encoder_sha256 && table.dimension() == policy.projection.dimension(),
        "the table was collected with encoder {}, the policy trained with {}: collect with that encoder",
        table.encoder_sha256(),
        policy.origin.encoder_sha256
    );
    Ok(())
}

/// What the policy, with the weights of its file, achieves on these turns, and what simpler ways to choose do.
fn score(policy: &Policy, turns: &[&Turn], task_table: &TaskTable, preference: &Preference) -> anyhow::Result<Value> {
    let mut scores = json!({"n": turns.len()});
    for chooser in [
        Chooser::Policy(Box::new(policy.quantised()?)),
        Chooser::Local,
        Chooser::CloudAll,
        Chooser::TaskTable(task_table.clone()),
        Chooser::DefaultRule,
        Chooser::Oracle,
    ] {
        let report = evaluate(&chooser, chooser.name(), turns, preference)?;
        scores[chooser.name()] = json!({
            "right_percent": round(report.right_percent.value),
            "reward": round(report.reward.value),
            "money_uusd": round(report.money_nusd / 1e3),
            "latency_ms": round(report.latency_ms),
            "bytes_up": round(report.bytes_up),
        });
    }
    Ok(scores)
}

/// What the policy is, from what, how good.
fn card(policy: &Policy, table: &Table, path: &Path) -> anyhow::Result<Value> {
    let bytes = std::fs::metadata(path)?.len();
    let origin = &policy.origin;
    let mut seeds: Vec<u64> = table.turns().iter().map(|turn| turn.setting.seed).collect();
    seeds.dedup();
    Ok(json!({
        "what": "estimates for every node and set of views how likely the answer is right; the score is the owner's utility",
        "data": "every action of every turn run for real through broker, bridge, stand-in models and device, on training scenes",
        "licence": "MIT OR Apache-2.0",
        "seed": origin.seed,
        "turns": origin.turns,
        "collected_seeds": seeds,
        "dataset_sha256": origin.dataset_sha256,
        "encoder_sha256": origin.encoder_sha256,
        "parameters": policy.network.parameters().count(),
        "weights": "int8 per output channel, biases f32",
        "file_bytes": {"policy.onnx": bytes},
        "view_threshold": policy.view_threshold,
        "scores": origin.scores,
    }))
}

fn weights(preference: &Preference) -> Value {
    let [quality, association, latency, cost, energy] = preference.weights().map(|weight| round(f64::from(weight)));
    json!({"quality": quality, "association": association, "latency": latency, "cost": cost, "energy": energy})
}

fn round(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}

/// Writes the file with int8 weights, unless it decides otherwise than the float weights do when the engine runs it. Returns the
/// share of these turns in which both decide alike.
pub(super) fn write(policy: &Policy, out: &Path, turns: &[&Turn], preference: &Preference) -> anyhow::Result<f64> {
    // What a check refuses never stands where it was asked for.
    let scratch = tempfile::tempdir().context("no temporary folder")?;
    let tried = scratch.path().join("policy.onnx");
    export::write(policy, Weights::Int8, &tried)?;
    let file = PolicyFile::load(&tried).context("the file just written does not load")?;
    let int8 = Chooser::File { file: Box::new(file), view_threshold: policy.view_threshold };
    let float = Chooser::Policy(Box::new(policy.clone()));
    let int8 = evaluate(&int8, "int8", turns, preference)?;
    let parity = int8.agreement(&evaluate(&float, "float", turns, preference)?);
    agree(parity)?;
    export::write(policy, Weights::Int8, out)?;
    Ok(parity)
}
