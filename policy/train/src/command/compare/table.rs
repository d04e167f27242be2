//! `compare --env trimtab`: policy files, rules and published learners on one recorded table.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::json;
use trimtab_train::dataset::{Table, Turn};
use trimtab_train::recorded::{Contender, Contest, Row, contest};
use trimtab_train::report::{Axes, Series, lines};

use super::Compare;
use crate::command::{file, progress};

impl Compare {
    /// Compares on recorded outcomes.
    pub(super) fn on_table(&self) -> anyhow::Result<()> {
        ensure!(!self.train.is_empty(), "--train: is missing; name the tables that rules and learners are fitted to");
        let (train, test) = (Table::read(&self.train)?, Table::read(&self.data)?);
        let setting = |table: &Table| {
            let setting = &table.turns()[0].setting;
            (setting.views.clone(), setting.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>())
        };
        ensure!(
            setting(&train) == setting(&test),
            "--train and --data: have other nodes or views ({:?} and {:?}); collect both with the same",
            setting(&train),
            setting(&test)
        );
        let contender =
            |path: &PathBuf| Ok(Contender { name: short(path, &self.policy), chooser: file::chooser(path, &test)? });
        let contenders = self.policy.iter().map(contender).collect::<anyhow::Result<Vec<_>>>()?;
        let (fitted, judged): (Vec<&Turn>, Vec<&Turn>) =
            (train.turns().iter().collect(), test.turns().iter().collect());
        let bar = progress(Contest::jobs(contenders.len(), self.training_seeds), "compare");
        let preference = self.preference.unwrap_or_default();
        let found = contest(&fitted, &judged, &contenders, &preference, self.training_seeds, &mut || bar.inc(1))?;
        bar.finish_and_clear();
        if let Some(path) = &self.chart {
            draw(&found, path)?;
        }
        if self.json {
            let report = json!({
                "train_sha256": train.sha256(), "data_sha256": test.sha256(), "monotone": found.is_monotone(), "contest": found,
            });
            println!("{report}");
        } else {
            print(&found);
        }
        Ok(())
    }
}

/// The file's name without folder and ending, where no other file has the same.
fn short(path: &Path, all: &[PathBuf]) -> String {
    let alike = all.iter().filter(|other| other.file_stem() == path.file_stem()).count();
    let stem = path.file_stem().filter(|_| alike == 1).map(|stem| stem.to_string_lossy().into_owned());
    stem.unwrap_or_else(|| path.display().to_string())
}

fn print(found: &Contest) {
    let [quality, association, latency, cost, energy] = found.preference.weights();
    println!("quality {quality} · association {association} · latency {latency} · cost {cost} · energy {energy}");
    println!("{} conversations, {} turns; fitted to {} others", found.conversations, found.test, found.train);
    println!(
        "\n{:<28} {:>7} {:>7}  {:>16} {:>8} {:>7} {:>7} {:>6}",
        "", "right %", "worst", "reward", "µUSD", "ms", "mJ", "views"
    );
    for row in &found.rows {
        println!(
            "{:<28} {:>7.2} {:>7.2}  {:>16} {:>8.1} {:>7.0} {:>7.1} {:>6.2}",
            row.name,
            row.right_percent,
            row.worst_right_percent,
            format!("{:.4} ± {:.3}", row.reward, row.reward_std),
            row.money_nusd / 1e3,
            row.latency_ms,
            row.energy_uj / 1e3,
            row.views
        );
    }
    println!(
        "\n{:<28} {:>8} {:>8} {:>8} {:>10}  {:>26}",
        "of cloud with every view", "right", "money", "time", "of oracle", "reward under the first"
    );
    for Row { name, of_cloud: [right, money, time], of_oracle, under_first, .. } in &found.rows {
        let under = under_first.as_ref().map_or_else(String::new, |c| {
            format!("{:+.4} [{:+.4}, {:+.4}]", c.reward.value, c.reward.low, c.reward.high)
        });
        let percent = |share: &f64| format!("{:.2} %", 100.0 * share);
        println!(
            "{name:<28} {:>8} {:>8} {:>8} {of_oracle:>10.4}  {under:>26}",
            percent(right),
            percent(money),
            percent(time)
        );
    }
    if !found.front.is_empty() {
        let word = if found.is_monotone() { "monotone" } else { "not monotone" };
        println!(
            "\n{:<28} {:>7} {:>8} {:>7} {:>7}",
            format!("weight of money ({word})"),
            "right %",
            "µUSD",
            "ms",
            "mJ"
        );
    }
    for point in &found.front {
        println!(
            "{:<28} {:>7.2} {:>8.1} {:>7.0} {:>7.1}",
            point.weight,
            point.right_percent,
            point.money_nusd / 1e3,
            point.latency_ms,
            point.energy_uj / 1e3
        );
    }
}

/// Right answers against money: the front as a line, every other way to choose as a point.
fn draw(found: &Contest, path: &Path) -> anyhow::Result<()> {
    let at = |money: f64, right: f64| (money / 1e6, right);
    let mut series: Vec<Series> = Vec::new();
    if !found.front.is_empty() {
        let points = found.front.iter().rev().map(|point| at(point.money_nusd, point.right_percent)).collect();
        series.push(Series { name: format!("{}, front", found.rows[0].name), points });
    }
    series.extend(
        found
            .rows
            .iter()
            .map(|row| Series { name: row.name.clone(), points: vec![at(row.money_nusd, row.right_percent)] }),
    );
    let axes =
        Axes { title: "What is right for the money", x: "10⁻³ USD a turn", y: "right answers, %", names: &[] };
    let svg = lines(&axes, &series)?;
    std::fs::write(path, svg).with_context(|| format!("{}: cannot be written", path.display()))
}
