//! Scores of the stand-ins: right answers with all views, and what is left of them without.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};
use trimtab_engine::{RgbFrame, Vqa, VqaAnswer};
use trimtab_scenes::{CAMERAS, CANNOT_SEE, Prompt, TaskKind, Turn, grade};

use super::{FRAME, Measured, Tally, family, frames, median_ms, peak_of, share, turns};

const ALL_VIEWS: &str = "right with all views";
const GREY: u8 = 128;

fn right(prompt: &Prompt, answer: &VqaAnswer) -> bool {
    !answer.is_text && grade(prompt, &answer.text)
}

/// Scores of a stand-in's folder, and the share of right answers with all views that the same model has with the weights
/// as they were trained, when `float` is given.
///
/// # Errors
/// When a folder does not load or a run fails.
pub fn vqa(dir: &Path, float: Option<&Path>, count: usize) -> Result<Measured> {
    let turns = turns(count);
    let (model, peak_memory_bytes) = peak_of(|| {
        let model = Vqa::load(dir)?;
        model.answer(&frames(&turns[0].scene)?, &turns[0].prompt.text)?;
        Ok(model)
    })?;
    let float = float.map(Vqa::load).transpose()?;
    let grey = RgbFrame::new(FRAME.0 as u32, FRAME.1 as u32, vec![GREY; FRAME.0 * FRAME.1 * 3])?;
    let grey = vec![grey; CAMERAS];
    let (mut tally, mut answers) = (Tally::default(), CommonAnswers::default());
    for turn in &turns {
        let Turn { scene, prompt } = turn;
        let views = frames(scene)?;
        let all = model.answer(&views, &prompt.text)?;
        if !prompt.needs_views {
            tally.add("no question about pictures, and says so", all.is_text);
            continue;
        }
        answers.add(family(prompt.topic), &prompt.answer);
        let hit = right(prompt, &all);
        tally.add(ALL_VIEWS, hit);
        for part in [prompt.kind.word(), family(prompt.topic)] {
            tally.add(&format!("{ALL_VIEWS}: {part}"), hit);
        }
        if let Some(float) = &float {
            tally.add("right with all views, weights in float", right(prompt, &float.answer(&views, &prompt.text)?));
        }
        let blind = model.answer(&grey, &prompt.text)?;
        tally.add("right with grey views", right(prompt, &blind));
        tally.add("says that it cannot see with grey views", blind.text == CANNOT_SEE);
        for (camera, view) in views.iter().enumerate() {
            let one = model.answer(core::slice::from_ref(view), &prompt.text)?;
            if prompt.answerable(scene, &[camera]) {
                tally.add("right with one view that suffices", right(prompt, &one));
            } else {
                tally.add("says that it cannot see with one view that does not", one.text == CANNOT_SEE);
                tally.add("right by luck with one view that does not suffice", right(prompt, &one));
            }
        }
    }
    let mut facts = Map::new();
    let asked = turns.iter().find(|t| t.prompt.kind == TaskKind::Query).unwrap_or(&turns[0]);
    let views = frames(&asked.scene)?;
    let once = || model.answer(&views, &asked.prompt.text).map(drop).map_err(Into::into);
    facts.insert("milliseconds_for_three_views".to_owned(), median_ms(once)?);
    let mut scores = tally.into_json();
    scores.insert("chance: always the most common answer of each kind of question".to_owned(), answers.share());
    Ok(Measured { scores: Value::Object(scores), facts, peak_memory_bytes })
}

/// How often each answer is right, for each kind of question: what may be had without looking.
#[derive(Default)]
struct CommonAnswers(BTreeMap<&'static str, BTreeMap<String, usize>>);

impl CommonAnswers {
    fn add(&mut self, family: &'static str, answer: &str) {
        *self.0.entry(family).or_default().entry(answer.to_owned()).or_default() += 1;
    }

    fn share(&self) -> Value {
        let most = self.0.values().filter_map(|answers| answers.values().max()).sum();
        share(most, self.0.values().flat_map(BTreeMap::values).sum())
    }
}
