//! What the finished folders are worth, measured through the engine on held-out scenes and prompts: the numbers of the
//! cards come from the files that are shipped, not from the networks that were trained.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Map, Value, json};
use trimtab_engine::RgbFrame;
use trimtab_scenes::{CAMERAS, Conversation, Scene, Split, Topic, Turn};

mod encoder;
mod lm;
mod vqa;

pub use encoder::encoder;
pub use lm::{confidence, lm};
pub use vqa::vqa;

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

fn thousandths(value: f64) -> Value {
    json!((1000.0 * value).round() / 1000.0)
}

/// A share with its count and the 95 % interval of Wilson (1927), rounded for reading.
fn share(hits: usize, of: usize) -> Value {
    let n = of.max(1) as f64;
    let p = hits as f64 / n;
    let z2 = 1.96 * 1.96;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = (z2 * (p * (1.0 - p) / n + z2 / (4.0 * n * n))).sqrt() / (1.0 + z2 / n);
    let interval = [(centre - half).max(0.0), (centre + half).min(1.0)].map(thousandths);
    json!({"share": thousandths(p), "n": of, "interval": interval})
}

#[derive(Default)]
struct Tally(BTreeMap<String, (usize, usize)>);

impl Tally {
    fn add(&mut self, name: &str, hit: bool) {
        let entry = self.0.entry(name.to_owned()).or_default();
        entry.0 += usize::from(hit);
        entry.1 += 1;
    }

    fn share_of(&self, name: &str) -> f64 {
        self.0.get(name).map_or(f64::NAN, |&(hits, of)| hits as f64 / of as f64)
    }

    fn into_json(self) -> Map<String, Value> {
        self.0.into_iter().map(|(name, (hits, of))| (name, share(hits, of))).collect()
    }
}

/// How far probabilities are from the shares that come true: the mean over ten bins, each weighed by its count.
#[derive(Default)]
struct Bins {
    /// Of each tenth: probabilities in sum, what came true, and how many they are.
    bins: [(f64, usize, usize); 10],
    squared: f64,
}

impl Bins {
    fn add(&mut self, probability: f64, came_true: bool) {
        let bin = &mut self.bins[((probability * 10.0) as usize).min(9)];
        *bin = (bin.0 + probability, bin.1 + usize::from(came_true), bin.2 + 1);
        self.squared += (probability - f64::from(u8::from(came_true))).powi(2);
    }

    fn count(&self) -> usize {
        self.bins.iter().map(|(_, _, n)| n).sum()
    }

    fn calibration_error(&self) -> f64 {
        self.bins.iter().map(|(p, y, _)| (p - *y as f64).abs()).sum::<f64>() / self.count().max(1) as f64
    }

    fn brier(&self) -> f64 {
        self.squared / self.count().max(1) as f64
    }

    fn into_json(self) -> Value {
        let bins: Vec<Value> = (self.bins.iter().filter(|(_, _, n)| *n > 0))
            .map(|&(p, y, n)| {
                let of = n as f64;
                json!({"confidence": thousandths(p / of), "right": thousandths(y as f64 / of), "n": n})
            })
            .collect();
        json!({
            "expected calibration error": thousandths(self.calibration_error()), "brier score": thousandths(self.brier()),
            "n": self.count(), "bins": bins
        })
    }
}

const TIMED_RUNS: usize = 21;

/// Median time of one run, milliseconds.
fn median_ms(mut run: impl FnMut() -> Result<()>) -> Result<Value> {
    run()?;
    let mut times = Vec::with_capacity(TIMED_RUNS);
    for _ in 0..TIMED_RUNS {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(thousandths(times[TIMED_RUNS / 2]))
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

/// The kind of question, for scores of each.
fn family(topic: Topic) -> &'static str {
    match topic {
        Topic::ColourOf(_) => "colour",
        Topic::PlaceOf(_) => "place",
        Topic::KindOfColour(_) => "kind of a colour",
        Topic::KindOn(_) | Topic::TidyFloor => "kind in a place",
        Topic::StateOf(_) => "state of an item",
        Topic::LampState | Topic::StoveState | Topic::DoorState => "state",
        Topic::AdviseLamp | Topic::AdviseStove | Topic::AdviseDoor => "advice by state",
        Topic::People => "people",
        Topic::CatAnywhere => "cat",
        Topic::WhichRoom => "room",
        Topic::Recommend(_) => "recommended item",
        Topic::Nothing => "nothing to see",
    }
}
