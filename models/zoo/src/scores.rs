//! What the finished folders are worth, measured through the engine on held-out scenes and prompts: the numbers of the
//! cards come from the files that are shipped, not from the networks that were trained.

mod lm;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use trimtab_engine::{Encoder, RgbFrame, Vqa};
use trimtab_scenes::{CAMERAS, CANNOT_SEE, Conversation, Scene, Split, TaskKind, Topic, Turn, grade, unknown_prompts};

pub use lm::{confidence, lm};

/// Size and quality of the pictures as a robot's camera sends them.
const FRAME: (usize, usize) = (320, 240);
const JPEG_QUALITY: u8 = 85;
const SEED: u64 = 0x5c0_5e5;

/// Scores, and the peak memory that loading and one run took, where the system tells.
pub struct Measured {
    /// For the card.
    pub scores: Value,
    /// What a device takes from the card before it has seen the model answer.
    pub facts: Map<String, Value>,
    /// Bytes over what the process held before.
    pub peak_memory_bytes: Option<u64>,
}

/// A view as the device sees it: rendered at camera size, through JPEG.
fn frame(scene: &Scene, camera: usize) -> Result<RgbFrame> {
    let picture = scene.render(camera, FRAME.0, FRAME.1)?;
    let raw = RgbFrame::new(FRAME.0 as u32, FRAME.1 as u32, picture.rgb)?;
    Ok(RgbFrame::decode(&raw.to_jpeg(JPEG_QUALITY)?, "rendered")?)
}

fn frames(scene: &Scene) -> Result<Vec<RgbFrame>> {
    (0..CAMERAS).map(|camera| frame(scene, camera)).collect()
}

fn turns(count: usize) -> Vec<Turn> {
    Conversation::generate(SEED, Split::HeldOut, count).turns
}

/// A share with its count, rounded for reading.
fn share(hits: usize, of: usize) -> Value {
    json!({"share": (1000.0 * hits as f64 / of.max(1) as f64).round() / 1000.0, "n": of})
}

#[derive(Default)]
struct Tally(BTreeMap<String, (usize, usize)>);

impl Tally {
    fn add(&mut self, name: &str, hit: bool) {
        let entry = self.0.entry(name.to_owned()).or_default();
        entry.0 += usize::from(hit);
        entry.1 += 1;
    }

    fn into_json(self) -> Map<String, Value> {
        self.0.into_iter().map(|(name, (hits, of))| (name, share(hits, of))).collect()
    }
}

/// Runs `load_and_run` and returns by how much the resident memory peaked above where it was.
fn peak_of<T>(load_and_run: impl FnOnce() -> Result<T>) -> Result<(T, Option<u64>)> {
    let field = |name: &str| -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    // Code 5 resets the high-water mark of this process.
    let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = field("VmRSS:");
    let value = load_and_run()?;
    let peak = if reset { field("VmHWM:") } else { None };
    Ok((value, peak.zip(before).map(|(peak, before)| peak.saturating_sub(before))))
}

