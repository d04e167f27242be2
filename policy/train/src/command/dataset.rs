//! `dataset stats` and `dataset split`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use trimtab_train::dataset::{Table, Turn, read_dialogues};

#[derive(Subcommand, Debug)]
pub(super) enum Dataset {
    /// Checks tables and says what is in them; also tables of the published schema.
    Stats(Stats),
    /// Writes the training and the test part of a table by the ids of a results file.
    Split(Split),
}

#[derive(Args, Debug)]
pub(super) struct Split {
    /// JSON with `test_ids` and `train_ids`, each a list of dialogue numbers by seed.
    #[arg(long)]
    ids: PathBuf,
    /// Which split.
    #[arg(long)]
    seed: u64,
    /// The table.
    #[arg(long)]
    data: PathBuf,
    /// Where the training part goes.
    #[arg(long)]
    train: PathBuf,
    /// Where the test part goes.
    #[arg(long)]
    test: PathBuf,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Stats {
    /// Table files, or folders of them.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Dataset {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Stats(stats) => stats.run(),
            Self::Split(split) => split.run(),
        }
    }
}

impl Stats {
    fn run(self) -> anyhow::Result<()> {
        let loaded = read_dialogues(&self.data)?;
        let dialogues = loaded.dialogues.len();
        let turns = || loaded.dialogues.iter().flat_map(|(_, dialogue)| &dialogue.interactions);
        let mut logged: BTreeMap<String, (usize, f64)> = BTreeMap::new();
        for turn in turns().filter(|turn| turn.is_scored()) {
            let views = turn.image_index.as_ref().map_or(0, Vec::len);
            let place = if turn.action == 0 { "local".into() } else { format!("cloud, {views} views") };
            let (count, score) = logged.entry(format!("{:?}, {place}", turn.task_cat.kind())).or_default();
            (*count, *score) = (*count + 1, *score + f64::from(turn.score));
        }
        let unscored = turns().filter(|turn| !turn.is_scored()).count();
        let extended = loaded.dialogues.iter().any(|(_, dialogue)| dialogue.ran_every_action());
        let table = if extended { Some(Table::read(&self.data)?) } else { None };
        let actions = table.as_ref().map(|table| by_action(table.turns()));
        if self.json {
            let logged: BTreeMap<&String, _> = logged
                .iter()
                .map(|(what, (n, score))| (what, json!({"turns": n, "mean_score": score / *n as f64})))
                .collect();
            println!(
                "{}",
                json!({"sha256": loaded.sha256, "dialogues": dialogues, "turns": turns().count(), "unscored": unscored, "logged": logged, "actions": actions})
            );
            return Ok(());
        }
        println!("{dialogues} dialogues, {} turns, sha256 {}", turns().count(), loaded.sha256);
        if unscored > 0 {
            println!("{unscored} turns have no score and are left out");
        }
        println!();
        println!("{:<34} {:>6} {:>11}", "logged action", "turns", "mean score");
        for (what, (count, score)) in &logged {
            println!("{what:<34} {count:>6} {:>11.3}", score / *count as f64);
        }
        if let Some(actions) = actions {
            println!("\n{:<34} {:>6} {:>11}", "every action, by task", "tried", "right %");
            for (what, (count, right)) in actions {
                println!("{what:<34} {count:>6} {:>11.1}", 100.0 * right as f64 / count as f64);
            }
        }
        Ok(())
    }
}

/// How often each node with each number of views was tried and right, by task kind.
fn by_action(turns: &[Turn]) -> BTreeMap<String, (usize, usize)> {
    let mut seen: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for turn in turns {
        for tried in &turn.tried {
            let node = &turn.setting.nodes[tried.action.node.get()].name;
            let what = format!("{}, {node}, {} views", turn.kind.name(), tried.action.views.len());
            let (count, right) = seen.entry(what).or_default();
            (*count, *right) = (*count + 1, *right + usize::from(tried.right));
        }
    }
    seen
}

/// What a results file says of the splits; the rest of it is not read.
#[derive(Deserialize)]
struct Ids {
    test_ids: BTreeMap<String, Vec<u64>>,
    train_ids: BTreeMap<String, Vec<u64>>,
}

impl Split {
    fn run(self) -> anyhow::Result<()> {
        let named = |path: &Path| format!("{}: cannot be read", path.display());
        let ids: Ids = serde_json::from_slice(&fs::read(&self.ids).with_context(|| named(&self.ids))?)
            .with_context(|| format!("{}: train_ids and test_ids by seed are due", self.ids.display()))?;
        // Checked as a table, written as it came: fields that this build does not know stay.
        read_dialogues(std::slice::from_ref(&self.data))?;
        let dialogues: Vec<Value> = serde_json::from_slice(&fs::read(&self.data).with_context(|| named(&self.data))?)
            .with_context(|| named(&self.data))?;
        let part = |of: &BTreeMap<String, Vec<u64>>, field: &str| -> anyhow::Result<Vec<Value>> {
            let list = of.get(&self.seed.to_string()).with_context(|| {
                format!("{}: {field}: no seed {}; there are {:?}", self.ids.display(), self.seed, of.keys())
            })?;
            let find = |id: &u64| {
                let found = dialogues.iter().find(|dialogue| dialogue["id"].as_u64() == Some(*id));
                found.cloned().with_context(|| format!("{}: dialogue {id}: is missing", self.data.display()))
            };
            list.iter().map(find).collect()
        };
        let (train, test) = (part(&ids.train_ids, "train_ids")?, part(&ids.test_ids, "test_ids")?);
        for (path, part) in [(&self.train, &train), (&self.test, &test)] {
            fs::write(path, serde_json::to_vec(part)?)
                .with_context(|| format!("{}: cannot be written", path.display()))?;
        }
        if self.json {
            println!("{}", json!({"seed": self.seed, "train": train.len(), "test": test.len()}));
        } else {
            println!("{}: {} dialogues · {}: {}", self.train.display(), train.len(), self.test.display(), test.len());
        }
        Ok(())
    }
}
