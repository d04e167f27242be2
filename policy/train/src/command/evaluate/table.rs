//! `evaluate --env trimtab`: off a recorded table in which every action was run.

use anyhow::{Context, bail};
use serde_json::json;
use trimtab_core::Preference;
use trimtab_train::choose::{Chooser, TaskTable};
use trimtab_train::dataset::{Table, Turn};
use trimtab_train::evaluate::{Comparison, Report, evaluate};
use trimtab_train::learn::untrained;
use trimtab_train::policy::Policy;

use super::{Algorithm, Evaluate, llm, names};
use crate::command::{file, progress};

/// The ways that a recorded table can be chosen from.
const ALL: [Algorithm; 7] = [
    Algorithm::Local,
    Algorithm::Cloud,
    Algorithm::Random,
    Algorithm::Table,
    Algorithm::RandomWeights,
    Algorithm::Default,
    Algorithm::Oracle,
];

impl Evaluate {
    /// Compares ways to choose.
    pub(super) fn on_table(&self) -> anyhow::Result<()> {
        let table = Table::read(&self.test)?;
        let preference = self.preference.unwrap_or_default();
        let fit = if self.train.is_empty() { None } else { Some(Table::read(&self.train)?) };
        let fit = fit.as_ref().unwrap_or(&table);
        let turns: Vec<&Turn> = table.turns().iter().collect();
        let algorithms = if self.algo.is_empty() { &ALL[..] } else { &self.algo };
        let bar = progress((algorithms.len() + 1) as u64, "evaluate");
        let mut reports = Vec::new();
        if let Some(path) = &self.policy {
            reports.push(evaluate(&file::chooser(path, &table)?, "policy", &turns, &preference)?);
        }
        bar.inc(1);
        let mut asked = None;
        for algorithm in algorithms {
            let chooser = match algorithm {
                Algorithm::Llm => {
                    let (chooser, counts) = self.llm.on_table(&turns, &preference, &bar)?;
                    asked = Some(counts);
                    chooser
                }
                other => self.chooser(*other, fit, &preference)?,
            };
            reports.push(evaluate(&chooser, &algorithm.to_string(), &turns, &preference)?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let first = reports.first().context("nothing to evaluate: give --policy or --algo")?;
        let comparisons: Vec<Comparison> = reports[1..].iter().map(|other| first.against(other)).collect();
        let actions = TaskTable::fit(&fit.turns().iter().collect::<Vec<_>>(), &preference);
        if self.json {
            let report = json!({
                "dataset_sha256": table.sha256(), "preference": preference, "reports": reports,
                "comparisons": comparisons, "task_table": actions.describe(&fit.turns()[0]), "llm": asked,
            });
            println!("{report}");
        } else {
            print(&reports, &comparisons, &preference);
            if let Some(counts) = asked {
                llm::print(&counts);
            }
            for (task, action) in actions.describe(&fit.turns()[0]) {
                println!("task table: {task:<15} {action}");
            }
        }
        Ok(())
    }

    fn chooser(&self, algorithm: Algorithm, fit: &Table, preference: &Preference) -> anyhow::Result<Chooser> {
        Ok(match algorithm {
            Algorithm::Local => Chooser::Local,
            Algorithm::Cloud => Chooser::CloudAll,
            Algorithm::Random => Chooser::Random { seed: self.seed },
            Algorithm::Table => {
                let turns: Vec<&Turn> = fit.turns().iter().collect();
                Chooser::TaskTable(TaskTable::fit(&turns, preference))
            }
            Algorithm::RandomWeights => {
                Chooser::Policy(Box::new(Policy::random(&untrained(fit, self.seed), self.seed)))
            }
            Algorithm::Default => Chooser::DefaultRule,
            Algorithm::Oracle => Chooser::Oracle,
            Algorithm::Greedy
            | Algorithm::Constant(_)
            | Algorithm::Text
            | Algorithm::Image
            | Algorithm::Recipe
            | Algorithm::Llm => {
                bail!("--algo {algorithm}: is of another environment; off a table there are {}", names(&ALL))
            }
        })
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
        let interval = format!("{:.1} [{:.1}, {:.1}]", right.value, right.low, right.high);
        println!(
            "{:<15} {interval:>20} {:>7.1} {:>8.4} {:>9.1} {:>8.0} {:>9.0} {:>8.1} {:>6.2}",
            report.name,
            report.right_percent_view_dependent,
            report.reward.value,
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
            c.right_points.value,
            c.right_points.low,
            c.right_points.high,
            c.reward.value,
            c.reward.low,
            c.reward.high
        );
    }
    println!();
}
