//! `evaluate --env published`.

use anyhow::{Context, bail, ensure};
use indicatif::ProgressBar;
use trimtab_engine::PolicyError;
use trimtab_train::agent::{Counts, Published};
use trimtab_train::dataset::LoggedTable;
use trimtab_train::published::{
    ACTIONS, Budget, Chooser, Constant, Drawn, Episode, Evaluation, FileChooser, FrozenTables, Greedy,
    ORACLE_TURNS_MAX, ResponseModel, Scene, evaluate, oracle,
};

use super::{Algorithm, Evaluate, llm};
use crate::command::progress;

impl Evaluate {
    /// Plays the test dialogues in the environment fitted to the training ones.
    pub(super) fn published(&self) -> anyhow::Result<()> {
        ensure!(
            !self.train.is_empty(),
            "--train: is missing; the published environment is fitted to training dialogues"
        );
        let (train, test) = (LoggedTable::read(&self.train)?, LoggedTable::read(&self.test)?);
        test.tasks_known_to(&train)?;
        let (train, episodes) = (Episode::all(&train)?, Episode::all(&test)?);
        let (costs, budget) = (self.setting.costs()?, self.setting.budget()?);
        let response = self.setting.response(&train);
        let frozen = self.setting.tables.as_deref().map(|name| FrozenTables::read(name, &episodes)).transpose()?;
        let model: &dyn ResponseModel = frozen.as_ref().map_or(&response, |tables| tables);
        if let (None, [Algorithm::Llm]) = (&self.policy, self.algo.as_slice()) {
            let bar = progress(episodes.iter().map(|episode| episode.turns() as u64).sum(), "llm");
            let chooser = Published::new(self.llm.agent()?, &episodes, prompts(&test), costs);
            let mut watched = Watched { chooser, bar };
            let result = evaluate(&episodes, model, &costs, budget, self.setting.shield, &mut watched)?;
            watched.bar.finish_and_clear();
            let agent = watched.chooser.agent();
            agent.check()?;
            return self.show(&result, budget, Some(agent.counts()));
        }
        let mut chooser: Box<dyn Chooser> = match (&self.policy, self.algo.as_slice()) {
            (Some(path), []) => Box::new(FileChooser::load(path)?),
            (None, [algorithm]) => match algorithm {
                Algorithm::Local => Box::new(Constant(0)),
                Algorithm::Constant(action) => Box::new(Constant(*action)),
                Algorithm::Cloud => Box::new(Drawn::cloud(self.seed)),
                Algorithm::Random => Box::new(Drawn::random(self.seed)),
                Algorithm::Greedy => Box::new(Greedy::fit(&train, &costs)),
                Algorithm::Oracle => {
                    Box::new(oracle(&episodes, model, &costs, Some(budget)).with_context(|| {
                        format!("--algo oracle: a dialogue is longer than {ORACLE_TURNS_MAX} turns")
                    })?)
                }
                other => bail!("--algo {other}: is of another environment"),
            },
            _ => bail!("give either --policy or one --algo; the published environment plays one at a time"),
        };
        let result = evaluate(&episodes, model, &costs, budget, self.setting.shield, chooser.as_mut())?;
        self.show(&result, budget, None)
    }

    fn show(&self, result: &Evaluation, budget: Budget, asked: Option<Counts>) -> anyhow::Result<()> {
        if self.json {
            let mut report = serde_json::to_value(result)?;
            if let Some(counts) = asked {
                report["llm"] = serde_json::to_value(counts)?;
            }
            println!("{report}");
            return Ok(());
        }
        println!("{} dialogues; response, reward and costs are the simulator's", result.episodes);
        println!("  reward       {:.4}", result.reward);
        println!("  response     {:.4}", result.response);
        println!("  association  {:.4}", result.association);
        println!(
            "  latency      {:.2} s, over {} s in {:.1} %",
            result.latency_s,
            budget.seconds,
            100.0 * result.over_latency
        );
        println!(
            "  usage        {:.5} USD, over {} USD in {:.1} %",
            result.usage_usd,
            budget.usd,
            100.0 * result.over_usage
        );
        if let Some(counts) = asked {
            llm::print(&counts);
        }
        Ok(())
    }
}

/// A model that takes its time, and how far it is.
struct Watched<'a> {
    chooser: Published<'a>,
    bar: ProgressBar,
}

impl Chooser for Watched<'_> {
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        self.bar.inc(1);
        self.chooser.scores(scene)
    }
}

/// The prompts of every dialogue, turn by turn.
fn prompts(log: &LoggedTable) -> Vec<Vec<&str>> {
    let dialogues = log.turns().chunk_by(|a, b| a.dialogue == b.dialogue);
    dialogues.map(|turns| turns.iter().map(|turn| &*turn.context.question).collect()).collect()
}