/// Scores of the encoder's folder.
///
/// # Errors
/// When the folder does not load or a run fails.
pub fn encoder(dir: &Path, count: usize) -> Result<Measured> {
    let turns = turns(count);
    let (model, peak_memory_bytes) = peak_of(|| {
        let model = Encoder::load(dir)?;
        model.embed_image(&frame(&turns[0].scene, 0)?)?;
        model.embed_text(&turns[0].prompt.text)?;
        Ok(model)
    })?;
    let mut tally = Tally::default();
    let mut bins = [(0.0_f64, 0.0_f64, 0_usize); 10];
    let mut squared = 0.0;
    let mut pairs = 0;
    for turn in &turns {
        let said = model.embed_text(&turn.prompt.text)?;
        let task = model.task(&said);
        tally.add("task right", task.kind.name() == turn.prompt.kind.word());
        tally.add("known prompt called unknown", task.out_of_distribution);
        let mut cosines = [0.0; CAMERAS];
        for (camera, cosine) in cosines.iter_mut().enumerate() {
            let seen = model.embed_image(&frame(&turn.scene, camera)?)?;
            *cosine = model.association(&said, &seen);
            let p = f64::from(model.shows_probability(*cosine).context("the encoder has no calibration")?);
            let shows = turn.prompt.relevant(&turn.scene, camera);
            tally.add("view judged right at 0.5", (p >= 0.5) == shows);
            let y = f64::from(u8::from(shows));
            squared += (p - y) * (p - y);
            pairs += 1;
            let bin = &mut bins[((p * 10.0) as usize).min(9)];
            *bin = (bin.0 + p, bin.1 + y, bin.2 + 1);
        }
        let relevant: Vec<bool> = (0..CAMERAS).map(|c| turn.prompt.relevant(&turn.scene, c)).collect();
        if relevant.contains(&true) && relevant.contains(&false) {
            let best = (0..CAMERAS).max_by(|&a, &b| cosines[a].total_cmp(&cosines[b])).unwrap_or(0);
            tally.add("best view is relevant", relevant[best]);
            tally.add(&format!("best view is relevant: {}", family(turn.prompt.topic)), relevant[best]);
        }
    }
    for prompt in unknown_prompts(Split::HeldOut) {
        tally.add("unknown prompt called unknown", model.task(&model.embed_text(prompt)?).out_of_distribution);
    }
    let mut scores = tally.into_json();
    let calibration_error: f64 = bins.iter().map(|(p, y, _)| (p - y).abs()).sum::<f64>() / f64::from(pairs);
    scores.insert("expected calibration error".to_owned(), json!((1000.0 * calibration_error).round() / 1000.0));
    scores.insert("brier score".to_owned(), json!((1000.0 * squared / f64::from(pairs)).round() / 1000.0));
    Ok(Measured { scores: Value::Object(scores), facts: Map::new(), peak_memory_bytes })
}

/// Scores of a stand-in's folder.
///
/// # Errors
/// When the folder does not load or a run fails.
pub fn vqa(dir: &Path, count: usize) -> Result<Measured> {
    let turns = turns(count);
    let (model, peak_memory_bytes) = peak_of(|| {
        let model = Vqa::load(dir)?;
        model.answer(&frames(&turns[0].scene)?, &turns[0].prompt.text)?;
        Ok(model)
    })?;
    let mut tally = Tally::default();
    for turn in &turns {
        let Turn { scene, prompt } = turn;
        let views = frames(scene)?;
        let all = model.answer(&views, &prompt.text)?;
        if !prompt.needs_views {
            tally.add("no question about pictures, and says so", all.is_text);
            continue;
        }
        let right = !all.is_text && grade(prompt, &all.text);
        tally.add("right with all views", right);
        tally.add(&format!("right with all views: {}", prompt.kind.word()), right);
        tally.add(&format!("right with all views: {}", family(prompt.topic)), right);
        for (camera, view) in views.iter().enumerate() {
            let one = model.answer(core::slice::from_ref(view), &prompt.text)?;
            if prompt.answerable(scene, &[camera]) {
                tally.add("right with one view that suffices", !one.is_text && grade(prompt, &one.text));
            } else {
                tally.add("says that it cannot see with one view that does not", one.text == CANNOT_SEE);
                tally
                    .add("right by luck with one view that does not suffice", !one.is_text && grade(prompt, &one.text));
            }
        }
    }
    Ok(Measured { scores: Value::Object(tally.into_json()), facts: Map::new(), peak_memory_bytes })
}

fn family(topic: Topic) -> &'static str {
    match topic {
        Topic::ColourOf(_) => "colour",
        Topic::PlaceOf(_) => "place",
        Topic::KindOfColour(_) => "kind of a colour",
        Topic::KindOn(_) | Topic::TidyFloor => "kind in a place",
        Topic::StateOf(_) | Topic::LampState | Topic::StoveState | Topic::DoorState => "state",
        Topic::AdviseLamp | Topic::AdviseStove | Topic::AdviseDoor => "advice by state",
        Topic::People => "people",
        Topic::CatAnywhere => "cat",
        Topic::WhichRoom => "room",
        Topic::Recommend(_) => "recommended item",
        Topic::Nothing => TaskKind::Assistive.word(),
    }
}
