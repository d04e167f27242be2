//! `trimtab-zoo`: trains the shipped models and writes their folders.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use trimtab_zoo::fit::Budget;
use trimtab_zoo::vqa::{self, Grade};
use trimtab_zoo::{encoder, folder, lm, task_head};

/// Trains the shipped models from a seed.
#[derive(Parser)]
#[command(name = "trimtab-zoo", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Seed of weights and batches.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// Train for so many optimiser steps: the same weights every time. Without it each model has its own default.
    #[arg(long, global = true, conflicts_with = "seconds")]
    steps: Option<usize>,
    /// Train for so long by the clock instead.
    #[arg(long, global = true)]
    seconds: Option<u64>,
    /// The folder of all model folders.
    #[arg(long, global = true, default_value = "models/shipped")]
    out: PathBuf,
}

#[derive(Clone, Copy, Subcommand)]
enum What {
    /// The dual encoder with its task head.
    Encoder,
    /// The language model.
    Lm,
    /// The dear stand-in vision-language model.
    VlmGood,
    /// The cheap stand-in vision-language model.
    VlmCheap,
    /// All of them.
    All,
}

const ENCODER_STEPS: usize = 2600;
const LM_STEPS: usize = 1500;
const VLM_GOOD_STEPS: usize = 4500;
const VLM_CHEAP_STEPS: usize = 3000;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.what {
        What::All => [What::Encoder, What::Lm, What::VlmGood, What::VlmCheap]
            .into_iter()
            .try_for_each(|what| train(what, &arguments)),
        what => train(what, &arguments),
    }
}

fn train(what: What, arguments: &Arguments) -> Result<()> {
    let Arguments { seed, out, .. } = arguments;
    let budget = |steps: usize| {
        let time = arguments.seconds.map(|s| Budget::Time(Duration::from_secs(s)));
        time.unwrap_or(Budget::Steps(arguments.steps.unwrap_or(steps)))
    };
    match what {
        What::Encoder => {
            let (model, run) = encoder::train(*seed, budget(ENCODER_STEPS));
            let calibration = encoder::calibrate(&model, *seed);
            let head = task_head::train(&model, *seed);
            folder::write_encoder(out, &model, &head, calibration, *seed, run)?;
        }
        What::Lm => {
            let (model, run) = lm::train(*seed, budget(LM_STEPS));
            folder::write_lm(out, &model, *seed, run)?;
        }
        What::VlmGood | What::VlmCheap => {
            let (grade, steps) = if matches!(what, What::VlmGood) {
                (Grade::Good, VLM_GOOD_STEPS)
            } else {
                (Grade::Cheap, VLM_CHEAP_STEPS)
            };
            let (model, run) = vqa::train(grade, *seed, budget(steps));
            folder::write_vqa(out, grade, &model, *seed, run)?;
        }
        What::All => {}
    }
    Ok(())
}
