//! `trimtab models generate`: a language model goes on from a prompt.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use trimtab_engine::{Action, Finish, GenerateOptions, LanguageModel, TokenId};

use super::super::{Common, Failure, show};
use super::{admit, failed};

/// Highest temperature: above it all tokens are about equally likely.
const TEMPERATURE_MAX: f32 = 100.0;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The language model's folder
    folder: PathBuf,
    /// What to go on from
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: String,
    /// Most tokens to generate
    #[arg(long, value_name = "N", default_value_t = GenerateOptions::default().max_tokens)]
    max_tokens: usize,
    /// Take the likeliest token each time, as without a temperature
    #[arg(long, conflicts_with_all = ["temperature", "top_p", "seed"])]
    greedy: bool,
    /// Above 0, draw from the softened distribution
    #[arg(long, value_name = "T", value_parser = temperature, default_value = "0")]
    temperature: f32,
    /// Draw only among the likeliest tokens that have this probability together
    #[arg(long, value_name = "P", value_parser = share, default_value = "1")]
    top_p: f32,
    /// End the reply before this text; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Seed of the draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

fn temperature(text: &str) -> Result<f32, String> {
    within(text, TEMPERATURE_MAX)
}

fn share(text: &str) -> Result<f32, String> {
    within(text, 1.0)
}

fn within(text: &str, max: f32) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=max).contains(&value) { Ok(value) } else { Err(format!("must be within 0 and {max}")) }
}

#[derive(Serialize)]
struct Report<'a> {
    text: &'a str,
    /// Without the token that means *done*.
    ids: &'a [TokenId],
    /// Natural logarithms of the probabilities at temperature 1.
    logprobs: &'a [f32],
    /// Pace after the first token, or of the whole where there is no second.
    tokens_per_s: f64,
    /// From the prompt to the first token.
    first_token_ms: f64,
    finish: &'static str,
    prompt_tokens: usize,
    prompt_truncated: bool,
    /// What the reply does; null where it says nothing of it, or nothing that can be read.
    action: Option<&'a [Action]>,
    /// Probability that the reply is right, where the model's folder tells it.
    confidence: Option<f32>,
}

pub(super) fn execute(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    admit(common, &arguments.folder)?;
    let model = LanguageModel::load(&arguments.folder).map_err(|fault| failed(&fault))?;
    let options = GenerateOptions {
        max_tokens: arguments.max_tokens,
        temperature: if arguments.greedy { 0.0 } else { arguments.temperature },
        top_p: arguments.top_p,
        stop: arguments.stop.clone(),
        seed: arguments.seed,
    };
    let (mut ids, mut logprobs) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    let mut first = None;
    let mut last = begun;
    let mut printed = 0;
    let done = model.session().generate(&arguments.prompt, &options, &mut |token| {
        last = Instant::now();
        first.get_or_insert(last);
        ids.push(token.id);
        logprobs.push(token.logprob);
        printed += token.piece.len();
        if common.json { ControlFlow::Continue(()) } else { print(token.piece) }
    });
    let done = done.map_err(|fault| match arguments.prompt.is_empty() {
        true => Failure::Failed(format!(
            "the prompt is empty, and this model needs a beginning ({}); give some text with --prompt",
            crate::fault_text(&fault)
        )),
        false => failed(&fault),
    })?;
    if done.prompt_truncated {
        show::complain("the prompt does not fit in the model's context; its end was left out");
    }
    if !common.json {
        // What was held back because it might have been the beginning of a text that ends the reply.
        show::line(done.text.get(printed..).unwrap_or_default());
        if let Some(action) = &done.action {
            show::line(&serde_json::to_string(action).map_err(|fault| failed(&fault))?);
        }
        return Ok(());
    }
    let first = first.unwrap_or(begun);
    let (count, time) = if ids.len() > 1 { (ids.len() - 1, last - first) } else { (ids.len(), last - begun) };
    let tokens_per_s = if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() };
    let report = Report {
        text: &done.text,
        ids: &ids,
        logprobs: &logprobs,
        tokens_per_s,
        first_token_ms: (first - begun).as_secs_f64() * 1e3,
        finish: match done.finish {
            Finish::Stop => "stop",
            Finish::Length => "length",
            Finish::Cancelled => "cancelled",
        },
        prompt_tokens: done.prompt_tokens,
        prompt_truncated: done.prompt_truncated,
        action: done.action.as_deref(),
        confidence: done.confidence,
    };
    show::line(&serde_json::to_string(&report).map_err(|fault| failed(&fault))?);
    Ok(())
}

/// As it comes; stops when whoever reads has read enough.
fn print(piece: &str) -> ControlFlow<()> {
    let mut out = std::io::stdout();
    match out.write_all(piece.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}
