//! `evaluate --env logged`: off-policy, on the scores of a log.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use trimtab_core::Action;
use trimtab_core::observation::Layout;
use trimtab_engine::PolicyFile;
use trimtab_train::choose::Chooser;
use trimtab_train::dataset::{Class, LoggedTable, LoggedTurn, Turn, cloud};
use trimtab_train::estimator::{Kind, Prompts};
use trimtab_train::logged::baseline::{Greedy, constant};
use trimtab_train::logged::candidates::{NODES, candidates};
use trimtab_train::logged::charge::Charges;
use trimtab_train::logged::distil::preference_of;
use trimtab_train::logged::evaluation::held_out;
use trimtab_train::logged::file::{on_candidates, on_states};
use trimtab_train::logged::recipe::Recipe;
use trimtab_train::published::{Episode, FileChooser, VIEWS};

use super::{Algorithm, Evaluate, names};
use crate::command::file::view_threshold;
use crate::command::prompts::{embed, encoder};

/// The ways to choose in a log that have a name.
const ALL: [Algorithm; 5] = [Algorithm::Local, Algorithm::Text, Algorithm::Image, Algorithm::Greedy, Algorithm::Recipe];

impl Evaluate {
    /// Scores what a policy would have chosen in the test turns.
    pub(super) fn logged(&self) -> anyhow::Result<()> {
        ensure!(
            !self.train.is_empty(),
            "--train: is missing; propensities and models are fitted to training dialogues"
        );
        let (train, test) = (LoggedTable::read(&self.train)?, LoggedTable::read(&self.test)?);
        test.tasks_known_to(&train)?;
        let charges = Charges::of_profile(&self.setting.costs()?);
        let choices = match (&self.policy, self.algo.as_slice()) {
            (Some(path), []) => self.of_file(path, &test, &charges)?,
            (None, [algorithm]) => of_algorithm(*algorithm, &train, &test, &charges)?,
            _ => bail!("give either --policy or one --algo; off a log one is scored at a time"),
        };
        let found = held_out(&train, &test, &choices, Kind::ShrunkMeans, &Prompts::new(), &charges, self.seed)?;
        if self.json {
            println!("{}", serde_json::to_string(&found)?);
            return Ok(());
        }
        println!(
            "{} turns of {} dialogues, {} of them logged as chosen, effective {:.1}; means a turn, intervals 95 %",
            found.turns, found.dialogues, found.matched, found.effective_n
        );
        println!("  snips    {:.3} [{:.3}, {:.3}]", found.snips, found.snips_low, found.snips_high);
        println!("  dr       {:.3} [{:.3}, {:.3}]", found.dr, found.dr_low, found.dr_high);
        println!("  latency  {:.2} s, with the views of the log {:.2} s", found.latency_s, found.matched_latency_s);
        println!("  usage    {:.5} USD, with the views of the log {:.5} USD", found.usage_usd, found.matched_usage_usd);
        Ok(())
    }

    fn of_file(&self, path: &Path, test: &LoggedTable, charges: &Charges) -> anyhow::Result<Vec<Action>> {
        let file = PolicyFile::load(path)?;
        if file.layout() != Layout::Trimtab1 {
            // The refusal of a table with another number of views.
            Episode::all(test)?;
            let (costs, budget) = (self.setting.costs()?, self.setting.budget()?);
            return Ok(on_states(test.turns(), &mut FileChooser::load(path)?, None, &costs, budget)?);
        }
        let encoder = encoder(self.encoder.as_deref())?;
        file.check_encoder(&encoder.fingerprint())?;
        let distilled_for = preference_of(&file).with_context(|| path.display().to_string())?;
        let preference = self.preference.or(distilled_for).unwrap_or_default();
        let table = candidates(test, charges, &encoder.fingerprint().to_string(), &embed(&encoder, &[test])?);
        let view_threshold = view_threshold(&file, path)?;
        let chooser = Chooser::File { file: Box::new(file), view_threshold };
        let turns: Vec<&Turn> = table.turns().iter().collect();
        Ok(on_candidates(&turns, &chooser, &preference)?)
    }
}

fn of_algorithm(
    algorithm: Algorithm,
    train: &LoggedTable,
    test: &LoggedTable,
    charges: &Charges,
) -> anyhow::Result<Vec<Action>> {
    let (known, turns, none): (Vec<&LoggedTurn>, _, _) = (train.turns().iter().collect(), test.turns(), Prompts::new());
    let all = |choose: &dyn Fn(&LoggedTurn) -> Action| turns.iter().map(choose).collect();
    Ok(match algorithm {
        Algorithm::Local => constant(Class::Local, turns),
        Algorithm::Text => constant(Class::Text, turns),
        Algorithm::Image => constant(Class::Image, turns),
        Algorithm::Constant(number) => {
            Episode::all(test)?;
            let action = Action::all(NODES, VIEWS).nth(number).unwrap_or(cloud(Default::default()));
            all(&|_| action)
        }
        Algorithm::Greedy => {
            let estimator = Kind::Neighbours.fit_turns(&known, &none);
            let greedy = Greedy::new(&*estimator, &known, charges);
            all(&|turn| greedy.choose(&turn.context))
        }
        Algorithm::Recipe => {
            let policy = Recipe::default().train(&known, charges, &none);
            all(&|turn| policy.choose(&turn.context))
        }
        other => bail!("--algo {other}: is of another environment; off a log there are {}", names(&ALL)),
    })
}
