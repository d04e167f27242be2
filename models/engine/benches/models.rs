//! What one run of each shipped model takes, one thread: `cargo bench -p trimtab-engine`.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use trimtab_core::observation::TRIMTAB1_WIDTH;
use trimtab_engine::{Encoder, GenerateOptions, LanguageModel, PolicyFile, RgbFrame, Vqa};

/// Time spent on one row.
const ROW_TIME: Duration = Duration::from_millis(800);
/// Fewest runs of one row.
const RUNS_MIN: usize = 5;

/// Time that this thread has spent on a core, in nanoseconds: unlike the clock it does not count waiting for one.
fn on_core() -> Result<u64> {
    let stat =
        std::fs::read_to_string("/proc/thread-self/schedstat").context("reading this thread's time on a core")?;
    stat.split(' ').next().unwrap_or_default().parse().context("parsing this thread's time on a core")
}

/// Runs `work` for a while; prints the shortest time by the clock and the mean time on a core.
fn row<T>(name: &str, mut work: impl FnMut() -> Result<T>) -> Result<()> {
    work()?;
    let (started, core) = (Instant::now(), on_core()?);
    let (mut runs, mut shortest) = (0, Duration::MAX);
    while runs < RUNS_MIN || started.elapsed() < ROW_TIME {
        let begun = Instant::now();
        black_box(work()?);
        shortest = shortest.min(begun.elapsed());
        runs += 1;
    }
    let mean = (on_core()? - core) as f64 / 1e3 / runs as f64;
    println!("{name:<44} {:>10.1} {mean:>10.1} {runs:>7}", shortest.as_secs_f64() * 1e6);
    Ok(())
}

/// Loads a model and prints how long that took and how large it is.
fn loaded<T>(name: &str, load: impl FnOnce() -> Result<T>, bytes: impl FnOnce(&T) -> u64) -> Result<T> {
    let begun = Instant::now();
    let model = load().with_context(|| format!("loading {name}"))?;
    let (ms, kib) = (begun.elapsed().as_secs_f64() * 1e3, bytes(&model) / 1024);
    println!("\n{name}: loaded in {ms:.1} ms, about {kib} KiB of weights");
    Ok(model)
}

fn main() -> Result<()> {
    let shipped = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shipped"));
    println!("{:<44} {:>10} {:>10} {:>7}", "run", "min µs", "core µs", "runs");

    let pixels = (0..640 * 480 * 3).map(|i: u32| (i / 7 % 256) as u8).collect();
    let frame = RgbFrame::new(640, 480, pixels)?;
    let jpeg = frame.to_jpeg(80)?;
    row("decode a 640×480 JPEG", || Ok(RgbFrame::decode(&jpeg, "bench")?))?;
    row("shrink 640×480 to 64×64", || Ok(frame.resized(64, 64)))?;

    let encoder = loaded("encoder", || Ok(Encoder::load(&shipped.join("encoder"))?), Encoder::loaded_bytes)?;
    let small = frame.resized(64, 64);
    row("encoder: one 64×64 view", || Ok(encoder.embed_image(&small)?))?;
    row("encoder: one prompt of 9 words", || Ok(encoder.embed_text("is the lamp in the kitchen on or off?")?))?;
    let prompt = encoder.embed_text("is the lamp on?")?;
    row("encoder: task of a prompt", || Ok(encoder.task(&prompt)))?;

    let language = loaded("lm", || Ok(LanguageModel::load(&shipped.join("lm"))?), LanguageModel::loaded_bytes)?;
    let ids = language.tokenizer().encode("turn on the lamp in the kitchen and tell me when it is done");
    row(&format!("lm: read {} tokens", ids.len()), || Ok(language.session().step(&ids)?))?;
    let mut session = language.session();
    session.step(&[ids[0]; 16])?;
    let mut cached = 16;
    row("lm: one token, cache of 16 to 64", || {
        if cached == 64 {
            session.clear();
            session.step(&[ids[0]; 16])?;
            cached = 16;
        }
        cached += 1;
        Ok(session.step(&ids[..1])?)
    })?;
    let options = GenerateOptions { max_tokens: 64, ..GenerateOptions::default() };
    row("lm: a whole reply", || {
        Ok(session.generate("turn on the lamp in the kitchen", &options, &mut |_| ControlFlow::Continue(()))?)
    })?;

    for name in ["vlm-good", "vlm-cheap"] {
        let vqa = loaded(name, || Ok(Vqa::load(&shipped.join(name))?), Vqa::loaded_bytes)?;
        for views in [1, 3] {
            let frames = vec![small.clone(); views];
            row(&format!("{name}: a question about {views} views"), || {
                Ok(vqa.answer(&frames, "how many people are there?")?)
            })?;
        }
    }
    policy(&shipped.join("policy"))
}

/// Every policy in the folder.
fn policy(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "onnx") {
            let name = format!("policy {}", path.file_name().unwrap_or_default().to_string_lossy());
            let policy = loaded(&name, || Ok(PolicyFile::load(&path)?), PolicyFile::loaded_bytes)?;
            let rows = [[0.5; TRIMTAB1_WIDTH]; 15];
            row("policy: 15 candidates", || Ok(policy.score(&rows)?))?;
        }
    }
    Ok(())
}
