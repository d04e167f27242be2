//! One run of each shipped model, and what stands before it: loading, pictures.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use trimtab_core::Action;
use trimtab_core::observation::TRIMTAB1_WIDTH;
use trimtab_engine::{Encoder, GenerateOptions, LanguageModel, PolicyFile, RgbFrame, Vqa};

use super::{Row, Work, whole};

const PROMPT: &str = "is the lamp in the kitchen on or off?";
const TASK: &str = "turn on the lamp in the kitchen and tell me when it is done";
const REPLY_TOKENS_MAX: usize = 64;
/// Tokens in the cache when a further one is made.
const CACHED: usize = 32;

pub(crate) const ROWS: [Row; 15] = [
    Row { name: "policy: load", ready: |shipped| loading(shipped, "policy/policy.onnx", PolicyFile::load) },
    Row { name: "policy: candidates of 3 nodes and 3 views", ready: policy },
    Row { name: "view: decode a 640×480 JPEG", ready: decode },
    Row { name: "view: shrink 640×480 to 64×64", ready: shrink },
    Row { name: "encoder: load", ready: |shipped| loading(shipped, "encoder", Encoder::load) },
    Row { name: "encoder: one view", ready: view },
    Row { name: "encoder: one prompt of 9 words", ready: prompt },
    Row { name: "lm: load", ready: |shipped| loading(shipped, "lm", LanguageModel::load) },
    Row { name: "lm: first token after a prompt of 13 words", ready: first_token },
    Row { name: "lm: one further token", ready: further_token },
    Row { name: "lm: a whole reply", ready: reply },
    Row { name: "vlm-good: a question about 1 view", ready: |shipped| question(shipped, "vlm-good", 1) },
    Row { name: "vlm-good: a question about 3 views", ready: |shipped| question(shipped, "vlm-good", 3) },
    Row { name: "vlm-cheap: a question about 1 view", ready: |shipped| question(shipped, "vlm-cheap", 1) },
    Row { name: "vlm-cheap: a question about 3 views", ready: |shipped| question(shipped, "vlm-cheap", 3) },
];

/// A picture with something in it, so that its JPEG is no smaller than a camera's.
fn picture() -> Result<RgbFrame> {
    let pixels = (0..640 * 480 * 3).map(|i: u32| (i / 7 % 256) as u8).collect();
    Ok(RgbFrame::new(640, 480, pixels)?)
}

fn loading<T, E>(shipped: &Path, name: &str, load: fn(&Path) -> Result<T, E>) -> Result<Work>
where
    T: 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    let path = shipped.join(name);
    whole(move || Ok(load(&path)?))
}

fn decode(_: &Path) -> Result<Work> {
    let jpeg = picture()?.to_jpeg(85)?;
    whole(move || Ok(RgbFrame::decode(&jpeg, "bench")?))
}

fn shrink(_: &Path) -> Result<Work> {
    let frame = picture()?;
    whole(move || Ok(frame.resized(64, 64)))
}

fn view(shipped: &Path) -> Result<Work> {
    let (encoder, small) = (Encoder::load(&shipped.join("encoder"))?, picture()?.resized(64, 64));
    whole(move || Ok(encoder.embed_image(&small)?))
}

fn prompt(shipped: &Path) -> Result<Work> {
    let encoder = Encoder::load(&shipped.join("encoder"))?;
    whole(move || Ok(encoder.embed_text(PROMPT)?))
}

fn policy(shipped: &Path) -> Result<Work> {
    let policy = PolicyFile::load(&shipped.join("policy/policy.onnx"))?;
    let rows = vec![[0.5; TRIMTAB1_WIDTH]; Action::all(3, 3).count()];
    whole(move || Ok(policy.score(&rows)?))
}

fn first_token(shipped: &Path) -> Result<Work> {
    let language = LanguageModel::load(&shipped.join("lm"))?;
    let ids = language.tokenizer().encode(TASK);
    let mut session = language.session();
    whole(move || {
        session.clear();
        Ok(session.step(&ids)?)
    })
}

fn further_token(shipped: &Path) -> Result<Work> {
    let language = LanguageModel::load(&shipped.join("lm"))?;
    let ids = language.tokenizer().encode(TASK);
    let mut session = language.session();
    Ok(Box::new(move || {
        session.clear();
        session.step(&[ids[0]; CACHED])?;
        let begun = std::time::Instant::now();
        std::hint::black_box(session.step(&ids[..1])?);
        Ok(begun.elapsed())
    }))
}

fn reply(shipped: &Path) -> Result<Work> {
    let language = LanguageModel::load(&shipped.join("lm"))?;
    let mut session = language.session();
    let options = GenerateOptions { max_tokens: REPLY_TOKENS_MAX, ..GenerateOptions::default() };
    whole(move || Ok(session.generate(TASK, &options, &mut |_| ControlFlow::Continue(()))?))
}

fn question(shipped: &Path, name: &str, views: usize) -> Result<Work> {
    let (vqa, frames) = (Vqa::load(&shipped.join(name))?, vec![picture()?.resized(64, 64); views]);
    whole(move || Ok(vqa.answer(&frames, "how many people are there?")?))
}
