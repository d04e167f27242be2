//! `evaluate --env published`.

use anyhow::{Context, bail, ensure};
use trimtab_train::dataset::LoggedTable;
use trimtab_train::published::{
    Chooser, Constant, Drawn, Episode, FileChooser, FrozenTables, Greedy, ORACLE_TURNS_MAX, ResponseModel, evaluate,
    oracle,
};

use super::{Algorithm, Evaluate};

impl Evaluate {
    /// Plays the test dialogues in the environment fitted to the training ones.
    pub(super) fn published(&self) -> anyhow::Result<()> {
        ensure!(
            !self.train.is_empty(),
            "--train: is missing; the published environment is fitted to training dialogues"
        );
        let (train, test) = (LoggedTable::read(&self.train)?, LoggedTable::read(&self.test)?);
        test.tasks_known_to(&train)?;
        let (train, test) = (Episode::all(&train)?, Episode::all(&test)?);
        let (costs, budget) = (self.setting.costs()?, self.setting.budget()?);
        let response = self.setting.response(&train);
        let frozen = self.setting.tables.as_deref().map(|name| FrozenTables::read(name, &test)).transpose()?;
        let model: &dyn ResponseModel = frozen.as_ref().map_or(&response, |tables| tables);
        let mut chooser: Box<dyn Chooser> =
            match (&self.policy, self.algo.as_slice()) {
                (Some(path), []) => Box::new(FileChooser::load(path)?),
                (None, [algorithm]) => match algorithm {
                    Algorithm::Local => Box::new(Constant(0)),
                    Algorithm::Constant(action) => Box::new(Constant(*action)),
                    Algorithm::Cloud => Box::new(Drawn::cloud(self.seed)),
                    Algorithm::Random => Box::new(Drawn::random(self.seed)),
                    Algorithm::Greedy => Box::new(Greedy::fit(&train, &costs)),
                    Algorithm::Oracle => Box::new(oracle(&test, model, &costs, Some(budget)).with_context(|| {
                        format!("--algo oracle: a dialogue is longer than {ORACLE_TURNS_MAX} turns")
                    })?),
                    other => bail!("--algo {other}: is of another environment"),
                },
                _ => bail!("give either --policy or one --algo; the published environment plays one at a time"),
            };
        let result = evaluate(&test, model, &costs, budget, self.setting.shield, chooser.as_mut())?;
        if self.json {
            println!("{}", serde_json::to_string(&result)?);
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
        Ok(())
    }
}
