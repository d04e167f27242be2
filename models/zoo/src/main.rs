//! `trimtab-zoo`: trains the shipped models and writes their folders.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use trimtab_engine::Encoder;
use trimtab_zoo::fit::Budget;
use trimtab_zoo::folder::{self, Folder, Place};
use trimtab_zoo::layers::Precision;
use trimtab_zoo::vqa::{self, Grade};
use trimtab_zoo::weights::Weights;
use trimtab_zoo::{encoder, eye, lanes, lm, scores, task_head};

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
    /// Only train and write the folder.
    #[arg(long, global = true, conflicts_with = "score_only")]
    train_only: bool,
    /// Only score the folder that is there.
    #[arg(long, global = true)]
    score_only: bool,
    /// The folder of all model folders.
    #[arg(long, global = true, default_value = "models/shipped")]
    out: PathBuf,
    /// The same models with their weights as they were trained, which the shipped ones are compared with.
    #[arg(long, global = true, default_value = "target/zoo-float")]
    float: PathBuf,
}

#[derive(Clone, Copy, Subcommand)]
enum What {
    /// The eye that encoder and dear stand-in start from; it is written in float only and not shipped by itself.
    Eye,
    /// The dual encoder with its task head.
    Encoder,
    /// The task head of the encoder that is there, anew.
    TaskHead,
    /// The language model.
    Lm,
    /// The dear stand-in vision-language model.
    VlmGood,
    /// The cheap stand-in vision-language model.
    VlmCheap,
    /// All of them, two side by side, each on one thread; then their scores, one after another.
    All,
}

impl What {
    /// Name of the folder under that of all models, and of the subcommand.
    const fn name(self) -> &'static str {
        match self {
            Self::Eye => "eye",
            Self::TaskHead => "task-head",
            Self::Encoder => "encoder",
            Self::Lm => "lm",
            Self::VlmGood => Grade::Good.name(),
            Self::VlmCheap => Grade::Cheap.name(),
            Self::All => "all",
        }
    }
}

const SCORED_TURNS: usize = 1600;
const EYE_STEPS: usize = 8000;
const ENCODER_STEPS: usize = 4000;
const LM_STEPS: usize = 5500;
const VLM_GOOD_STEPS: usize = 5000;
const VLM_CHEAP_STEPS: usize = 6000;
/// What is trained side by side, one lane after the other's like: encoder and dear stand-in come after the eye.
const LANES: [&[What]; 2] = [&[What::Eye, What::Encoder, What::VlmGood], &[What::Lm, What::VlmCheap]];
const SCORED: [What; 4] = [What::Encoder, What::Lm, What::VlmGood, What::VlmCheap];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.what {
        What::All => all(&arguments),
        what => make(what, &arguments),
    }
}

/// Makes each model by a process of its own.
fn all(arguments: &Arguments) -> Result<()> {
    let again = |what: What, only: &str| {
        let mut made: Vec<OsString> = vec![what.name().into(), only.into()];
        let mut option = |name: &str, value: OsString| made.extend([name.into(), value]);
        option("--seed", arguments.seed.to_string().into());
        option("--turns", arguments.turns.to_string().into());
        option("--out", arguments.out.clone().into());
        option("--float", arguments.float.clone().into());
        for (name, value) in [("--steps", arguments.steps.map(|n| n as u64)), ("--seconds", arguments.seconds)] {
            if let Some(value) = value {
                option(name, value.to_string().into());
            }
        }
        made
    };
    if !arguments.score_only {
        lanes::run(LANES.map(|lane| lane.iter().map(|&what| again(what, "--train-only")).collect()).into())?;
    }
    if arguments.train_only {
        return Ok(());
    }
    // Alone, so that the times of one inference are those of an idle machine.
    let scores = SCORED.iter().map(|&what| again(what, "--score-only")).collect();
    lanes::run(vec![scores])
}

/// Trains one model unless told to leave it, then scores the folder and completes its card.
fn make(what: What, arguments: &Arguments) -> Result<()> {
    if !arguments.score_only {
        train(what, arguments)?;
    }
    if arguments.train_only {
        return Ok(());
    }
    // A head is no model of its own: what is scored is the encoder.
    let what = if let What::TaskHead = what { What::Encoder } else { what };
    let folder = Folder::make(&arguments.out, what.name())?;
    let float = Some(arguments.float.join(what.name())).filter(|path| path.is_dir());
    let (path, float, count) = (folder.path(), float.as_deref(), arguments.turns.max(1));
    let measured = match what {
        What::Encoder | What::TaskHead => scores::encoder(path, float, count)?,
        What::Lm => scores::lm(path, count)?,
        What::VlmGood | What::VlmCheap => scores::vqa(path, float, count)?,
        What::Eye | What::All => return Ok(()),
    };
    println!("{}: {}", what.name(), serde_json::to_string_pretty(&measured.scores)?);
    folder.complete_card(measured)
}

fn train(what: What, arguments: &Arguments) -> Result<()> {
    let Arguments { seed, out, float, .. } = arguments;
    let seed = *seed;
    let places = [Place { all: out, weights: Precision::Int8 }, Place { all: float, weights: Precision::Float }];
    let budget = |steps: usize| {
        let time = arguments.seconds.map(|s| Budget::Time(Duration::from_secs(s)));
        time.unwrap_or(Budget::Steps(arguments.steps.unwrap_or(steps)))
    };
    let the_eye = || Weights::read(&float.join(What::Eye.name()).join(folder::EYE));
    let stand_in = |grade: Grade, budget: Budget, eye: Option<&Weights>| -> Result<()> {
        let (model, run) = vqa::train(grade, seed, budget, eye)?;
        places.iter().try_for_each(|&place| folder::write_vqa(place, grade, &model, seed, run).map(drop))
    };
    match what {
        What::Eye => {
            let (eye, run) = eye::train(eye::SHARED, seed, budget(EYE_STEPS));
            folder::write_eye(float, &eye, seed, run).map(drop)
        }
        What::Encoder => {
            let (model, run) = encoder::train(seed, budget(ENCODER_STEPS), Some(&the_eye()?))?;
            let calibration = encoder::calibrate(&model, seed);
            for place in places {
                folder::write_encoder(place, &model, calibration, seed, run)?;
            }
            train(What::TaskHead, arguments)
        }
        What::TaskHead => {
            let folder = |all| Folder::make(all, What::Encoder.name());
            let head = task_head::train(&Encoder::load(folder(out)?.path())?, seed)?;
            [out, float].into_iter().try_for_each(|all| folder(all)?.write_task_head(&head))
        }
        What::Lm => {
            let (model, run) = lm::train(seed, budget(LM_STEPS));
            for place in places {
                let folder = folder::write_lm(place, &model, seed, run)?;
                folder.write_lm_config(scores::confidence(folder.path())?)?;
            }
            Ok(())
        }
        What::VlmGood => stand_in(Grade::Good, budget(VLM_GOOD_STEPS), Some(&the_eye()?)),
        What::VlmCheap => stand_in(Grade::Cheap, budget(VLM_CHEAP_STEPS), None),
        What::All => Ok(()),
    }
}
