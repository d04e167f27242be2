//! `collect`: from rendered scenes, or from a running device.

mod device;

use std::ops::Range;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::json;
use trimtab_scenes::Split;
use trimtab_train::collect::{Plan, collect};
use trimtab_train::dataset::{Table, shard_path, write_shard};

use super::progress;

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Scenes {
    /// For training.
    Train,
    /// For evaluation: other scenes, combinations and phrasings.
    HeldOut,
}

const EXAMPLES: &str = "Examples:
  trimtab-lab collect --seeds 1..41 --turns 40 --out table
  trimtab-lab collect --device http://127.0.0.1:8088 --prompts prompts.jsonl --scorer expected --every-action --out table";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Collect {
    /// One dialogue for each seed from the first up to, not including, the last, as in 1..31.
    #[arg(long, value_parser = parse_seeds, required_unless_present = "device", conflicts_with = "device")]
    seeds: Option<Range<u64>>,
    /// Turns of each dialogue.
    #[arg(long, default_value_t = 40, conflicts_with = "device")]
    turns: usize,
    /// Which scenes and prompts.
    #[arg(long, value_enum, default_value_t = Scenes::Train, conflicts_with = "device")]
    scenes: Scenes,
    /// A network of models/shipped/cloud-profile.toml; without it the primary one.
    #[arg(long, conflicts_with = "device")]
    network: Option<String>,
    /// A price table of the same file; without it the primary one.
    #[arg(long, conflicts_with = "device")]
    prices: Option<String>,
    #[command(flatten)]
    device: device::Device,
    /// Folder of the table: one file for each seed or conversation. Those that are there already are not run again.
    #[arg(long)]
    out: PathBuf,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Collect {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Some(seeds) = self.seeds else { return self.device.run(&self.out, self.json) };
        let split = match self.scenes {
            Scenes::Train => Split::Train,
            Scenes::HeldOut => Split::HeldOut,
        };
        let mut plan = Plan::shipped(split, self.turns)?;
        if let Some(network) = &self.network {
            plan.settings.network.clone_from(network);
        }
        if let Some(prices) = &self.prices {
            plan.settings.prices.clone_from(prices);
        }
        let encoder = plan.encoder()?;
        let runtime = tokio::runtime::Runtime::new().context("no threads to run on")?;
        let missing: Vec<u64> = seeds.filter(|seed| !shard_path(&self.out, *seed).exists()).collect();
        let bar = progress((missing.len() * plan.turns) as u64, "collect");
        let mut left_out = 0;
        for seed in &missing {
            bar.set_message(format!("seed {seed}"));
            let collected = runtime.block_on(Box::pin(collect(&plan, *seed, &encoder, &mut || bar.inc(1))))?;
            left_out += collected.left_out;
            write_shard(&self.out, *seed, &collected.dialogue)?;
        }
        bar.finish_and_clear();
        // A table that was written is a table that reads back.
        let table = Table::read(std::slice::from_ref(&self.out))?;
        let turns = table.turns().len();
        if self.json {
            let report = json!({
                "table": self.out, "collected": missing.len(), "turns": turns, "left_out": left_out, "sha256": table.sha256(),
            });
            println!("{report}");
        } else {
            println!(
                "{}: {} dialogues new, {turns} turns in all, sha256 {}",
                self.out.display(),
                missing.len(),
                table.sha256()
            );
            println!("  {left_out} actions did not run as asked and are left out");
        }
        Ok(())
    }
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text:?}: write first..last, as in 1..31");
    let (first, last) = text.split_once("..").ok_or_else(wrong)?;
    let range = first.parse().map_err(|_| wrong())?..last.parse().map_err(|_| wrong())?;
    if range.is_empty() { Err(format!("{text:?}: the last must be above the first")) } else { Ok(range) }
}
