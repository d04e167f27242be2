//! `train --env trimtab` on a log of one action a turn.

use anyhow::ensure;
use serde_json::json;
use trimtab_train::choose::Chooser;
use trimtab_train::dataset::{LoggedTable, Turn};
use trimtab_train::estimator::{Kind, Prompts};
use trimtab_train::export::{self, Weights};
use trimtab_train::learn;
use trimtab_train::logged::charge::Charges;
use trimtab_train::logged::distil::{ALGORITHM, Distilled, Source};
use trimtab_train::logged::evaluation::held_out;
use trimtab_train::logged::file::on_candidates;
use trimtab_train::logged::recipe::Recipe;

use super::train::{Train, agree, parity, say_unscored};
use super::{progress, prompts};

/// Distils the recipe for logged scores into a policy file.
pub(super) fn train(command: &Train, learning: &learn::Recipe) -> anyhow::Result<()> {
    if let Some(other) = command.algo.as_deref().filter(|name| *name != ALGORITHM) {
        anyhow::bail!("--algo {other}: on a log of one action a turn there is {ALGORITHM}");
    }
    ensure!(
        command.held_out.is_empty() && command.card.is_none(),
        "--held-out and --card are of tables in which every action was run; judge with evaluate --env logged"
    );
    let log = LoggedTable::read(&command.data)?;
    let encoder = prompts::encoder(command.encoder.as_deref())?;
    let vectors = prompts::embed(&encoder, &[&log])?;
    let charges = Charges::default();
    let source = Source::new(&log, &charges, &encoder.fingerprint().to_string(), &vectors);
    let bar = progress(learning.epochs as u64, "train");
    let Distilled { mut policy, preference, agreement } =
        source.distil(None, &Recipe::default(), learning, &mut |now| {
            bar.set_message(format!("loss {:.4}", now.training));
            bar.inc(1);
        })?;
    bar.finish_and_clear();
    let turns: Vec<&Turn> = source.table().turns().iter().collect();
    let choices = on_candidates(&turns, &Chooser::Policy(Box::new(policy.clone())), &preference)?;
    let in_sample = held_out(&log, &log, &choices, Kind::ShrunkMeans, &Prompts::new(), &charges, learning.seed)?;
    policy.origin.scores = json!({"recipe agreement": agreement, "training turns, in sample": in_sample});
    export::write(&policy, Weights::Int8, &command.out)?;
    if let Some(path) = &command.checkpoint {
        policy.save(path)?;
    }
    let parity = parity(&policy, &command.out, &turns, &preference)?;
    if command.json {
        let report = json!({
            "policy": command.out, "algorithm": ALGORITHM, "turns": turns.len(), "unscored": log.unscored(), "seed": learning.seed,
            "preference": preference, "recipe_agreement": agreement, "int8_agreement": parity, "in_sample": in_sample,
        });
        println!("{report}");
    } else {
        println!("{}: {ALGORITHM}, {} turns, seed {}", command.out.display(), turns.len(), learning.seed);
        say_unscored(log.unscored());
        println!("  chooses the recipe's class  {:.1} % of the training turns", 100.0 * agreement);
        println!("  snips in sample             {:.3}", in_sample.snips);
        println!("  mean charge                 {:.2} s, {:.5} USD", in_sample.latency_s, in_sample.usage_usd);
        println!("  int8 as float               {:.2} % of decisions", 100.0 * parity);
    }
    agree(parity)
}
