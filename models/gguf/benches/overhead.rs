//! What the trait costs on top of llama.cpp: the same file, of the sizes of a 135 M model with random 4-bit weights, decoded
//! by a bare loop over the binding and through [`LocalModel`], in turns, in processor time of one thread.

#[path = "../tests/gguf/writer.rs"]
mod writer;

use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use rustix::time::{ClockId, clock_gettime};
use trimtab_engine::{GenerateOptions, LocalModel, Progress};
use trimtab_gguf::{BATCH, GgufFile, GgufModel, GgufOptions};
use writer::{Gguf, Shape, Weights};

const ROUNDS: usize = 15;
const TOKENS: usize = 65;
/// Fifteen tokens, and the one that begins texts.
const PROMPT: &str = "turn on the lamps";

/// One answer: its tokens, and the processor time of each after the first.
struct Run {
    ids: Vec<u32>,
    took: Vec<Duration>,
    whole: Duration,
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn through_the_trait(model: &dyn LocalModel) -> Result<Run> {
    let options = GenerateOptions { max_tokens: TOKENS, ..GenerateOptions::default() };
    let (mut ids, mut told) = (Vec::new(), Vec::new());
    let began = now();
    model.generate(PROMPT, &options, &mut |progress| {
        if let Progress::Token { id: Some(id), .. } = progress {
            ids.push(id);
            told.push(now());
        }
        ControlFlow::Continue(())
    })?;
    Ok(Run { ids, took: gaps(&told), whole: now() - began })
}

fn bare(model: &LlamaModel, backend: &LlamaBackend) -> Result<Run> {
    let began = now();
    let vocab = model.vocab();
    let mut prompt = vocab.tokenize(PROMPT.as_bytes(), false, false);
    prompt.insert(0, vocab.bos());
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(256))
        .with_n_batch(BATCH as u32)
        .with_n_ubatch(BATCH as u32)
        .with_n_threads(1)
        .with_n_threads_batch(1)
        .with_no_perf(true);
    let mut context = model.new_context(backend, params)?;
    let mut batch = LlamaBatch::new(BATCH, 1);
    batch.add_sequence(&prompt, 0, false)?;
    context.decode(&mut batch)?;
    let (mut ids, mut told) = (Vec::new(), Vec::new());
    let mut text = Vec::new();
    while ids.len() < TOKENS {
        let logits = context.get_logits_ith(batch.n_tokens() - 1);
        let mut best = 0;
        for (id, logit) in logits.iter().enumerate() {
            if *logit > logits[best] {
                best = id;
            }
        }
        let token = LlamaToken(i32::try_from(best)?);
        if vocab.is_eog(token) {
            break;
        }
        vocab.token_to_piece_into(token, &mut text, false, None);
        ids.push(u32::try_from(best)?);
        told.push(now());
        batch.clear();
        batch.add(token, i32::try_from(prompt.len() + ids.len() - 1)?, &[0], true)?;
        if ids.len() < TOKENS {
            context.decode(&mut batch)?;
        }
    }
    drop(context);
    Ok(Run { ids, took: gaps(&told), whole: now() - began })
}

fn gaps(told: &[Duration]) -> Vec<Duration> {
    told.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ms(run: &Run) -> f64 {
    median(run.took.iter().map(|took| took.as_secs_f64() * 1e3).collect())
}

fn resident() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

fn measure(path: &Path) -> Result<()> {
    let before = resident()?;
    let began = now();
    let model: GgufModel = GgufFile::open(path, GgufOptions::default())?.load()?;
    println!("load {:.0} ms of processor time", (now() - began).as_secs_f64() * 1e3);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "resident {:.1} MiB more; told before loading: {:.1} MiB, and {:.1} MiB for a full context",
        resident()? - before,
        mib(model.loaded_bytes()),
        mib(model.cache_bytes_max()),
    );
    // The trait has set llama.cpp up; the binding hands out its state only once.
    let backend = LlamaBackend {};
    let raw = LlamaModel::load_from_file(&backend, path, &LlamaModelParams::default().with_use_mmap(false))?;
    let mut ratios = Vec::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (a, b) = if round % 2 == 0 {
            let a = through_the_trait(&model)?;
            (a, bare(&raw, &backend)?)
        } else {
            let b = bare(&raw, &backend)?;
            (through_the_trait(&model)?, b)
        };
        ensure!(a.ids == b.ids && a.ids.len() == TOKENS, "the loops disagree: {:?} and {:?}", a.ids, b.ids);
        ratios.push(ms(&a) / ms(&b));
        ours.push((ms(&a), a.whole.as_secs_f64() * 1e3));
        theirs.push((ms(&b), b.whole.as_secs_f64() * 1e3));
    }
    let split = |runs: &[(f64, f64)]| {
        (median(runs.iter().map(|run| run.0).collect()), median(runs.iter().map(|run| run.1).collect()))
    };
    let ((ours, our_whole), (theirs, their_whole)) = (split(&ours), split(&theirs));
    ratios.sort_by(f64::total_cmp);
    println!("decode, ms a token: trait {ours:.3}, bare loop {theirs:.3}");
    println!("whole answer of {TOKENS} tokens, ms: trait {our_whole:.1}, bare loop {their_whole:.1}");
    println!(
        "trait / bare, median of {ROUNDS} rounds {:.4} [{:.4}, {:.4}]",
        ratios[ROUNDS / 2],
        ratios[ROUNDS / 8],
        ratios[ROUNDS - 1 - ROUNDS / 8]
    );
    Ok(())
}

fn main() -> Result<()> {
    // `cargo test --benches` and the lints' build start this too, with nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, Gguf::random(&Shape::smollm2_135m(), Weights::Q4_0, 1).bytes())?;
    measure(&path)
}
