//! Three steps of every trainer, the folder written, loaded by the engine, and both sides compared.
//!
//! Tolerances: the files hold int8 weights, the trained networks f32. Rounding a weight moves it by at most 1/254 of its
//! channel's peak, which the towers turn into a cosine of at least `COSINE_MIN` and into logits and probabilities that
//! differ by less than the bounds below.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use trimtab_engine::{Encoder, LanguageModel, RgbFrame, Vqa};
use trimtab_scenes::{CAMERAS, Conversation, Scene, Split};
use trimtab_zoo::corpus::{TEXT_CONTEXT, texts_tensor, vocabulary};
use trimtab_zoo::eye::{self, Eye, push_patches};
use trimtab_zoo::fit::Budget;
use trimtab_zoo::folder::Place;
use trimtab_zoo::layers::Precision;
use trimtab_zoo::vqa::Grade;
use trimtab_zoo::weights::Weights;
use trimtab_zoo::{encoder, folder, lm, task_head, vqa};

const STEPS: Budget = Budget::Steps(3);
const SEED: u64 = 5;
const COSINE_MIN: f32 = 0.995;
/// Weights and activations are int8 in what is shipped.
const LOGIT_DIFFERENCE_MAX: f32 = 0.1;
const PROBABILITY_DIFFERENCE_MAX: f32 = 0.02;
/// Folding the normalisation into the weights rounds, no more.
const FOLDED_DIFFERENCE_MAX: f32 = 1e-3;

/// A process has one sequence of random numbers, which a trainer seeds: trainers run one after another, so that each test
/// sees the same weights every time.
fn alone() -> MutexGuard<'static, ()> {
    static TRAINERS: Mutex<()> = Mutex::new(());
    TRAINERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn frame(scene: &Scene, camera: usize, side: usize) -> RgbFrame {
    let picture = scene.render(camera, side, side).expect("a camera of the scene");
    RgbFrame::new(side as u32, side as u32, picture.rgb).expect("as many bytes as the sides say")
}

fn patches(scene: &Scene, cameras: core::ops::Range<usize>, side: usize) -> Vec<f32> {
    let mut patches = Vec::new();
    cameras.for_each(|camera| push_patches(scene, camera, side, &mut patches));
    patches
}

fn shipped(dir: &Path) -> Place<'_> {
    Place { all: dir, weights: Precision::Int8 }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn the_engine_reads_texts_into_the_tokens_that_were_trained() {
    let json = serde_json::to_vec(&vocabulary().to_json()).expect("a tree of plain values");
    let read = trimtab_engine::Tokenizer::parse(Path::new("tokenizer.json"), &json).expect("the engine reads the file");
    let turns = Conversation::generate(SEED, Split::HeldOut, 200).turns;
    let texts = turns.iter().flat_map(|t| [t.prompt.text.as_str(), t.prompt.answer.as_str()]);
    for text in texts.chain(["", "  two  spaces ", "größer als 3 m² 🙂", "it's 21:30, isn't it?"]) {
        assert_eq!(read.encode(text), vocabulary().encode(text), "{text:?}");
        assert_eq!(read.decode(&vocabulary().encode(text)), text);
    }
}

#[test]
fn the_encoder_that_is_shipped_is_the_encoder_that_was_trained() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (model, run) = encoder::train(SEED, STEPS, None).expect("nothing to take");
    assert!(run.steps == 3 && run.loss.is_finite());
    let written = folder::write_encoder(shipped(dir.path()), &model, encoder::calibrate(&model, SEED), SEED, run)
        .expect("the folder is written");
    let bare = Encoder::load(written.path()).expect("the engine loads it without a head");
    let head = task_head::train(&bare, SEED).expect("the text tower runs");
    written.write_task_head(&head).expect("the head is written");
    let read = Encoder::load(written.path()).expect("the engine loads it");
    for turn in Conversation::generate(SEED, Split::HeldOut, 8).turns {
        let text = turn.prompt.text.as_str();
        let said = numbers(model.embed_texts(texts_tensor([text].into_iter(), TEXT_CONTEXT, &Device::flex())));
        let shipped = read.embed_text(text).expect("the text tower runs");
        assert!(cosine(&said, shipped.as_slice()) >= COSINE_MIN, "{text}");
        for camera in 0..CAMERAS {
            let seen = numbers(
                model.embed_views(patches(&turn.scene, camera..camera + 1, encoder::IMAGE_SIDE), &Device::flex()),
            );
            let shipped =
                read.embed_image(&frame(&turn.scene, camera, encoder::IMAGE_SIDE)).expect("the image tower runs");
            assert!(cosine(&seen, shipped.as_slice()) >= COSINE_MIN, "camera {camera}");
        }
    }
    assert!(read.classifies_tasks() && read.shows_probability(0.5).is_some());
}

