//! `experiments` and `report`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;
use trimtab_train::experiment::{self, Progress, Study, study};
use trimtab_train::published::NAMED_BUDGETS;
use trimtab_train::report::{charts, page};

use super::progress;

#[derive(Args, Debug)]
pub(super) struct Experiments {
    /// The dialogues, in the M4A1 schema.
    #[arg(long)]
    data: PathBuf,
    /// JSON with `test_ids` and `train_ids`, each a list of dialogue numbers by split.
    #[arg(long)]
    ids: PathBuf,
    /// Training seeds of each split.
    #[arg(long, default_value_t = 5)]
    training_seeds: u64,
    /// Steps of each training of a published learner.
    #[arg(long, default_value_t = 30_000)]
    steps: usize,
    /// A table of your own, file or folder, in which every action was run: shows what carries over from the dialogues to it and back.
    #[arg(long)]
    own: Option<PathBuf>,
    /// Another one to judge on; without it a fifth of the first is held out.
    #[arg(long, requires = "own")]
    own_held_out: Option<PathBuf>,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Report {
    #[command(flatten)]
    experiments: Experiments,
    /// Folder for report.html, the charts as SVG and results.json.
    #[arg(long)]
    out: PathBuf,
}

impl Experiments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let study = self.study()?;
        if self.json {
            println!("{}", serde_json::to_string(&study)?);
        } else {
            print(&study);
        }
        Ok(())
    }

    fn study(&self) -> anyhow::Result<Study> {
        let args = experiment::Args {
            data: self.data.clone(),
            ids: self.ids.clone(),
            training_seeds: self.training_seeds.max(1),
            steps: self.steps.max(1),
            own: self.own.clone(),
            own_held_out: self.own_held_out.clone(),
        };
        let bar = progress(0, "experiments");
        let watch = |now: Progress| match now {
            Progress::More(jobs) => bar.inc_length(jobs as u64),
            Progress::Done => bar.inc(1),
        };
        let study = study(&args, &watch)?;
        bar.finish_and_clear();
        Ok(study)
    }
}

impl Report {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let study = self.experiments.study()?;
        let charts = charts(&study)?;
        fs::create_dir_all(&self.out).with_context(|| format!("{}: cannot be made", self.out.display()))?;
        let write = |name: &str, text: &str| {
            let path: &Path = &self.out.join(name);
            fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
        };
        for chart in &charts {
            write(&format!("{}.svg", chart.name), &chart.svg)?;
        }
        write("results.json", &serde_json::to_string(&study)?)?;
        write("report.html", &page(&study, &charts))?;
        if self.experiments.json {
            println!("{}", json!({"out": self.out, "charts": charts.len(), "verdicts": study.verdicts}));
        } else {
            print(&study);
            println!("\n{}: open it in a browser", self.out.join("report.html").display());
        }
        Ok(())
    }
}

fn print(study: &Study) {
    for budget in NAMED_BUDGETS {
        println!("\n{} s, {} USD a conversation", budget.seconds, budget.usd);
        println!(
            "{:<34} {:>17} {:>10} {:>9} {:>9} {:>7} {:>7}",
            "", "reward", "worst seed", "s", "10⁻³ USD", "over s", "over $"
        );
        for row in study.rows.iter().filter(|row| row.budget == budget && !row.method.starts_with("constant")) {
            let name = if row.shielded { format!("{}, shield", row.method) } else { row.method.clone() };
            let reward = format!("{:.4} ± {:.3}", row.reward.mean, row.reward.std);
            println!(
                "{name:<34} {reward:>17} {:>10.4} {:>9.2} {:>9.3} {:>5.1} % {:>5.1} %",
                row.worst_seed,
                row.latency_s,
                row.usage_usd * 1e3,
                100.0 * row.over_latency,
                100.0 * row.over_usage
            );
        }
    }
    println!();
    for pair in &study.paired {
        println!(
            "{} less {:<12} {:+.4} [{:+.4}, {:+.4}]",
            pair.of, pair.against, pair.difference.value, pair.difference.low, pair.difference.high
        );
    }
    println!("\n{:<34} {:>8} {:>20} {:>20} {:>6}", "both yardsticks", "reward", "snips", "dr", "n eff");
    for judged in &study.judged {
        let own = &judged.logged;
        println!(
            "{:<34} {:>8.4} {:>20} {:>20} {:>6.1}",
            judged.method,
            judged.reward.mean,
            format!("{:.3} [{:.2}, {:.2}]", own.snips, own.snips_low, own.snips_high),
            format!("{:.3} [{:.2}, {:.2}]", own.dr, own.dr_low, own.dr_high),
            own.effective_n
        );
    }
    println!();
    for verdict in &study.verdicts {
        println!("{} {}: {}", if verdict.holds { "yes" } else { "NO " }, verdict.claim, verdict.because);
    }
}
