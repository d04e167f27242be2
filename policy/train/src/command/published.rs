//! What the commands that work in the published environment have in common, and `train --env published`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::json;
use trimtab_core::observation::Layout;
use trimtab_train::dataset::LoggedTable;
use trimtab_train::export::Weights;
use trimtab_train::published::{
    Budget, Costs, DEVICES, DistilRecipe, Episode, FileChooser, NAMED_BUDGETS, NEIGHBOURS, NETWORKS, Plan,
    PublishedPolicy, Response, distil, evaluate,
};

use super::progress;

/// The published environment's own settings.
#[derive(Args, Debug)]
pub(super) struct Setting {
    /// Published environment: frozen responses to use in place of fitted ones, the path without its ending (.json, .f32).
    #[arg(long)]
    pub(super) tables: Option<PathBuf>,
    /// Published environment: seconds of a conversation.
    #[arg(long, default_value_t = Budget::default().seconds)]
    latency_budget: f64,
    /// Published environment: USD of a conversation.
    #[arg(long, default_value_t = Budget::default().usd)]
    usage_budget: f64,
    /// Published environment: every action goes through the device's shield.
    #[arg(long)]
    pub(super) shield: bool,
    /// Published environment: the local device, as in the paper.
    #[arg(long, default_value = "Jetson TX2")]
    device: String,
    /// Published environment: the network, as in the paper.
    #[arg(long, default_value = "Wired")]
    network: String,
    /// Published environment: neighbours of the response.
    #[arg(long, default_value_t = NEIGHBOURS)]
    neighbours: usize,
}

impl Setting {
    /// What actions cost.
    pub(super) fn costs(&self) -> anyhow::Result<Costs> {
        let device = DEVICES.iter().find(|device| device.name == self.device).with_context(|| {
            format!("--device {:?}: one of {}", self.device, DEVICES.map(|device| device.name).join(", "))
        })?;
        let network = NETWORKS.iter().find(|network| network.name == self.network).with_context(|| {
            format!("--network {:?}: one of {}", self.network, NETWORKS.map(|network| network.name).join(", "))
        })?;
        Ok(Costs::of(device, network))
    }

    /// What a conversation may take.
    pub(super) fn budget(&self) -> anyhow::Result<Budget> {
        for (name, value) in [("--latency-budget", self.latency_budget), ("--usage-budget", self.usage_budget)] {
            ensure!(value.is_finite() && value >= 0.0, "{name} {value}: give a number of 0 or more");
        }
        Ok(Budget { seconds: self.latency_budget, usd: self.usage_budget })
    }

    /// The estimate of the response, fitted.
    pub(super) fn response(&self, train: &[Episode]) -> Response {
        Response::with_neighbours(train, self.neighbours)
    }
}

/// Trains in the published environment and writes the policy file.
pub(super) fn train(
    data: &[PathBuf],
    algorithm: Option<&str>,
    seed: u64,
    out: &Path,
    json: bool,
) -> anyhow::Result<()> {
    let table = LoggedTable::read(data)?;
    let episodes = Episode::all(&table)?;
    let algorithm = algorithm.unwrap_or("planner");
    if algorithm != "planner" {
        bail!("--algo {algorithm}: one of planner");
    }
    let (costs, response) = (Costs::default(), Response::fit(&episodes));
    let recipe = DistilRecipe { seed, ..DistilRecipe::default() };
    let bar = progress(recipe.epochs as u64, "train");
    bar.set_message("planning");
    let plan = Plan::new(&episodes, &response, &costs);
    let (ramps, network) = distil(&plan, &response, &costs, &recipe, &mut |loss| {
        bar.set_message(format!("loss {loss:.4}"));
        bar.inc(1);
    });
    bar.finish_and_clear();
    let mut policy = PublishedPolicy {
        layout: Layout::Tmo1Rc,
        ramps,
        network,
        algorithm: algorithm.into(),
        seed,
        dataset_sha256: table.sha256().into(),
        turns: table.turns().len(),
        budgets_seen: json!(NAMED_BUDGETS).to_string(),
    };
    policy.write(Weights::Int8, out)?;
    let budget = Budget::default();
    let float = evaluate(&episodes, &response, &costs, budget, false, &mut policy)?;
    let int8 = evaluate(&episodes, &response, &costs, budget, false, &mut FileChooser::load(out)?)?;
    let same = float.actions.iter().zip(&int8.actions).filter(|(a, b)| a == b).count();
    let agreement = same as f64 / float.actions.len().max(1) as f64;
    if json {
        println!(
            "{}",
            json!({
                "policy": out, "algorithm": algorithm, "seed": seed, "turns": policy.turns, "training_reward": int8.reward,
                "int8_agreement": agreement,
            })
        );
    } else {
        println!("{}: {algorithm}, {} turns, seed {seed}", out.display(), policy.turns);
        println!("  reward on the training dialogues  {:.4}", int8.reward);
        println!("  int8 plays as float               {:.1} % of the dialogues", 100.0 * agreement);
    }
    Ok(())
}
