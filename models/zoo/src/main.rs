//! `trimtab-zoo`: trains the shipped models and writes their folders.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use trimtab_zoo::fit::Budget;
use trimtab_zoo::folder::{self, Folder};
use trimtab_zoo::scores;
use trimtab_zoo::vqa::{self, Grade};
use trimtab_zoo::weights::Weights;
use trimtab_zoo::{encoder, lm, task_head};

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
    /// Held-out turns that the finished folder is scored on.
    #[arg(long, global = true, default_value_t = SCORED_TURNS)]
    turns: usize,
    /// Go on from the weights that are there; for the stand-ins. Take another seed, or the same batches come again.
    #[arg(long, global = true)]
    resume: bool,
    /// Only score the folder that is there.
    #[arg(long, global = true)]
    score_only: bool,
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

impl What {
    /// Name of the folder under that of all models.
    const fn folder(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Lm => "lm",
            Self::VlmGood => Grade::Good.name(),
            Self::VlmCheap => Grade::Cheap.name(),
            Self::All => "",
        }
    }
}

const SCORED_TURNS: usize = 800;
const ENCODER_STEPS: usize = 1900;
const LM_STEPS: usize = 4500;
const VLM_GOOD_STEPS: usize = 4500;
const VLM_CHEAP_STEPS: usize = 3200;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.what {
        What::All => [What::Encoder, What::Lm, What::VlmGood, What::VlmCheap]
            .into_iter()
            .try_for_each(|what| make(what, &arguments)),
        what => make(what, &arguments),
    }
}

/// Trains one model unless told to leave it, then scores the folder and completes its card.
fn make(what: What, arguments: &Arguments) -> Result<()> {
    if !arguments.score_only {
        train(what, arguments)?;
    }
    let folder = Folder::make(&arguments.out, what.folder())?;
    let count = arguments.turns.max(1);
    let measured = match what {
        What::Encoder => scores::encoder(folder.path(), count)?,
        What::Lm => scores::lm(folder.path(), count)?,
        What::VlmGood | What::VlmCheap => scores::vqa(folder.path(), count)?,
        What::All => return Ok(()),
    };
    println!("{}: {}", what.folder(), serde_json::to_string_pretty(&measured.scores)?);
    folder.complete_card(measured)
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
            let folder = folder::write_lm(out, &model, *seed, run)?;
            folder.write_lm_config(scores::confidence(folder.path())?)?;
        }
        What::VlmGood => stand_in(Grade::Good, budget(VLM_GOOD_STEPS), arguments)?,
        What::VlmCheap => stand_in(Grade::Cheap, budget(VLM_CHEAP_STEPS), arguments)?,
        What::All => {}
    }
    Ok(())
}

fn stand_in(grade: Grade, budget: Budget, arguments: &Arguments) -> Result<()> {
    let Arguments { seed, out, resume, .. } = arguments;
    let written = out.join(grade.name()).join("onnx/model.onnx");
    let from = if *resume { Some(Weights::read(&written)?) } else { None };
    let (model, run) = vqa::train(grade, *seed, budget, from.as_ref())?;
    folder::write_vqa(out, grade, &model, *seed, run)?;
    Ok(())
}
