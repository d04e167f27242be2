//! The shipped models, each loaded on its own from its folder and run on held-out scenes.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use trimtab_engine::{Action, Embedding, Encoder, Finish, GenerateOptions, LanguageModel, RgbFrame, Vqa};
use trimtab_scenes::{
    CAMERAS, Caption, Conversation, Rng, Scene, Sighting, Split, Thing, Turn, captions, grade, swapped_caption,
    unknown_prompts,
};

/// All that is shipped must stay a few megabytes.
const SHIPPED_BYTES_MAX: u64 = 8 << 20;
/// Seed of the held-out turns; not one that the models were chosen by.
const SEED: u64 = 90_017;
const TURNS: usize = 160;
/// Side of a rendered view; larger than the models' input, as a camera's is.
const VIEW_SIDE: usize = 128;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shipped").join(name)
}

fn view(scene: &Scene, camera: usize) -> RgbFrame {
    let picture = scene.render(camera, VIEW_SIDE, VIEW_SIDE).unwrap();
    RgbFrame::new(VIEW_SIDE as u32, VIEW_SIDE as u32, picture.rgb).unwrap()
}

fn turns(needs_views: bool) -> impl Iterator<Item = Turn> {
    let turns = Conversation::generate(SEED, Split::HeldOut, TURNS).turns;
    turns.into_iter().filter(move |turn| turn.prompt.needs_views == needs_views)
}

/// Share of trues, and their number.
fn share(outcomes: impl Iterator<Item = bool>) -> f64 {
    let all: Vec<bool> = outcomes.collect();
    all.iter().filter(|right| **right).count() as f64 / all.len() as f64
}

fn folder_bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { folder_bytes(&path) } else { fs::metadata(&path).unwrap().len() }).sum()
}

#[test]
fn all_of_it_is_small_and_every_folder_has_its_card() {
    let bytes = folder_bytes(&shipped(""));
    assert!(bytes <= SHIPPED_BYTES_MAX, "{bytes}");
    let encoder = Encoder::load(&shipped("encoder")).unwrap();
    let language = LanguageModel::load(&shipped("lm")).unwrap();
    let (good, cheap) = (Vqa::load(&shipped("vlm-good")).unwrap(), Vqa::load(&shipped("vlm-cheap")).unwrap());
    for card in [encoder.card(), language.card(), good.card(), cheap.card()] {
        for key in ["what", "data", "seed", "parameters", "scores", "licence"] {
            assert!(card.get(key).is_some_and(|value| !value.is_null()), "{key} is missing in {card:?}");
        }
    }
    assert!(encoder.classifies_tasks() && encoder.shows_probability(0.0).is_some());
    assert!(encoder.loaded_bytes() + language.loaded_bytes() < 20 << 20);
}

#[test]
fn different_prompts_never_share_an_embedding() {
    let encoder = Encoder::load(&shipped("encoder")).unwrap();
    let mut seen: Vec<(String, Embedding)> = Vec::new();
    for turn in turns(true).chain(turns(false)) {
        let embedding = encoder.embed_text(&turn.prompt.text).unwrap();
        if let Some((other, _)) = seen.iter().find(|(text, e)| *text != turn.prompt.text && *e == embedding) {
            panic!("{:?} and {other:?} share an embedding", turn.prompt.text);
        }
        seen.push((turn.prompt.text, embedding));
    }
}

#[test]
fn the_best_associated_view_mostly_shows_what_is_asked() {
    let encoder = Encoder::load(&shipped("encoder")).unwrap();
    let right = share(turns(true).map(|turn| {
        let prompt = encoder.embed_text(&turn.prompt.text).unwrap();
        let association =
            |camera: &usize| encoder.association(&prompt, &encoder.embed_image(&view(&turn.scene, *camera)).unwrap());
        let best = (0..CAMERAS).max_by(|a, b| association(a).total_cmp(&association(b))).unwrap();
        turn.prompt.relevant(&turn.scene, best)
    }));
    let chance =
        share(turns(true).flat_map(|turn| (0..CAMERAS).map(move |camera| turn.prompt.relevant(&turn.scene, camera))));
    assert!(right > 0.9, "{right} with chance at {chance}");
}

