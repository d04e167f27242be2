//! Whole tiny models through the public interface.

use std::ops::ControlFlow;
use std::path::Path;

use trimtab_core::TaskKind;
use trimtab_core::observation::{Layout, TRIMTAB1_WIDTH};
use trimtab_engine::{Encoder, Finish, GenerateOptions, LanguageModel, PolicyError, PolicyFile, RgbFrame, Vqa};
use trimtab_quant::{DType, Graph};

use crate::tiny::{self, Chance};

pub(crate) fn frame(width: u32, height: u32) -> RgbFrame {
    let pixels = (0..width * height * 3).map(|i| (i * 7 % 256) as u8).collect();
    RgbFrame::new(width, height, pixels).unwrap()
}

fn encoder() -> (tempfile::TempDir, Encoder) {
    let dir = tempfile::tempdir().unwrap();
    tiny::encoder(dir.path());
    let encoder = Encoder::load(dir.path()).unwrap();
    (dir, encoder)
}

#[test]
fn embeddings_are_unit_vectors_of_the_declared_dimension() {
    let (_dir, encoder) = encoder();
    for embedding in [
        encoder.embed_image(&frame(40, 30)).unwrap(),
        encoder.embed_image(&frame(1, 1)).unwrap(),
        encoder.embed_text("").unwrap(),
        encoder.embed_text(&"is the lamp on? ".repeat(1000)).unwrap(),
    ] {
        let length: f32 = embedding.as_slice().iter().map(|v| v * v).sum();
        assert_eq!(embedding.as_slice().len(), encoder.dimension());
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
}

#[test]
fn the_same_picture_gives_the_same_association_and_calibration_rises_with_it() {
    let (_dir, encoder) = encoder();
    let view = encoder.embed_image(&frame(16, 16)).unwrap();
    let prompt = encoder.embed_text("is the lamp on?").unwrap();
    assert_eq!(encoder.association(&prompt, &view), encoder.association(&view, &prompt));
    assert!((encoder.association(&view, &view) - 1.0).abs() < 1e-6);
    // logit_scale 10, logit_bias -2.
    assert_eq!(encoder.shows_probability(0.2), Some(0.5));
    assert!(encoder.shows_probability(0.9) > encoder.shows_probability(0.3));
}

#[test]
fn a_task_is_named_until_the_prompt_is_too_far_from_what_was_seen() {
    let (dir, encoder) = encoder();
    let prompt = encoder.embed_text("is the lamp on?").unwrap();
    let near = encoder.task(&prompt);
    assert!((near.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    assert_eq!(near.kind.index(), (0..4).max_by(|&a, &b| near.probabilities[a].total_cmp(&near.probabilities[b])));

    let path = dir.path().join("task_head.json");
    let strict = std::fs::read_to_string(&path).unwrap().replace("\"min_cosine\":-1.0", "\"min_cosine\":1.5");
    std::fs::write(&path, strict).unwrap();
    let far = Encoder::load(dir.path()).unwrap().task(&prompt);
    assert_eq!((far.kind, far.out_of_distribution), (TaskKind::Unknown, true));
    assert_eq!(far.probabilities, near.probabilities);

    std::fs::remove_file(&path).unwrap();
    let headless = Encoder::load(dir.path()).unwrap();
    assert!(!headless.classifies_tasks() && headless.task(&prompt).out_of_distribution);
}

#[test]
fn the_fingerprint_follows_every_file_that_changes_an_embedding() {
    let (dir, encoder) = encoder();
    assert_eq!(encoder.fingerprint(), Encoder::load(dir.path()).unwrap().fingerprint());
    assert_eq!(encoder.card().peak_bytes(), Some(4096));
    let path = dir.path().join("preprocessor_config.json");
    std::fs::write(&path, tiny::preprocessor_json(tiny::SIDE).replace("\"resample\":2", "\"resample\":3")).unwrap();
    assert_ne!(encoder.fingerprint(), Encoder::load(dir.path()).unwrap().fingerprint());
}

#[test]
fn one_file_with_both_towers_gives_what_two_give() {
    let (two, one) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tiny::clip(two.path());
    tiny::clip_in_one_file(one.path(), 9);
    let (two, one) = (Encoder::load(two.path()).unwrap(), Encoder::load(one.path()).unwrap());
    let picture = frame(40, 30);
    assert_eq!(one.embed_image(&picture).unwrap(), two.embed_image(&picture).unwrap());
    let text = |encoder: &Encoder| encoder.embed_text("on 12").unwrap();
    assert!(text(&one).cosine(&text(&two)) > 0.99999, "short texts are filled up to the length of the graph");
    assert_ne!(one.fingerprint(), two.fingerprint());
}

#[test]
fn an_ordinary_clip_folder_loads_and_sees_the_middle_of_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    tiny::clip(dir.path());
    let encoder = Encoder::load(dir.path()).unwrap();
    assert!(
        !encoder.classifies_tasks()
            && encoder.shows_probability(0.5).is_none()
            && encoder.card().peak_bytes().is_none()
    );
    assert_eq!(encoder.embed_text("ON").unwrap(), encoder.embed_text("  on ").unwrap());
    assert_ne!(encoder.embed_text("on").unwrap(), encoder.embed_text("off").unwrap());

    // The same square in the middle, other stripes left and right of it.
    let side = tiny::SIDE;
    let wide = |stripe: u8| {
        let inside = |x: usize| (side..2 * side).contains(&x);
        let pixel = |i: usize| if inside(i % (3 * side)) { [(i * 5 % 251) as u8, 80, 160] } else { [stripe; 3] };
        RgbFrame::new(3 * side as u32, side as u32, (0..3 * side * side).flat_map(pixel).collect()).unwrap()
    };
    let cosine = encoder.embed_image(&wide(0)).unwrap().cosine(&encoder.embed_image(&wide(255)).unwrap());
    assert!(cosine > 0.9999, "{cosine}");
}

fn language() -> (tempfile::TempDir, LanguageModel) {
    let dir = tempfile::tempdir().unwrap();
    tiny::language(dir.path());
    let model = LanguageModel::load(dir.path()).unwrap();
    (dir, model)
}

#[test]
fn the_cache_gives_what_reading_everything_at_once_gives() {
    let (_dir, model) = language();
    let ids = model.tokenizer().encode("turn on the lamp in the kitchen");
    let at_once = model.session().step(&ids).unwrap();
    for first in [1, ids.len() / 2, ids.len() - 1] {
        let mut session = model.session();
        session.step(&ids[..first]).unwrap();
        let mut last = Vec::new();
        for id in &ids[first..] {
            last = session.step(&[*id]).unwrap();
        }
        let worst = last.iter().zip(&at_once).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "split at {first}: {worst}");
    }
}

#[test]
fn generation_streams_what_it_returns_and_can_be_stopped_between_tokens() {
    let (_dir, model) = language();
    let mut session = model.session();
    let options = GenerateOptions { max_tokens: 20, ..GenerateOptions::default() };
    let mut streamed = String::new();
    let mut logprobs = Vec::new();
    let whole = session
        .generate("turn on the lamp", &options, &mut |token| {
            streamed.push_str(token.piece);
            logprobs.push(token.logprob);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((&streamed, logprobs.len()), (&whole.text, whole.tokens));
    assert!(logprobs.iter().all(|l| *l <= 0.0));
    assert!(matches!((whole.finish, whole.tokens), (Finish::Length, 20) | (Finish::Stop, 0..20)));

    let mut count = 0;
    let cut = session
        .generate("turn on the lamp", &options, &mut |_| {
            count += 1;
            if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((cut.finish, cut.tokens), (Finish::Cancelled, 3));
    assert!(whole.text.starts_with(&cut.text));
}

#[test]
fn a_seed_repeats_a_draw_and_another_gives_another() {
    let (_dir, model) = language();
    let generate = |seed| {
        let options = GenerateOptions { max_tokens: 12, temperature: 1.0, seed, ..GenerateOptions::default() };
        model.session().generate("hello", &options, &mut |_| ControlFlow::Continue(())).unwrap().text
    };
    assert_eq!(generate(1), generate(1));
    assert!((2..8).any(|seed| generate(seed) != generate(1)));
}

#[test]
fn a_prompt_longer_than_the_context_is_cut_and_generation_stays_inside() {
    let (_dir, model) = language();
    let options = GenerateOptions { max_tokens: 1000, ..GenerateOptions::default() };
    for prompt in ["é".repeat(500), "lamp ".repeat(40), String::new()] {
        let done = model.session().generate(&prompt, &options, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(done.prompt_truncated, !prompt.is_empty());
        assert!(done.prompt_tokens + done.tokens <= model.context() + 1, "{done:?}");
    }
}

#[test]
fn an_answer_depends_on_the_pixels_and_text_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    tiny::vqa(dir.path(), &["red", "blue", "green", "two"]);
    let vqa = Vqa::load(dir.path()).unwrap();
    let plain = |r, g, b| RgbFrame::new(8, 8, [r, g, b].repeat(64)).unwrap();
    let (red, blue) = (plain(255, 0, 0), plain(0, 0, 255));
    let answers: Vec<_> =
        [&red, &blue].map(|view| vqa.answer(std::slice::from_ref(view), "which colour?").unwrap()).into();
    assert_ne!(answers[0], answers[1]);
    let both = vqa.answer(&[red.clone(), blue], "which colour?").unwrap();
    assert!(!both.is_text && !both.text.is_empty() && (0.0..=1.0).contains(&both.probability));
    assert!(vqa.answer(&[], "which colour?").is_err());

    tiny::vqa(dir.path(), &["<text>"]);
    let text = Vqa::load(dir.path()).unwrap().answer(&[red], "write to Anna").unwrap();
    assert!(text.is_text && text.text.is_empty());
}

pub(crate) fn write_policy(path: &Path, graph: &Graph) {
    std::fs::write(path, graph.to_bytes().unwrap()).unwrap();
}

#[test]
fn a_policy_scores_each_candidate_by_its_own_row() {
    let (dir, encoder) = encoder();
    let path = dir.path().join("policy.onnx");
    let fingerprint = encoder.fingerprint().to_string();
    write_policy(
        &path,
        tiny::policy_graph(&mut Chance(5), TRIMTAB1_WIDTH, &fingerprint).metadata("algorithm", "regression"),
    );
    let policy = PolicyFile::load(&path).unwrap();
    policy.check_encoder(&encoder.fingerprint()).unwrap();
    assert_eq!((policy.layout(), policy.metadata("algorithm")), (Layout::Trimtab1, Some("regression")));

    let mut rows = [[0.5; TRIMTAB1_WIDTH]; 3];
    rows[1][40] = -3.0;
    let scores = policy.score(&rows).unwrap();
    assert_eq!(scores.score[0], scores.score[2]);
    assert_ne!(scores.score[0], scores.score[1]);
    assert_eq!(policy.score(&rows[1..2]).unwrap().score, scores.score[1..2]);
    assert!(scores.quality.unwrap().iter().all(|q| (0.0..=1.0).contains(q)));
    assert!(policy.score(&[]).unwrap().score.is_empty());

    let prompt = encoder.embed_text("is the lamp on?").unwrap();
    let columns = prompt.as_slice().len();
    let matrix = Chance(5).numbers(2 * TRIMTAB1_WIDTH + 24 * columns, 1.0).split_off(2 * TRIMTAB1_WIDTH);
    let expected: f32 = matrix[..columns].iter().zip(prompt.as_slice()).map(|(w, e)| w * e).sum();
    assert!((policy.project(&prompt).unwrap()[0] - expected).abs() < 1e-6);
}

#[test]
fn the_published_layouts_give_nine_scores_and_take_no_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.onnx");
    for layout in [Layout::Tmo1, Layout::Tmo1Rc] {
        let width = layout.width();
        let mut g = Graph::new("policy");
        g.input("observation", DType::F32, &[1.into(), width.into()]);
        let weight = g.int8_weight("w", &Chance(6).numbers(width * 9, 1.0), &[width, 9], 1);
        g.node("MatMul", &["observation", &weight], &["score"], &[]);
        g.output("score", DType::F32, &[1.into(), 9.into()]);
        g.metadata("layout", layout.name()).metadata("layout_version", "1");
        write_policy(&path, &g);
        let policy = PolicyFile::load(&path).unwrap();
        assert!(policy.score_tmo1(&vec![0.1; width]).unwrap().iter().any(|score| *score != 0.0));
        assert!(matches!(policy.score_tmo1(&[0.1; 9]), Err(PolicyError::Use { .. })));
        assert!(matches!(policy.score(&[[0.0; TRIMTAB1_WIDTH]]), Err(PolicyError::Use { .. })));
    }
}
