//! Scores of the language model: whether the whole reply is right.

use core::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};
use trimtab_engine::{GenerateOptions, LanguageModel};
use trimtab_scenes::grade;

use super::{Measured, Tally, peak_of, share, turns};

const REPLY_TOKENS_MAX: usize = 160;

/// Scores of the language model's folder, its share of right answers in all, and how long nineteen of twenty answers are.
///
/// # Errors
/// When the folder does not load or a run fails.
pub fn lm(dir: &Path, count: usize) -> Result<Measured> {
    let options = GenerateOptions { max_tokens: REPLY_TOKENS_MAX, ..GenerateOptions::default() };
    let reply = |model: &LanguageModel, prompt: &str| {
        model.session().generate(prompt, &options, &mut |_| ControlFlow::Continue(()))
    };
    let turns = turns(count);
    let (model, peak_memory_bytes) = peak_of(|| {
        let model = LanguageModel::load(dir)?;
        reply(&model, &turns[0].prompt.text)?;
        Ok(model)
    })?;
    let mut tally = Tally::default();
    let (mut tokens, mut all_right) = (Vec::with_capacity(turns.len()), 0);
    for turn in &turns {
        let prompt = &turn.prompt;
        let done = reply(&model, &prompt.text)?;
        tokens.push(done.tokens);
        let said = done.text;
        if prompt.needs_views {
            tally.add("says that it cannot see", said.contains("cannot see"));
        } else {
            let right = grade(prompt, &said);
            all_right += usize::from(right);
            tally.add(&format!("right: {}", prompt.kind.word()), right);
            let length = if prompt.answer.len() > 90 { "long" } else { "short" };
            tally.add(&format!("right: {} {length}", prompt.kind.word()), right);
        }
    }
    tokens.sort_unstable();
    let long = tokens.get(tokens.len() * 19 / 20).copied().unwrap_or_default();
    let mut facts = Map::new();
    facts.insert("answer_tokens".to_owned(), json!(long));
    facts.insert("quality".to_owned(), share(all_right, turns.len())["share"].clone());
    Ok(Measured { scores: Value::Object(tally.into_json()), facts, peak_memory_bytes })
}
