//! `collect --device`.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::json;
use trimtab_bridge::ApiKey;
use trimtab_train::dataset::{LoggedTable, Table, shard_path, write_shard};
use trimtab_train::robot::conversation::collect;
use trimtab_train::robot::folder::{collected, number};
use trimtab_train::robot::judge::{Budget, Judge, Terms, parse_prices};
use trimtab_train::robot::prompts::{self, Conversation};
use trimtab_train::robot::runtime::Runtime;
use trimtab_train::robot::score::{Scorer, Tally, score};
use trimtab_train::robot::{Plan, RobotError};
use trimtab_wire::price::Prices;

use crate::command::progress;
use crate::command::prompts::encoder;

/// Bytes of the name that a score's source can have, less those of `judge:`.
const MODEL_BYTES_MAX: usize = trimtab_ledger::SOURCE_BYTES_MAX - "judge:".len();

/// Who scores.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Who {
    Judge(String),
    Feedback,
    Expected,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "From a running device")]
pub(super) struct Device {
    /// URL of its local API, as in http://127.0.0.1:8088; it has to be configured with explore = true under [api].
    #[arg(long, requires = "prompts")]
    device: Option<String>,
    /// What is said to it: one JSON object a line, {"conversation": "kitchen-1", "prompt": "…", "task": "query", "expected": "off"};
    /// the last two may be left out.
    #[arg(long, requires = "device")]
    prompts: Option<PathBuf>,
    /// Views that are kept and may be uploaded, by the names of their cameras; without it all that the device has.
    #[arg(long, value_delimiter = ',', requires = "device")]
    cameras: Vec<String>,
    /// Asks for every action of each turn, so that all outcomes are known; without it one, drawn at random with known propensity.
    #[arg(long, requires = "device")]
    every_action: bool,
    /// Of the draws of actions and judged turns.
    #[arg(long, default_value_t = 1, requires = "device")]
    seed: u64,
    /// Folder of the device's text encoder; without it the shipped one.
    #[arg(long, requires = "device")]
    encoder: Option<PathBuf>,
    /// Who scores the answers: judge:URL, a model behind an OpenAI-compatible endpoint, up to and without /chat/completions;
    /// feedback, the device's user; or expected, the right answers of the file. Turns without a score are kept, and scored when
    /// the same command runs again.
    #[arg(long, value_parser = parse_scorer, default_value = "feedback", requires = "device")]
    scorer: Who,
    /// The judge, as its endpoint calls it.
    #[arg(long, requires = "device")]
    judge_model: Option<String>,
    /// Environment variable with the key of the judge's endpoint.
    #[arg(long, requires = "device")]
    judge_key_env: Option<String>,
    /// Of the turns, how many the judge gets.
    #[arg(long, value_parser = parse_share, default_value = "1", requires = "device")]
    judge_share: f32,
    /// What the judge may take in this run: calls as in 200, or money as in 0.5USD, by --judge-prices.
    #[arg(long, requires = "device")]
    judge_budget: Option<Budget>,
    /// USD for a million tokens of prompt and of answer, as in 0.15,0.6.
    #[arg(long, value_parser = parse_prices, requires = "device")]
    judge_prices: Option<Prices>,
}

