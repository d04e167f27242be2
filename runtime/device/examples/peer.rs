//! The engine as a contender in a bench against its peers: loads one model, then runs it as often as it is told, on one thread.
//!
//! `peer vision|decoder FOLDER`, and with the feature `gguf` also `peer gguf FILE`, which llama.cpp runs. It first says
//! `ready WALL CPU BEFORE`: how long loading took, in microseconds of wall and of processor time, and the bytes that were resident before. For each line `N` that it reads it runs the model N times and says
//! `WALL CPU` of each; of a decoder `WALL CPU WALL CPU`, of reading the prompt and of one token after it. At the end of its
//! input it says `peak BYTES`: the most that was ever resident. So whoever starts several of them can have them run in turn.

use std::fs;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::time::{ClockId, clock_gettime};
use trimtab_engine::{LanguageModel, RgbFrame, TokenId, VisionTower};

/// Sides of the picture; what the tower sees of it is made before the clock starts.
const PICTURE_SIDE: u32 = 224;
const PROMPT_TOKENS: u32 = 16;
const NEW_TOKENS: u32 = 32;

/// Time of one part of a run.
struct Timed {
    wall: Duration,
    cpu: Duration,
}

/// One run of the model.
type Run = Box<dyn FnMut() -> Result<Vec<Timed>>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, folder] = &arguments[..] else { bail!("usage: peer vision|decoder FOLDER") };
    let before = resident("VmRSS:")?;
    let mut model = None;
    let loading = timed(|| {
        model = Some(load(kind, Path::new(folder))?);
        Ok(())
    })?;
    let mut run = model.context("nothing was loaded")?;
    run()?;
    say(&format!("ready {} {before}", show(&loading)))?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        for _ in 0..line.trim().parse::<u32>().with_context(|| format!("not a number of runs: {line:?}"))? {
            let parts: Vec<String> = run()?.iter().map(show).collect();
            say(&parts.join(" "))?;
        }
    }
    say(&format!("peak {}", resident("VmHWM:")?))
}

fn load(kind: &str, folder: &Path) -> Result<Run> {
    match kind {
        "vision" => {
            let tower = VisionTower::load(folder)?;
            let noise = (0..PICTURE_SIDE * PICTURE_SIDE * 3).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8);
            let pixels = tower.pixels(&RgbFrame::new(PICTURE_SIDE, PICTURE_SIDE, noise.collect())?);
            Ok(Box::new(move || Ok(vec![timed(|| tower.embed_pixels(&pixels).map(|_| ()).map_err(Into::into))?])))
        }
        "decoder" => {
            let model = LanguageModel::load(folder)?;
            Ok(Box::new(move || decode(&model)))
        }
        #[cfg(feature = "gguf")]
        "gguf" => {
            let options = trimtab_gguf::GgufOptions::default();
            let model = trimtab_gguf::GgufFile::open(folder, options)?.load()?;
            Ok(Box::new(move || answer(&model)))
        }
        other => bail!("no kind {other:?}: vision, decoder, or gguf where this is built with it"),
    }
}

/// Reads a prompt, then goes on greedily.
fn decode(model: &LanguageModel) -> Result<Vec<Timed>> {
    let mut session = model.session();
    let prompt: Vec<TokenId> = (1..=PROMPT_TOKENS).collect();
    let mut logits = Vec::new();
    let reading = timed(|| {
        logits = session.step(&prompt)?;
        Ok(())
    })?;
    let all = timed(|| {
        for _ in 0..NEW_TOKENS {
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0);
            logits = session.step(&[best as TokenId])?;
        }
        Ok(())
    })?;
    Ok(vec![reading, Timed { wall: all.wall / NEW_TOKENS, cpu: all.cpu / NEW_TOKENS }])
}

/// The same of a model behind the trait: a prompt of 16 tokens, with the one that begins it, and those that follow the first.
#[cfg(feature = "gguf")]
fn answer(model: &dyn trimtab_engine::LocalModel) -> Result<Vec<Timed>> {
    use std::ops::ControlFlow;
    use trimtab_engine::{GenerateOptions, Progress};

    const PROMPT: &str = "turn on the lamps";
    let options = GenerateOptions { max_tokens: NEW_TOKENS as usize + 1, ..GenerateOptions::default() };
    let now = || (Instant::now(), processor_time());
    let mut told = vec![now()];
    let answer = model.generate(PROMPT, &options, &mut |progress| {
        if matches!(progress, Progress::Token { .. }) {
            told.push(now());
        }
        ControlFlow::Continue(())
    })?;
    let [start, first, .., last] = told[..] else { bail!("it ended at once") };
    let steps = told.len() as u32 - 2;
    if (answer.prompt_tokens, steps) != (PROMPT_TOKENS as usize, NEW_TOKENS) {
        bail!("{} tokens were read and {steps} followed", answer.prompt_tokens);
    }
    let between =
        |from: (Instant, Duration), to: (Instant, Duration)| Timed { wall: to.0 - from.0, cpu: to.1 - from.1 };
    let all = between(first, last);
    Ok(vec![between(start, first), Timed { wall: all.wall / steps, cpu: all.cpu / steps }])
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Timed> {
    let (wall, cpu) = (Instant::now(), processor_time());
    work()?;
    Ok(Timed { wall: wall.elapsed(), cpu: processor_time().saturating_sub(cpu) })
}

/// Of this whole process: a second thread would not go unseen.
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// A line of the kernel's account of this process's memory, in bytes.
fn resident(key: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line =
        text.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("the kernel tells no {key}"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}

fn show(timed: &Timed) -> String {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    format!("{:.1} {:.1}", micros(timed.wall), micros(timed.cpu))
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
