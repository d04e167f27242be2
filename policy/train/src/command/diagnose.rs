//! `diagnose`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use trimtab_train::dataset::LoggedTable;
use trimtab_train::diagnose::{Diagnosis, Finding, Trial, diagnose, seed_variance};
use trimtab_train::published::{Budget, Costs, Episode, FileChooser, Greedy, NAMED_BUDGETS, Response, evaluate};

#[derive(Args, Debug)]
pub(super) struct Diagnose {
    /// Policy files; several that differ in their seed alone are also compared.
    #[arg(required = true)]
    policy: Vec<PathBuf>,
    /// Table files, or folders of them: what the published environment is fitted to.
    #[arg(long, required = true, num_args = 1..)]
    train: Vec<PathBuf>,
    /// Table files, or folders of them: the dialogues that are played.
    #[arg(long, required = true, num_args = 1..)]
    test: Vec<PathBuf>,
    /// Seconds and USD that a conversation may take, as in 10,0.01; may be given again. Without it 30,0.05 15,0.025 10,0.01
    /// 7,0.006 and 5,0.006.
    #[arg(long, value_parser = parse_budget)]
    budget: Vec<Budget>,
    /// Budgets are kept by the device's shield.
    #[arg(long)]
    shield: bool,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Diagnose {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (train, test) = (LoggedTable::read(&self.train)?, LoggedTable::read(&self.test)?);
        test.tasks_known_to(&train)?;
        let (train, test) = (Episode::all(&train)?, Episode::all(&test)?);
        let (costs, response) = (Costs::default(), Response::fit(&train));
        let budgets = if self.budget.is_empty() { NAMED_BUDGETS.to_vec() } else { self.budget };
        let trial =
            Trial { episodes: &test, responses: &response, costs: &costs, budgets: &budgets, shield: self.shield };
        let mut greedy = Greedy::fit(&train, &costs);
        let greedy = evaluate(&test, &response, &costs, Budget::PUBLISHED, false, &mut greedy)?.reward;
        let mut diagnoses = Vec::new();
        for path in &self.policy {
            diagnoses.push(diagnose(&trial, &mut FileChooser::load(path)?)?);
        }
        let rewards: Vec<f64> = diagnoses.iter().map(|diagnosis| diagnosis.reward).collect();
        let together = seed_variance(&rewards);
        if self.json {
            let of = |(path, found): (&PathBuf, &Diagnosis)| json!({"policy": path, "reward": found.reward, "findings": found.findings});
            let policies: Vec<_> = self.policy.iter().zip(&diagnoses).map(of).collect();
            let none_found = together.is_none() && diagnoses.iter().all(|found| found.findings.is_empty());
            let together: Vec<Finding> = together.into_iter().collect();
            println!(
                "{}",
                json!({
                    "policies": policies, "together": together, "greedy_reward": greedy, "budgets": budgets,
                    "none_found": none_found,
                })
            );
            return Ok(());
        }
        for (path, found) in self.policy.iter().zip(&diagnoses) {
            println!("{}: reward {:.3}; turn by turn greedy {greedy:.3}", path.display(), found.reward);
            print(&found.findings);
        }
        if let [_, _, ..] = rewards[..] {
            println!("{} policies together", rewards.len());
            print(together.as_slice());
        }
        Ok(())
    }
}

fn print(findings: &[Finding]) {
    if findings.is_empty() {
        println!("  none found");
    }
    for Finding { signature, evidence, remedy } in findings {
        println!("  {}: {evidence}", signature.name());
        println!("    remedy: {remedy}");
    }
}

fn parse_budget(text: &str) -> Result<Budget, String> {
    let wrong = || format!("{text:?}: write seconds,USD as in 10,0.01, each 0 or more");
    let amount = |text: &str| text.trim().parse().ok().filter(|amount: &f64| amount.is_finite() && *amount >= 0.0);
    let (seconds, usd) = text.split_once(',').ok_or_else(wrong)?;
    Ok(Budget { seconds: amount(seconds).ok_or_else(wrong)?, usd: amount(usd).ok_or_else(wrong)? })
}
