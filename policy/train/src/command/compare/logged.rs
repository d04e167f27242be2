//! `compare --env logged`: every policy on one log.

use anyhow::Context;
use trimtab_core::observation::Layout;
use trimtab_engine::PolicyFile;
use trimtab_train::choose::Chooser;
use trimtab_train::dataset::{LoggedTable, Turn};
use trimtab_train::estimator::{Kind, Prompts};
use trimtab_train::logged::charge::Charges;
use trimtab_train::logged::distil::{Source, learning, preference_of};
use trimtab_train::logged::file::{on_candidates, on_states};
use trimtab_train::logged::front::{Comparison, Contender, Point, compare};
use trimtab_train::logged::recipe::{Owner, Recipe, greedy};
use trimtab_train::published::{Budget, Costs, Episode, FileChooser};

use super::Compare;
use crate::command::file::view_threshold;
use crate::command::{progress, prompts};

impl Compare {
    /// Compares on logged scores.
    pub(super) fn on_log(&self) -> anyhow::Result<()> {
        let log = LoggedTable::read(&self.data)?;
        let (charges, none, recipe) = (Charges::default(), Prompts::new(), Recipe::default());
        let others = self.others(&log, &charges, &recipe)?;
        let published = greedy(Kind::Neighbours, log.turns(), &charges, &none);
        let found = compare(log.turns(), recipe, &none, &published, &others, self.seed);
        if self.json {
            println!("{}", serde_json::to_string(&found)?);
        } else {
            print(&found);
        }
        Ok(())
    }

    /// What sees vectors of the questions, or comes from a file.
    fn others(&self, log: &LoggedTable, charges: &Charges, recipe: &Recipe) -> anyhow::Result<Vec<Contender>> {
        let files: Vec<(String, PolicyFile)> = self
            .policy
            .iter()
            .map(|path| Ok((path.display().to_string(), PolicyFile::load(path)?)))
            .collect::<anyhow::Result<_>>()?;
        let mut others = Vec::new();
        for (path, (policy, file)) in self.policy.iter().zip(&files) {
            if file.layout() != Layout::Trimtab1 {
                Episode::all(log)?;
                let (costs, budget) = (Costs::default(), Budget::default());
                let choices = on_states(log.turns(), &mut FileChooser::load(path)?, None, &costs, budget)?;
                others.push(Contender { policy: policy.clone(), in_sample: true, choices });
            }
        }
        let sighted: Vec<&(String, PolicyFile)> =
            files.iter().filter(|(_, file)| file.layout() == Layout::Trimtab1).collect();
        if sighted.is_empty() && !self.distilled {
            return Ok(others);
        }
        let encoder = prompts::encoder(self.encoder.as_deref())?;
        let vectors = prompts::embed(&encoder, &[log])?;
        let source = Source::new(log, charges, &encoder.fingerprint().to_string(), &vectors);
        let turns: Vec<&Turn> = source.table().turns().iter().collect();
        for (policy, file) in sighted {
            file.check_encoder(&encoder.fingerprint())?;
            let preference = preference_of(file).with_context(|| policy.clone())?.unwrap_or_default();
            let view_threshold = view_threshold(file, policy.as_ref())?;
            let chooser = Chooser::File { file: Box::new(file.clone()), view_threshold };
            let choices = on_candidates(&turns, &chooser, &preference)?;
            others.push(Contender { policy: policy.clone(), in_sample: true, choices });
        }
        if self.distilled {
            let dialogues = turns.chunk_by(|a, b| a.dialogue == b.dialogue).count();
            let bar = progress(dialogues as u64, "distil");
            let choices = source.left_out_choices(recipe, &learning(self.seed), &mut || bar.inc(1))?;
            bar.finish_and_clear();
            others.push(Contender { policy: "recipe, distilled".into(), in_sample: false, choices });
        }
        Ok(others)
    }
}

fn print(found: &Comparison) {
    println!("{:<34} {:>20} {:>20} {:>6}  {:>22}", "", "snips", "dr", "n eff", "snips over greedy");
    for row in &found.rows {
        let (e, over) = (&row.evaluation, &row.over_greedy.snips);
        println!(
            "{:<34} {:>20} {:>20} {:>6.1}  {:>22}{}",
            row.policy,
            format!("{:.3} [{:.2}, {:.2}]", e.snips, e.snips_low, e.snips_high),
            format!("{:.3} [{:.2}, {:.2}]", e.dr, e.dr_low, e.dr_high),
            e.effective_n,
            format!("{:+.3} [{:+.2}, {:+.2}]", over.value, over.low, over.high),
            if row.in_sample { "  in sample" } else { "" },
        );
    }
    println!("\n{:<34} {:>8} {:>10} {:>14} {:>10}", "means a turn", "s", "USD", "log's views: s", "USD");
    for row in &found.rows {
        let e = &row.evaluation;
        println!(
            "{:<34} {:>8.2} {:>10.5} {:>14.2} {:>10.5}",
            row.policy, e.latency_s, e.usage_usd, e.matched_latency_s, e.matched_usage_usd
        );
    }
    println!("\n{:<34} {:>8} {:>10} {:>7} {:>7}", "the recipe for other owners", "s", "USD", "snips", "dr");
    for Point { owner, evaluation: e } in found.by_limit.iter().chain(&found.by_weight) {
        let owner = match owner {
            Owner::ShareOfGreedy(share) => format!("{:.0} % of the greedy's charge", 100.0 * share),
            Owner::Weights(weights) => format!("weights {}, {}", weights.latency, weights.usage),
            Owner::Limit(limit) => format!("{} s, {} USD", limit.latency_s, limit.usage_usd),
        };
        println!("{owner:<34} {:>8.2} {:>10.5} {:>7.3} {:>7.3}", e.latency_s, e.usage_usd, e.snips, e.dr);
    }
}
