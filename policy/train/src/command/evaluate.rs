//! `evaluate`.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;
use trimtab_core::Preference;
use trimtab_engine::PolicyFile;
use trimtab_train::choose::{Chooser, TaskTable};
use trimtab_train::dataset::{Table, Turn};
use trimtab_train::evaluate::{Comparison, Report, evaluate};
use trimtab_train::learn::untrained;
use trimtab_train::policy::Policy;

use super::{parse_preference, progress};

/// A way to choose that needs no policy file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Algorithm {
    /// Always local.
    Local,
    /// Always the best cloud node with every view.
    Cloud,
    /// Any action.
    Random,
    /// One action for each task kind, the best on the fit data.
    Table,
    /// A policy whose weights are random.
    RandomWeights,
    /// The documented default rule.
    Default,
    /// The best action in hindsight.
    Oracle,
}

#[derive(Args, Debug)]
pub(super) struct Evaluate {
    /// Table files, or folders of them: the turns to choose for.
    #[arg(long, required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Turns that the task table is fitted to; without them, the turns of --data, which flatters the table.
    #[arg(long, num_args = 1..)]
    fit_data: Vec<PathBuf>,
    /// A policy file; compared with every other way.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// Other ways to choose.
    #[arg(long, value_delimiter = ',', num_args = 1.., default_value = "local,cloud,random,table,random-weights,default,oracle")]
    algo: Vec<Algorithm>,
    /// Of random choices and random weights.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Weights of the decision, as in quality=1,latency=0.3.
    #[arg(long, value_parser = parse_preference, default_value = "")]
    preference: Preference,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let table = Table::read(&self.data)?;
        let fit = if self.fit_data.is_empty() { None } else { Some(Table::read(&self.fit_data)?) };
        let fit = fit.as_ref().unwrap_or(&table);
        let turns: Vec<&Turn> = table.turns().iter().collect();
        let bar = progress((self.algo.len() + 1) as u64, "evaluate");
        let mut reports = Vec::new();
        if let Some(path) = &self.policy {
            reports.push(evaluate(&self.file(path, &table)?, "policy", &turns, &self.preference)?);
        }
        bar.inc(1);
        for algorithm in &self.algo {
            let chooser = self.chooser(*algorithm, fit);
            let name = algorithm.to_possible_value().map_or_else(String::new, |value| value.get_name().into());
            reports.push(evaluate(&chooser, &name, &turns, &self.preference)?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let first = reports.first().context("nothing to evaluate: give --policy or --algo")?;
        let comparisons: Vec<Comparison> = reports[1..].iter().map(|other| first.against(other)).collect();
        let actions = TaskTable::fit(&fit.turns().iter().collect::<Vec<_>>(), &self.preference);
        if self.json {
            let report = json!({
                "dataset_sha256": table.sha256(), "preference": self.preference, "reports": reports,
                "comparisons": comparisons, "task_table": actions.describe(&fit.turns()[0]),
            });
            println!("{report}");
        } else {
            print(&reports, &comparisons, &self.preference);
            for (task, action) in actions.describe(&fit.turns()[0]) {
                println!("task table: {task:<15} {action}");
            }
        }
        Ok(())
    }

    fn file(&self, path: &Path, table: &Table) -> anyhow::Result<Chooser> {
        let file = PolicyFile::load(path)?;
        let trained = file.metadata("encoder_sha256").unwrap_or_default();
        ensure!(
            trained == table.encoder_sha256(),
            "{}: trained with encoder {trained}, the table was collected with {}",
            path.display(),
            table.encoder_sha256()
        );
        let threshold = file.metadata("view_threshold").map_or(Ok(0.0), str::parse);
        let view_threshold = threshold.with_context(|| format!("{}: view_threshold is no number", path.display()))?;
        Ok(Chooser::File { file: Box::new(file), view_threshold })
    }

    fn chooser(&self, algorithm: Algorithm, fit: &Table) -> Chooser {
        match algorithm {
            Algorithm::Local => Chooser::Local,
            Algorithm::Cloud => Chooser::CloudAll,
            Algorithm::Random => Chooser::Random { seed: self.seed },
            Algorithm::Table => {
                let turns: Vec<&Turn> = fit.turns().iter().collect();
                Chooser::TaskTable(TaskTable::fit(&turns, &self.preference))
            }
            Algorithm::RandomWeights => {
                Chooser::Policy(Box::new(Policy::random(&untrained(fit, self.seed), self.seed)))
            }
            Algorithm::Default => Chooser::DefaultRule,
            Algorithm::Oracle => Chooser::Oracle,
        }
    }
}

fn print(reports: &[Report], comparisons: &[Comparison], preference: &Preference) {
    let [quality, association, latency, cost, energy] = preference.weights();
    println!("quality {quality} · association {association} · latency {latency} · cost {cost} · energy {energy}");
    println!("{} turns; intervals are 95 % bootstrap\n", reports.first().map_or(0, |report| report.turns));
    println!(
        "{:<15} {:>20} {:>7} {:>8} {:>9} {:>8} {:>9} {:>8} {:>6}",
        "", "right %", "w.views", "reward", "µUSD", "ms", "bytes", "mJ", "views"
    );
    for report in reports {
        let right = &report.right_percent;
        let interval = format!("{:.1} [{:.1}, {:.1}]", right.mean, right.low, right.high);
        println!(
            "{:<15} {interval:>20} {:>7.1} {:>8.4} {:>9.1} {:>8.0} {:>9.0} {:>8.1} {:>6.2}",
            report.name,
            report.right_percent_view_dependent,
            report.reward.mean,
            report.money_nusd / 1e3,
            report.latency_ms,
            report.bytes_up,
            report.energy_uj / 1e3,
            report.views,
        );
    }
    println!();
    for report in reports {
        let shares: Vec<String> =
            report.node_percent.iter().map(|(node, share)| format!("{node} {share:.1} %")).collect();
        println!("{:<15} {}", report.name, shares.join(" · "));
    }
    println!();
    for c in comparisons {
        println!(
            "{} less {:<15} right {:+.1} points [{:+.1}, {:+.1}] · reward {:+.4} [{:+.4}, {:+.4}]",
            c.of,
            c.against,
            c.right_points.mean,
            c.right_points.low,
            c.right_points.high,
            c.reward.mean,
            c.reward.low,
            c.reward.high
        );
    }
    println!();
}
