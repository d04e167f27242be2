//! What the language model's folder is worth: whole tasks done, and how well it knows when they are.

use core::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use trimtab_engine::{Action, Confidence, GenerateOptions, Generation, LanguageModel};
use trimtab_scenes::{Prompt, Split, TaskKind, free_form_prompts, grade, unknown_prompts};

use super::{Bins, Measured, Tally, peak_of, share, turns};
use crate::corpus::DO_NOT_KNOW;
use crate::lm::lessons;

const REPLY_TOKENS_MAX: usize = 160;
/// Replies longer than this are the long ones.
const LONG_BYTES: usize = 90;
/// Lessons that the confidence is fitted on, and where their draws begin: far beyond what training uses.
const CONFIDENCE_LESSONS: usize = 1500;
const CONFIDENCE_SEED: u64 = 0x00c0_4f1d_e4ce;

fn reply(model: &LanguageModel, prompt: &str) -> Result<Generation> {
    let options = GenerateOptions { max_tokens: REPLY_TOKENS_MAX, ..GenerateOptions::default() };
    Ok(model.session().generate(prompt, &options, &mut |_| ControlFlow::Continue(()))?)
}

/// Whether the task is done: the sentence holds what it must, and the action is the one that was asked for and no other.
fn done(prompt: &Prompt, said: &Generation) -> bool {
    let action = prompt.action.as_deref().and_then(Action::parse_all);
    grade(prompt, &said.text) && said.action == action && !said.action_malformed
}

/// Fits how probable it is that a reply is right to fresh lessons of the training split, through the engine. The folder must give raw
/// confidences.
///
/// # Errors
/// When the folder does not load, a run fails, or it gives no confidence.
pub fn confidence(dir: &Path) -> Result<Confidence> {
    let model = LanguageModel::load(dir)?;
    let mut replies = Vec::with_capacity(CONFIDENCE_LESSONS);
    for lesson in lessons::fresh(CONFIDENCE_SEED, CONFIDENCE_LESSONS) {
        let said = reply(&model, &lesson.text)?;
        let action = lesson.action.as_deref().and_then(Action::parse_all);
        let right = said.text == lesson.reply && said.action == action && !said.action_malformed;
        if let Some(raw) = said.confidence {
            replies.push((raw, right));
        }
    }
    anyhow::ensure!(!replies.is_empty(), "{} gives no confidence", dir.display());
    Ok(Confidence::fit(&replies))
}

/// Scores of the language model's folder, its share of right answers in all, and how long nineteen of twenty answers are.
///
/// # Errors
/// When the folder does not load or a run fails.
pub fn lm(dir: &Path, count: usize) -> Result<Measured> {
    let turns = turns(count);
    let (model, peak_memory_bytes) = peak_of(|| {
        let model = LanguageModel::load(dir)?;
        reply(&model, &turns[0].prompt.text)?;
        Ok(model)
    })?;
    let (mut tally, mut reliability) = (Tally::default(), Bins::default());
    let (mut tokens, mut all_right) = (Vec::with_capacity(turns.len()), 0);
    for turn in &turns {
        let prompt = &turn.prompt;
        let said = reply(&model, &prompt.text)?;
        tokens.push(said.tokens);
        if prompt.needs_views {
            tally.add("says that it cannot see", said.text.contains("cannot see"));
            continue;
        }
        let (right, kind) = (done(prompt, &said), prompt.kind.word());
        all_right += usize::from(right);
        tally.add(&format!("right: {kind}"), right);
        let length = if prompt.answer.len() > LONG_BYTES { "long" } else { "short" };
        tally.add(&format!("right: {kind} {length}"), right);
        if prompt.answer.ends_with('?') {
            tally.add(&format!("right: {kind}, asks for what is missing"), right);
        }
        if prompt.kind == TaskKind::Assistive {
            tally.add("right: sentence of a command", grade(prompt, &said.text));
            tally.add("malformed action", said.action_malformed);
        }
        // A run that was cut off has no confidence: it is sure to be wrong.
        reliability.add(f64::from(said.confidence.unwrap_or(0.0)), right);
    }
    for prompt in unknown_prompts(Split::HeldOut) {
        tally.add("unknown prompt: says that it does not know", reply(&model, prompt)?.text == DO_NOT_KNOW);
    }
    for (kind, prompt) in free_form_prompts() {
        let said = reply(&model, prompt)?;
        let kind = kind.map_or("unknown", TaskKind::word);
        tally.add(&format!("free form, {kind}: confidence of at least 0.5"), said.confidence.unwrap_or(0.0) >= 0.5);
    }
    tokens.sort_unstable();
    let long = tokens.get(tokens.len() * 19 / 20).copied().context("no turns to score")?;
    let mut facts = Map::new();
    facts.insert("answer_tokens".to_owned(), json!(long));
    facts.insert("quality".to_owned(), share(all_right, turns.len())["share"].clone());
    let mut scores = tally.into_json();
    scores.insert("confidence".to_owned(), reliability.into_json());
    Ok(Measured { scores: Value::Object(scores), facts, peak_memory_bytes })
}
