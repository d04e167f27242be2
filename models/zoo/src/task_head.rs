//! The task head: fitted to frozen text embeddings of training prompts, and of prompts like none of them.

use burn::tensor::Device;
use trimtab_engine::{Lessons, Regression, TaskHeadFile};
use trimtab_scenes::{Conversation, Rng, Split, TaskKind};

use crate::corpus::{TEXT_CONTEXT, texts_tensor};
use crate::encoder::{DualEncoder, WIDTH};
use crate::layers::numbers;
use crate::strange;

const PROMPTS: usize = 4000;
const HOLD_BACK: usize = 1000;
const UNKNOWN: usize = 1000;

fn embed(model: &DualEncoder, seed: u64) -> Vec<(Vec<f32>, usize)> {
    let device = Device::flex();
    let turns = Conversation::generate(seed ^ 0x7a5c, Split::Train, PROMPTS).turns;
    let mut points = Vec::with_capacity(turns.len());
    for chunk in turns.chunks(64) {
        let all = numbers(model.embed_texts(texts_tensor(
            chunk.iter().map(|t| t.prompt.text.as_str()),
            TEXT_CONTEXT,
            &device,
        )));
        points.extend(all.chunks(WIDTH).zip(chunk).map(|(e, t)| (e.to_vec(), t.prompt.kind.index())));
    }
    points
}

/// Embeddings of prompts that are like none of the four kinds.
fn embed_unknown(model: &DualEncoder, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = Rng::for_purpose(seed, "unknown prompts");
    let prompts: Vec<String> = (0..UNKNOWN).map(|_| strange::prompt(&mut rng)).collect();
    numbers(model.embed_texts(texts_tensor(prompts.iter().map(String::as_str), TEXT_CONTEXT, &Device::flex())))
        .chunks(WIDTH)
        .map(<[f32]>::to_vec)
        .collect()
}

/// Fits the head to the embeddings of training prompts.
#[must_use]
pub fn train(model: &DualEncoder, seed: u64) -> TaskHeadFile {
    let mut known = embed(model, seed);
    let held_back = known.split_off(known.len().saturating_sub(HOLD_BACK));
    let unknown = embed_unknown(model, seed);
    let labels = TaskKind::ALL.map(TaskKind::word);
    let regression = Regression::fit(&known, labels.len());
    let lessons = Lessons { labels: &labels, known: &known, held_back: &held_back, unknown: &unknown };
    let mut rng = Rng::for_purpose(seed, "centroids");
    TaskHeadFile::fit(regression, &lessons, &mut |count| rng.below(count))
}
