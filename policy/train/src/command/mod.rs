//! The command line: one file for each group of subcommands.

mod collect;
mod compare;
mod dataset;
mod diagnose;
mod estimator;
mod evaluate;
mod experiments;
mod file;
mod logged;
mod plot;
mod prompts;
mod published;
mod quantise;
mod recalibrate;
mod train;

use std::io::IsTerminal;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trimtab_core::Preference;

const EXAMPLES: &str = "Examples:
  trimtab-lab collect --seeds 1..41 --turns 40 --out table
  trimtab-lab collect --seeds 1..6 --turns 40 --scenes held-out --out held-out
  trimtab-lab collect --device http://127.0.0.1:8088 --prompts prompts.jsonl --scorer judge:https://api.example.com/v1 \\
      --judge-model large --judge-key-env JUDGE_KEY --judge-share 0.2 --out log
  trimtab-lab train --data table --seed 1 --out policy.onnx --checkpoint policy.json
  trimtab-lab evaluate --test held-out --train table --policy policy.onnx
  trimtab-lab dataset split --ids results.json --seed 0 --data M4A1.json --train a.json --test b.json
  trimtab-lab train --env published --data a.json --out published.onnx
  trimtab-lab evaluate --env published --train a.json --test b.json --policy published.onnx --shield --latency-budget 10
  trimtab-lab evaluate --env published --train a.json --test b.json --algo llm --llm-url http://127.0.0.1:11434/v1 --llm-model NAME
  trimtab-lab train --env published --algo rc-ppo --data a.json --out rc-ppo.onnx --curve curve.json
  trimtab-lab plot curve.json --out curve.svg
  trimtab-lab diagnose rc-ppo.onnx --train a.json --test b.json
  trimtab-lab train --data a.json --out logged.onnx
  trimtab-lab evaluate --env logged --train a.json --test b.json --policy logged.onnx
  trimtab-lab compare --env logged --data M4A1.json
  trimtab-lab compare --env trimtab --train table --data held-out --policy policy.onnx --chart front.svg
  trimtab-lab estimator --train a.json --test b.json --kind prompt
  trimtab-lab quantise --checkpoint policy.json --data held-out --out policy.onnx
  trimtab-lab quantise clip-vit-b32 --calibrate frames --calibrate prompts.txt --out clip-vit-b32-int8
  trimtab-lab recalibrate --policy policy.onnx --from models/shipped/encoder --to clip --out policy-clip.onnx --write-encoder
  trimtab-lab dataset stats table
  trimtab-lab report --data M4A1.json --ids results.json --out report
  trimtab-lab report --data M4A1.json --ids results.json --own table --own-held-out held-out --out report

Exit code: 0 done, 1 failed with the reason on standard error, 2 wrong arguments.";

/// Collects turns, trains policies on them, writes policy files and evaluates them.
#[derive(Parser, Debug)]
#[command(name = "trimtab-lab", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs turns for real and writes a table: every action of rendered scenes, or prompts of your own on a running device.
    Collect(collect::Collect),
    /// Fits a policy to a table and writes it as a policy file.
    Train(train::Train),
    /// Compares ways to choose off a recorded table, or scores one in another environment.
    Evaluate(evaluate::Evaluate),
    /// Says how well the score of an answer is predicted.
    Estimator(estimator::Estimator),
    /// Compares every policy and rule on one log or one recorded table.
    Compare(compare::Compare),
    /// Writes the models of a folder, or a trained policy, with int8 or four-bit weights, and measures what that changes.
    Quantise(quantise::Quantise),
    /// Plays every way to choose in the published environment, on every split, under every named budget.
    Experiments(experiments::Experiments),
    /// The same as a page with charts.
    Report(experiments::Report),
    /// Draws learning curves.
    Plot(plot::Plot),
    /// Fits a policy file to another encoder than the one it was trained with.
    Recalibrate(recalibrate::Recalibrate),
    /// Names the known failures of policies of the published layouts, with the remedy.
    Diagnose(diagnose::Diagnose),
    /// Looks at tables and splits them.
    #[command(subcommand)]
    Dataset(dataset::Dataset),
}

impl Arguments {
    /// Does what was asked for.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Collect(command) => command.run(),
            Command::Train(command) => command.run(),
            Command::Evaluate(command) => command.run(),
            Command::Estimator(command) => command.run(),
            Command::Compare(command) => command.run(),
            Command::Quantise(command) => command.run(),
            Command::Experiments(command) => command.run(),
            Command::Report(command) => command.run(),
            Command::Plot(command) => command.run(),
            Command::Recalibrate(command) => command.run(),
            Command::Diagnose(command) => command.run(),
            Command::Dataset(command) => command.run(),
        }
    }
}

/// The owner's weights, as in `quality=1,latency=0.5`; what is not named keeps its default.
fn parse_preference(text: &str) -> Result<Preference, String> {
    let mut preference = Preference::default();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("{pair:?}: write name=weight"))?;
        let value: f32 = value.trim().parse().map_err(|_| format!("{value:?} is no number"))?;
        *match name.trim() {
            "quality" => &mut preference.quality,
            "association" => &mut preference.association,
            "latency" => &mut preference.latency,
            "cost" => &mut preference.cost,
            "energy" => &mut preference.energy,
            other => return Err(format!("{other:?}: one of quality, association, latency, cost, energy")),
        } = value;
    }
    if preference.is_valid() { Ok(preference) } else { Err("a weight is outside 0 to 1".into()) }
}

/// A progress bar on standard error; silent where nobody watches.
fn progress(length: u64, what: &'static str) -> ProgressBar {
    let watched = std::io::stderr().is_terminal();
    let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(length), target).with_style(style).with_prefix(what)
}