#[test]
fn the_language_model_that_is_shipped_is_the_one_that_was_trained() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (model, run) = lm::train(SEED, STEPS);
    assert!(run.steps == 3 && run.loss.is_finite());
    let written = folder::write_lm(shipped(dir.path()), &model, SEED, run).expect("the folder is written");
    let read = LanguageModel::load(written.path()).expect("the engine loads it");
    let ids = vocabulary().encode("tell Anna that dinner is at seven");
    let signed: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let input: Tensor<2, Int> = Tensor::from_data(TensorData::new(signed, [1, ids.len()]), &Device::flex());
    let trained = numbers(model.logits(input));
    let mut session = read.session();
    // A prefill of three tokens, then one token at a time: the cache must give what the whole text gives.
    for (at, end) in [3].into_iter().chain(4..=ids.len()).scan(0, |at, end| Some((core::mem::replace(at, end), end))) {
        let shipped = session.step(&ids[at..end]).expect("the graph runs");
        let expected = &trained[(end - 1) * vocabulary().len()..end * vocabulary().len()];
        let worst = shipped.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= LOGIT_DIFFERENCE_MAX, "{worst} after {end} tokens");
    }
}

#[test]
fn the_stand_ins_that_are_shipped_are_those_that_were_trained() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary folder");
    for grade in [Grade::Good, Grade::Cheap] {
        let (model, run) = vqa::train(grade, SEED, STEPS, None).expect("nothing to take");
        assert!(run.steps == 3 && run.loss.is_finite());
        assert!(model.num_params() > 10_000);
        let written = folder::write_vqa(shipped(dir.path()), grade, &model, SEED, run).expect("the folder is written");
        let read = Vqa::load(written.path()).expect("the engine loads it");
        for (turn, views) in Conversation::generate(SEED, Split::HeldOut, 6).turns.iter().zip([1, 2, 3, 1, 2, 3]) {
            let side = grade.image_side();
            let text = turn.prompt.text.as_str();
            let asked = texts_tensor([text].into_iter(), TEXT_CONTEXT, &Device::flex());
            let logits = numbers(model.forward(patches(&turn.scene, 0..views, side), asked));
            let frames: Vec<RgbFrame> = (0..views).map(|camera| frame(&turn.scene, camera, side)).collect();
            let shipped = read.answer(&frames, text).expect("the graph runs");
            let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f32 = logits.iter().map(|l| (l - peak).exp()).sum();
            assert!((1.0 / total - shipped.probability).abs() <= PROBABILITY_DIFFERENCE_MAX, "{views} views: {text}");
        }
    }
}

#[test]
fn the_eye_that_is_taken_sees_what_the_one_that_was_trained_sees() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (eye, run) = eye::train(eye::SHARED, SEED, STEPS);
    let written = folder::write_eye(dir.path(), &eye, SEED, run).expect("the folder is written");
    let weights = Weights::read(&written.path().join(folder::EYE)).expect("the graph is read back");
    let device = Device::flex();
    let mut taken = Eye::new(eye::SHARED, &device);
    taken.take(&weights, &device).expect("the same shape");
    let scene = Scene::generate(SEED, Split::HeldOut);
    let named = |eye: &Eye| {
        let features = eye.features(patches(&scene, 0..CAMERAS, eye::SHARED.image_side), &device);
        numbers(eye.name(features))
    };
    let worst = named(&eye).iter().zip(named(&taken)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= FOLDED_DIFFERENCE_MAX, "{worst}");
    assert!(taken.is_fixed() && !eye.is_fixed());
    let other = Weights::read(&written.path().join("card.json"));
    assert!(other.is_err(), "a card is no graph");
}
