//! `evaluate --algo llm`.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use trimtab_bridge::ApiKey;
use trimtab_core::{Preference, Usd};
use trimtab_train::agent::{Agent, CALLS, Counts, Terms, WAIT, decide};
use trimtab_train::choose::Chooser;
use trimtab_train::dataset::Turn;
use trimtab_train::robot::judge::parse_prices;
use trimtab_wire::price::Prices;

/// A language model that decides.
#[derive(Args, Debug)]
pub(super) struct Llm {
    /// With --algo llm: an OpenAI-compatible endpoint, up to and without /chat/completions.
    #[arg(long, value_name = "URL")]
    llm_url: Option<String>,
    /// With --algo llm: the model, as the endpoint calls it.
    #[arg(long, value_name = "NAME")]
    llm_model: Option<String>,
    /// With --algo llm: the environment variable that holds the endpoint's key.
    #[arg(long, value_name = "VAR")]
    llm_key_env: Option<String>,
    /// With --algo llm: seconds to wait for one answer at most.
    #[arg(long, value_name = "SECONDS", default_value_t = WAIT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=600))]
    llm_wait: u64,
    /// With --algo llm: requests at most; later turns are answered locally.
    #[arg(long, value_name = "COUNT", default_value_t = CALLS)]
    llm_calls: u64,
    /// With --algo llm: what the model charges in USD for a million prompt and completion tokens, as in 0.15,0.6.
    #[arg(long, value_name = "USD,USD", value_parser = parse_prices)]
    llm_prices: Option<Prices>,
}

impl Llm {
    /// The model, ready to be asked.
    pub(super) fn agent(&self) -> anyhow::Result<Agent> {
        let key = |name: &String| {
            std::env::var(name)
                .with_context(|| format!("--llm-key-env {name}: no such environment variable, or no text in it"))
        };
        let free = Prices { prompt: Usd::ZERO, completion: Usd::ZERO, image: Usd::ZERO };
        Ok(Agent::new(Terms {
            url: self.llm_url.clone().context("--llm-url: is missing; --algo llm asks the endpoint there")?,
            model: self.llm_model.clone().context("--llm-model: is missing; give the model's name at the endpoint")?,
            key: self.llm_key_env.as_ref().map(key).transpose()?.map(ApiKey),
            wait: Duration::from_secs(self.llm_wait),
            calls_max: self.llm_calls,
            prices: self.llm_prices.unwrap_or(free),
        })?)
    }

    /// Decides every turn of a table.
    pub(super) fn on_table(
        &self,
        turns: &[&Turn],
        preference: &Preference,
        bar: &ProgressBar,
    ) -> anyhow::Result<(Chooser, Counts)> {
        let mut agent = self.agent()?;
        bar.inc_length(turns.len() as u64);
        let actions = decide(&mut agent, turns, preference, &mut || bar.inc(1));
        agent.check()?;
        Ok((Chooser::Known(actions), agent.counts()))
    }
}

/// What asking took.
pub(super) fn print(counts: &Counts) {
    println!(
        "llm: {} turns, {} requests, {} answers used again, {} turns answered locally because nothing usable was said, {:.6} USD",
        counts.turns,
        counts.calls,
        counts.cached,
        counts.fallbacks,
        counts.spent_nusd as f64 / 1e9
    );
}
