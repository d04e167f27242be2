//! The task head: a logistic regression on frozen text embeddings, its temperature, and the centroids that tell what is
//! like nothing seen.

use burn::tensor::Device;
use serde::Serialize;
use trimtab_scenes::{Conversation, Rng, Split, TaskKind, unknown_prompts};

use crate::corpus::{TEXT_CONTEXT, texts_tensor};
use crate::encoder::{DualEncoder, WIDTH};
use crate::layers::numbers;

const PROMPTS: usize = 4000;
const HOLD_BACK: usize = 1000;
const STEPS: usize = 300;
const CENTROIDS_A_KIND: usize = 24;
const ROUNDS: usize = 12;
/// Share of training prompts left on the wrong side, on either side, when the border of the unknown is drawn.
const BORDER_SHARE: f64 = 0.01;
const KINDS: usize = TaskKind::ALL.len();

/// `task_head.json`.
#[derive(Clone, Debug, Serialize)]
pub struct TaskHead {
    labels: Vec<&'static str>,
    weight: Vec<Vec<f32>>,
    bias: Vec<f32>,
    temperature: f32,
    centroids: Vec<Vec<f32>>,
    min_cosine: f32,
}

type Point = (Vec<f32>, usize);

fn embed(model: &DualEncoder, seed: u64) -> Vec<Point> {
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

/// Embeddings of the training prompts that are like none of the four kinds.
fn embed_unknown(model: &DualEncoder) -> Vec<Vec<f32>> {
    let prompts = unknown_prompts(Split::Train).iter().copied();
    numbers(model.embed_texts(texts_tensor(prompts, TEXT_CONTEXT, &Device::flex())))
        .chunks(WIDTH)
        .map(<[f32]>::to_vec)
        .collect()
}

/// The value below which `share` of `values` lie; −1 when there are none.
fn quantile(mut values: Vec<f32>, share: f64) -> f32 {
    values.sort_by(f32::total_cmp);
    let at = (values.len() as f64 * share) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(-1.0)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|l| (l - peak).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// Fits the head to the embeddings of training prompts.
#[must_use]
pub fn train(model: &DualEncoder, seed: u64) -> TaskHead {
    let mut points = embed(model, seed);
    let held_back = points.split_off(points.len().saturating_sub(HOLD_BACK));
    let mut weight = vec![vec![0.0_f32; WIDTH]; KINDS];
    let mut bias = vec![0.0_f32; KINDS];
    let logits = |weight: &[Vec<f32>], bias: &[f32], e: &[f32]| -> Vec<f32> {
        (0..KINDS).map(|k| dot(&weight[k], e) + bias[k]).collect()
    };
    let rate = 20.0 / points.len() as f32;
    for _ in 0..STEPS {
        let mut step = vec![vec![0.0_f32; WIDTH + 1]; KINDS];
        for (e, kind) in &points {
            for (k, p) in softmax(&logits(&weight, &bias, e)).into_iter().enumerate() {
                let error = f32::from(u8::from(k == *kind)) - p;
                step[k].iter_mut().zip(e).for_each(|(s, x)| *s += error * x);
                step[k][WIDTH] += error;
            }
        }
        for k in 0..KINDS {
            weight[k].iter_mut().zip(&step[k]).for_each(|(w, s)| *w += rate * s);
            bias[k] += rate * step[k][WIDTH];
        }
    }
    // The temperature with the least surprise on prompts that the regression did not see.
    let surprise = |t: f32| -> f32 {
        let of = |(e, kind): &Point| {
            -softmax(&logits(&weight, &bias, e).iter().map(|l| l / t).collect::<Vec<_>>())[*kind].max(1e-9).ln()
        };
        held_back.iter().map(of).sum()
    };
    let candidates = (1..=40).map(|i| i as f32 * 0.05);
    let temperature = candidates.min_by(|&a, &b| surprise(a).total_cmp(&surprise(b))).unwrap_or(1.0);
    let centroids = centroids(&points, seed);
    let nearest = |e: &[f32]| centroids.iter().map(|c| dot(c, e)).fold(-1.0, f32::max);
    let known = quantile(held_back.iter().map(|(e, _)| nearest(e)).collect(), BORDER_SHARE);
    let strange = quantile(embed_unknown(model).iter().map(|e| nearest(e)).collect(), 1.0 - BORDER_SHARE);
    // Halfway between the two: phrasings that training never saw fall short of its prompts, too.
    let min_cosine = 0.5 * (known + strange.min(known));
    TaskHead {
        labels: TaskKind::ALL.iter().map(|k| k.word()).collect(),
        weight,
        bias,
        temperature,
        centroids,
        min_cosine,
    }
}

/// Spherical k-means within each kind.
fn centroids(points: &[Point], seed: u64) -> Vec<Vec<f32>> {
    let mut rng = Rng::for_purpose(seed, "centroids");
    let mut found = Vec::new();
    for kind in 0..KINDS {
        let own: Vec<&Vec<f32>> = points.iter().filter(|(_, k)| *k == kind).map(|(e, _)| e).collect();
        if own.is_empty() {
            continue;
        }
        let mut centres: Vec<Vec<f32>> = (0..CENTROIDS_A_KIND).map(|_| (*rng.pick(&own)).clone()).collect();
        for _ in 0..ROUNDS {
            let mut sums = vec![vec![0.0_f32; WIDTH]; centres.len()];
            for e in &own {
                let best = (0..centres.len())
                    .max_by(|&a, &b| dot(&centres[a], e).total_cmp(&dot(&centres[b], e)))
                    .unwrap_or(0);
                sums[best].iter_mut().zip(e.iter()).for_each(|(s, x)| *s += x);
            }
            for (centre, sum) in centres.iter_mut().zip(sums) {
                let length = dot(&sum, &sum).sqrt();
                if length > 1e-6 {
                    *centre = sum.into_iter().map(|s| s / length).collect();
                }
            }
        }
        found.append(&mut centres);
    }
    found
}
