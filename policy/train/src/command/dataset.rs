//! `dataset stats`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use trimtab_train::dataset::{Table, Turn, read_dialogues};

#[derive(Subcommand, Debug)]
pub(super) enum Dataset {
    /// Checks tables and says what is in them; also tables of the published schema.
    Stats(Stats),
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
        let Self::Stats(stats) = self;
        stats.run()
    }
}

impl Stats {
    fn run(self) -> anyhow::Result<()> {
        let loaded = read_dialogues(&self.data)?;
        let dialogues = loaded.dialogues.len();
        let turns = || loaded.dialogues.iter().flat_map(|(_, dialogue)| &dialogue.interactions);
        let mut logged: BTreeMap<String, (usize, f64)> = BTreeMap::new();
        for turn in turns() {
            let views = turn.image_index.as_ref().map_or(0, Vec::len);
            let place = if turn.action == 0 { "local".into() } else { format!("cloud, {views} views") };
            let (count, score) = logged.entry(format!("{:?}, {place}", turn.task_cat.kind())).or_default();
            (*count, *score) = (*count + 1, *score + f64::from(turn.score));
        }
        let extended = loaded.dialogues.iter().any(|(_, dialogue)| dialogue.trimtab.is_some());
        let table = if extended { Some(Table::read(&self.data)?) } else { None };
        let actions = table.as_ref().map(|table| by_action(table.turns()));
        if self.json {
            let logged: BTreeMap<&String, _> = logged
                .iter()
                .map(|(what, (n, score))| (what, json!({"turns": n, "mean_score": score / *n as f64})))
                .collect();
            println!(
                "{}",
                json!({"sha256": loaded.sha256, "dialogues": dialogues, "turns": turns().count(), "logged": logged, "actions": actions})
            );
            return Ok(());
        }
        println!("{dialogues} dialogues, {} turns, sha256 {}\n", turns().count(), loaded.sha256);
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
