//! What is measured of one tower, in a process that does nothing else.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trimtab_engine::{LanguageModel, ModelError, RgbFrame, TextTower, TokenId, VisionTower};

use super::bench::Tower;

/// Fewest runs of a median.
const RUNS_MIN: usize = 15;
/// Most runs of a median.
const RUNS_MAX: usize = 500;
/// After the fewest runs, no run begins later than this.
const TIME_MAX: Duration = Duration::from_secs(3);
/// Sides of the picture that the image tower looks at, in pixels.
const PICTURE: (u32, u32) = (640, 480);
/// What the text tower reads.
const PROMPT: &str = "Is the red mug on the kitchen table, next to the open book?";
/// Tokens that a language model reads before it is timed, as far as its context reaches.
const PREFILL_TOKENS: usize = 64;
const PREFILL_RUNS: usize = 5;

pub(super) fn tower(tower: Tower, folder: &Path) -> Result<Value, ModelError> {
    let begun = Instant::now();
    match tower {
        Tower::Vision => {
            let tower = VisionTower::load(folder)?;
            let load = begun.elapsed();
            let (width, height) = PICTURE;
            let noise = (0..width * height * 3).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let frame = RgbFrame::new(width, height, noise)?;
            let pixels = tower.pixels(&frame);
            let run = median(|| tower.embed_pixels(&pixels).map(drop))?;
            let prepare = median(|| {
                tower.pixels(&frame);
                Ok(())
            })?;
            Ok(report(load, run, &[("preprocess_ms", prepare)]))
        }
        Tower::Text => {
            let tower = TextTower::load(folder)?;
            let load = begun.elapsed();
            let run = median(|| tower.embed(PROMPT).map(drop))?;
            Ok(report(load, run, &[]))
        }
        Tower::Lm => {
            let model = LanguageModel::load(folder)?;
            let load = begun.elapsed();
            let (prefill, token) = language(&model)?;
            Ok(report(load, token, &[("prefill_ms", prefill)]))
        }
    }
}

/// Time to read the prompt, and to decode one token after it.
fn language(model: &LanguageModel) -> Result<(Duration, Duration), ModelError> {
    let room = model.context() / 2;
    let words: Vec<TokenId> = model.tokenizer().encode(PROMPT);
    let ids: Vec<TokenId> = words.iter().copied().cycle().take(PREFILL_TOKENS.min(room).max(1)).collect();
    let mut session = model.session();
    let mut prefills = Vec::new();
    let mut logits = Vec::new();
    for _ in 0..PREFILL_RUNS {
        session.clear();
        let begun = Instant::now();
        logits = session.step(&ids)?;
        prefills.push(begun.elapsed());
    }
    let mut left = model.context() - ids.len();
    let token = median(|| {
        if left == 0 {
            session.clear();
            session.step(&ids)?;
            left = model.context() - ids.len();
        }
        left -= 1;
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0);
        logits = session.step(&[best as TokenId])?;
        Ok(())
    })?;
    Ok((middle(prefills), token))
}

fn median(mut run: impl FnMut() -> Result<(), ModelError>) -> Result<Duration, ModelError> {
    // The first run fills caches and allocates.
    run()?;
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < RUNS_MIN || (times.len() < RUNS_MAX && begun.elapsed() < TIME_MAX) {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    Ok(middle(times))
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn report(load: Duration, median: Duration, more: &[(&str, Duration)]) -> Value {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let mut report = json!({"median_ms": ms(median), "peak_rss_bytes": peak_bytes(), "load_ms": ms(load)});
    for (key, time) in more {
        report[*key] = json!(ms(*time));
    }
    report
}

/// The most that was ever resident, as the kernel counts it; `null` where it does not tell.
fn peak_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