impl Device {
    pub(super) fn run(self, out: &Path, json: bool) -> anyhow::Result<()> {
        let (Some(url), Some(path)) = (&self.device, &self.prompts) else {
            anyhow::bail!("--device and --prompts go together");
        };
        let conversations = prompts::read(path)?;
        let mut scorer = self.scorer()?;
        let encoder = encoder(self.encoder.as_deref())?;
        let runtime = Runtime::at(url)?;
        let threads = tokio::runtime::Runtime::new().context("no threads to run on")?;
        let facts = threads.block_on(runtime.facts())?;
        let plan = Plan::new(&facts, url, &encoder, &self.cameras, self.seed, self.every_action)?;
        let mut missing: Vec<(u64, &Conversation)> = Vec::new();
        for (place, conversation) in conversations.iter().enumerate() {
            if collected(out, place, conversation)?.is_none() {
                missing.push((number(place), conversation));
            }
        }
        let turns: usize = missing.iter().map(|(_, conversation)| conversation.turns.len()).sum();
        let bar = progress(turns as u64, "collect");
        let mut left_out = 0;
        for (number, conversation) in &missing {
            bar.set_message(conversation.name.clone());
            let conversation = threads.block_on(async {
                // Nodes come and go while a long file is worked through.
                let facts = runtime.facts().await?;
                collect(&runtime, &facts, &plan, *number, conversation, &encoder, &mut || bar.inc(1)).await
            })?;
            left_out += conversation.left_out;
            write_shard(out, *number, &conversation.dialogue)?;
        }
        bar.finish_and_clear();
        let bar = progress(conversations.len() as u64, "score");
        let tally = threads.block_on(score(&runtime, out, &conversations, &mut scorer, &mut || bar.inc(1)))?;
        bar.finish_and_clear();
        let sha256 = read_back(out, &conversations, &tally)?;
        let (calls, spent) = match &scorer {
            Scorer::Judge(judge) => (judge.calls(), judge.spent()),
            Scorer::Feedback | Scorer::Expected => (0, trimtab_core::Usd::ZERO),
        };
        if json {
            let report = json!({
                "table": out, "device": facts.name, "collected": missing.len(), "turns": tally.scored + tally.unscored,
                "scored": tally.scored, "unscored": tally.unscored, "left_out": left_out, "judge_calls": calls,
                "judge_nusd": spent.nano(), "told": tally.told, "untold": tally.untold, "sha256": sha256,
            });
            println!("{report}");
            return Ok(());
        }
        println!(
            "{}: {} conversations new, {} turns in all",
            out.display(),
            missing.len(),
            tally.scored + tally.unscored
        );
        println!("  {} turns scored; {} are not, and training leaves them out", tally.scored, tally.unscored);
        println!("  {left_out} actions did not run as asked and are left out");
        println!(
            "  {calls} calls of a judge, {spent}; the device took {} scores and refused {}",
            tally.told, tally.untold
        );
        if let Some(sha256) = sha256 {
            println!("  sha256 {sha256}");
        }
        Ok(())
    }

    fn scorer(&self) -> anyhow::Result<Scorer> {
        let url = match &self.scorer {
            Who::Feedback => return Ok(Scorer::Feedback),
            Who::Expected => return Ok(Scorer::Expected),
            Who::Judge(url) => url.clone(),
        };
        let model = self.judge_model.clone().context("--judge-model: is missing; name the model that judges")?;
        ensure!(
            (1..=MODEL_BYTES_MAX).contains(&model.len()),
            "--judge-model: {} bytes; 1 to {MODEL_BYTES_MAX} fit a score's source",
            model.len()
        );
        ensure!(
            self.judge_prices.is_some() || !matches!(self.judge_budget, Some(Budget::Money(_))),
            "--judge-budget: money needs --judge-prices, as in --judge-prices 0.15,0.6"
        );
        let key = |name: &String| {
            std::env::var(name)
                .with_context(|| format!("--judge-key-env: variable {name} is not set in the environment"))
        };
        let key = self.judge_key_env.as_ref().map(key).transpose()?.map(ApiKey);
        let (share, budget, prices, seed) = (self.judge_share, self.judge_budget, self.judge_prices, self.seed);
        Ok(Scorer::Judge(Box::new(Judge::new(Terms { url, model, key, share, budget, prices, seed })?)))
    }
}

/// A table that was written is a table that reads back: its sha256. None where nothing in it has a score yet.
fn read_back(out: &Path, conversations: &[Conversation], tally: &Tally) -> Result<Option<String>, RobotError> {
    if tally.scored == 0 {
        return Ok(None);
    }
    let files: Vec<PathBuf> = (0..conversations.len()).map(|place| shard_path(out, number(place))).collect();
    let one_action = collected(out, 0, &conversations[0])?
        .and_then(|dialogue| dialogue.trimtab)
        .is_some_and(|setting| setting.one_action);
    let sha256 =
        if one_action { LoggedTable::read(&files)?.sha256().into() } else { Table::read(&files)?.sha256().into() };
    Ok(Some(sha256))
}

fn parse_scorer(text: &str) -> Result<Who, String> {
    match (text, text.strip_prefix("judge:")) {
        ("feedback", _) => Ok(Who::Feedback),
        ("expected", _) => Ok(Who::Expected),
        (_, Some(url)) if !url.is_empty() => Ok(Who::Judge(url.into())),
        _ => Err(format!("{text:?}: one of judge:URL, feedback, expected")),
    }
}

fn parse_share(text: &str) -> Result<f32, String> {
    let share: f32 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("{share} is outside 0 to 1")) }
}