#[test]
fn a_caption_fits_better_than_the_same_in_another_colour() {
    let encoder = Encoder::load(&shipped("encoder")).unwrap();
    let mut rng = Rng::for_purpose(SEED, "captions");
    let right = share(turns(true).filter_map(|turn| {
        let seen: Vec<Sighting> = (0..CAMERAS).flat_map(|camera| turn.scene.visible(camera)).collect();
        let all = captions(&seen, &mut rng);
        let item = all.iter().find(|caption| matches!(caption.thing, Thing::Item { .. }))?;
        let wrong = swapped_caption(item, &mut rng)?;
        let views: Vec<Embedding> =
            (0..CAMERAS).map(|camera| encoder.embed_image(&view(&turn.scene, camera)).unwrap()).collect();
        let fit = |caption: &Caption| {
            let text = encoder.embed_text(&caption.text).unwrap();
            views.iter().map(|view| encoder.association(&text, view)).fold(f32::MIN, f32::max)
        };
        Some(fit(item) > fit(&wrong))
    }));
    assert!(right > 0.9, "{right}");
}

#[test]
fn the_task_head_knows_tasks_and_what_is_none() {
    let encoder = Encoder::load(&shipped("encoder")).unwrap();
    let right = share(turns(true).chain(turns(false)).map(|turn| {
        let estimate = encoder.task(&encoder.embed_text(&turn.prompt.text).unwrap());
        estimate.kind.name() == turn.prompt.kind.word()
    }));
    assert!(right > 0.95, "{right}");
    let prompts = unknown_prompts(Split::HeldOut);
    let rejected =
        share(prompts.iter().map(|text| encoder.task(&encoder.embed_text(text).unwrap()).out_of_distribution));
    assert!(rejected > 0.9, "{rejected} of prompts like none of them");
}

#[test]
fn the_language_model_finishes_its_sentences_and_does_what_it_was_told() {
    let model = LanguageModel::load(&shipped("lm")).unwrap();
    let options = GenerateOptions { max_tokens: 96, ..GenerateOptions::default() };
    let mut session = model.session();
    let right = share(turns(false).map(|turn| {
        let done = session.generate(&turn.prompt.text, &options, &mut |_| ControlFlow::Continue(())).unwrap();
        let action = turn.prompt.action.as_deref().and_then(Action::parse_all);
        done.finish == Finish::Stop && grade(&turn.prompt, &done.text) && done.action == action
    }));
    assert!(right > 0.95, "{right}");
}

#[test]
fn the_good_stand_in_beats_the_cheap_one_and_both_need_the_right_view() {
    let score = |model: &Vqa, views: fn(&Scene) -> Vec<RgbFrame>| {
        share(turns(true).map(|turn| {
            let answer = model.answer(&views(&turn.scene), &turn.prompt.text).unwrap();
            !answer.is_text && grade(&turn.prompt, &answer.text)
        }))
    };
    let all = |scene: &Scene| (0..CAMERAS).map(|camera| view(scene, camera)).collect::<Vec<_>>();
    let grey = |_: &Scene| vec![RgbFrame::new(64, 64, vec![128; 64 * 64 * 3]).unwrap(); CAMERAS];
    let (good, cheap) = (Vqa::load(&shipped("vlm-good")).unwrap(), Vqa::load(&shipped("vlm-cheap")).unwrap());
    let (good_all, cheap_all) = (score(&good, all), score(&cheap, all));
    let (good_blind, cheap_blind) = (score(&good, grey), score(&cheap, grey));
    assert!(good_all > 0.85 && good_all > cheap_all, "{good_all} against {cheap_all}");
    assert!(good_blind < 0.3 && cheap_all > cheap_blind + 0.3, "blind: {good_blind}, {cheap_blind}");
}
