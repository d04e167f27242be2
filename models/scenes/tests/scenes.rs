//! Same seed, same scene; the splits share nothing; right answers are graded right and wrong ones wrong.

use proptest::prelude::*;
use trimtab_scenes::{
    CAMERAS, CAMERAS_MAX, CANNOT_SEE, Category, Conversation, Kind, Picture, Prompt, RenderError, Rng, Scene, Split,
    TaskKind, Thing, Topic, captions, free_form_prompts, grade, is_held_out, swapped_caption, training_questions,
    unknown_prompts, view_answers, words,
};

fn picture(scene: &Scene, camera: usize, width: usize, height: usize) -> Picture {
    scene.render(camera, width, height).expect("a camera that exists and a size within bounds")
}

#[test]
fn a_seed_gives_the_same_picture_and_another_seed_another() {
    let a = Scene::generate(7, Split::Train);
    for camera in 0..CAMERAS {
        let first = picture(&a, camera, 64, 64);
        assert_eq!(first, picture(&Scene::generate(7, Split::Train), camera, 64, 64));
        assert_ne!(first, picture(&Scene::generate(8, Split::Train), camera, 64, 64));
        assert_ne!(first, picture(&Scene::generate(7, Split::HeldOut), camera, 64, 64));
    }
}

#[test]
fn bad_cameras_and_sizes_are_refused() {
    let scene = Scene::generate(1, Split::Train);
    assert_eq!(scene.render(3, 64, 64), Err(RenderError::NoSuchCamera(3)));
    assert_eq!(scene.render(0, 0, 64), Err(RenderError::Size { width: 0, height: 64 }));
    assert!(scene.render(0, 64, 1 << 20).is_err());
    assert!(scene.visible(9).is_empty());
}

#[test]
fn a_large_picture_shows_what_a_small_one_shows() {
    let scene = Scene::generate(11, Split::Train);
    let (small, large) = (picture(&scene, 2, 64, 64), picture(&scene, 2, 640, 480));
    let mut difference = 0.0;
    for y in 0..64 {
        for x in 0..64 {
            for channel in 0..3 {
                let near = large.rgb[((y * 480 / 64 + 3) * 640 + x * 10 + 5) * 3 + channel];
                difference += f32::from(near.abs_diff(small.rgb[(y * 64 + x) * 3 + channel]));
            }
        }
    }
    assert!(difference / (64.0 * 64.0 * 3.0) < 12.0, "mean difference {}", difference / 12_288.0);
}

#[test]
fn training_never_shows_a_reserved_pair_and_evaluation_does() {
    let reserved = |split| {
        (0..300)
            .flat_map(|seed| Scene::generate(seed, split).items())
            .filter(|&(kind, colour, _)| is_held_out(kind, colour))
            .count()
    };
    assert_eq!(reserved(Split::Train), 0);
    assert!(reserved(Split::HeldOut) > 100);
}

#[test]
fn held_out_prompts_are_mostly_new() {
    let texts = |split| -> std::collections::HashSet<String> {
        Conversation::generate(5, split, 2000)
            .turns
            .into_iter()
            .filter(|t| !t.prompt.needs_views)
            .map(|t| t.prompt.text)
            .collect()
    };
    let (train, held_out) = (texts(Split::Train), texts(Split::HeldOut));
    assert!(held_out.intersection(&train).count() * 20 < held_out.len());
}

#[test]
fn kinds_come_in_equal_shares_and_most_things_show_in_few_views() {
    let conversation = Conversation::generate(3, Split::HeldOut, 400);
    for kind in TaskKind::ALL {
        assert_eq!(conversation.turns.iter().filter(|t| t.prompt.kind == kind).count(), 100);
    }
    let needing: Vec<_> = conversation.turns.iter().filter(|t| t.prompt.needs_views).collect();
    let one_view =
        needing.iter().filter(|t| (0..CAMERAS).filter(|&c| t.prompt.relevant(&t.scene, c)).count() == 1).count();
    assert!(one_view * 2 > needing.len(), "{one_view} of {}", needing.len());
    assert!(
        needing.iter().all(|t| t.prompt.answerable(&t.scene, &[0, 1, 2]) && view_answers().contains(&t.prompt.answer))
    );
}

#[test]
fn unknown_prompts_are_not_shared_between_splits() {
    let train = unknown_prompts(Split::Train);
    assert!(unknown_prompts(Split::HeldOut).iter().all(|p| !train.contains(p)));
}

#[test]
fn more_cameras_look_at_the_same_room_from_known_places() {
    for seed in 0..40 {
        let scene = Scene::with_cameras(seed, Split::HeldOut, 9);
        assert_eq!(scene.cameras(), CAMERAS_MAX);
        for camera in 0..scene.cameras() {
            let pose = scene.camera(camera).expect("a camera that exists");
            for sighting in scene.visible(camera) {
                assert!((0.0..1.0).contains(&sighting.x) && (0.0..1.0).contains(&sighting.y), "{sighting:?}");
            }
            // What lies ahead on the line of sight shows in the picture, what lies behind does not.
            let ahead = |metres: f32| core::array::from_fn(|i| pose.position()[i] + metres * pose.axes()[2][i]);
            let (near, far) = (pose.project(ahead(2.0)).unwrap(), pose.project(ahead(6.0)).unwrap());
            assert!((near.x - far.x).abs() < 1e-4 && (near.y - far.y).abs() < 1e-4, "{near:?} {far:?}");
            assert!((near.scale / far.scale - 3.0).abs() < 1e-3 && pose.project(ahead(-1.0)).is_none());
        }
        let shown = |camera| scene.visible(camera).into_iter().map(|s| s.thing).collect::<Vec<_>>();
        let (first, second) = (shown(0), shown(CAMERAS));
        assert!(first.iter().any(|thing| second.contains(thing)), "{first:?} and {second:?}");
    }
}

#[test]
fn there_are_forty_kinds_and_every_one_is_asked_about() {
    assert!(Kind::ALL.len() >= 40);
    let conversation = Conversation::generate(12, Split::Train, 4000);
    for &kind in Kind::ALL {
        let about =
            |topic: Topic| matches!(topic, Topic::ColourOf(k) | Topic::PlaceOf(k) | Topic::StateOf(k) if k == kind);
        assert!(conversation.turns.iter().any(|turn| about(turn.prompt.topic)), "{kind:?}");
    }
    let recommended = |category| conversation.turns.iter().any(|t| t.prompt.topic == Topic::Recommend(category));
    assert!(Category::ALL.iter().all(|&category| recommended(category) == (category != Category::Other)));
}

#[test]
fn a_caption_is_true_where_its_thing_shows_and_its_swap_nowhere() {
    let mut rng = Rng::new(4);
    for seed in 0..100 {
        let scene = Scene::generate(seed, Split::HeldOut);
        let everything: Vec<_> = (0..CAMERAS).flat_map(|camera| scene.visible(camera)).collect();
        for caption in captions(&everything, &mut rng) {
            assert!(caption.shown_in(&everything), "{caption:?}");
            if let Some(wrong) = swapped_caption(&caption, &mut rng) {
                assert!(!wrong.shown_in(&everything), "{wrong:?} in {everything:?}");
            }
        }
    }
}

#[test]
fn lamp_stove_and_door_always_show() {
    for seed in 0..300 {
        let scene = Scene::generate(seed, Split::Train);
        for topic in [Topic::LampState, Topic::StoveState, Topic::DoorState] {
            assert!((0..CAMERAS).any(|camera| topic.shown_in(&scene.visible(camera))), "{topic:?} in scene {seed}");
        }
    }
}

#[test]
fn free_form_prompts_are_many_of_every_kind_and_in_no_training_text() {
    let prompts: Vec<_> = free_form_prompts().collect();
    assert!(prompts.len() >= 220);
    for kind in TaskKind::ALL.map(Some).into_iter().chain([None]) {
        assert!(prompts.iter().filter(|(k, _)| *k == kind).count() >= 40, "{kind:?}");
    }
    let known = training_questions();
    let train = unknown_prompts(Split::Train);
    assert!(prompts.iter().all(|(_, text)| !train.contains(text) && !known.iter().any(|k| k == text)));
}

#[test]
fn a_command_comes_with_its_action_or_asks_for_what_it_leaves_out() {
    let scene = Scene::generate(1, Split::HeldOut);
    let mut rng = Rng::new(9);
    let mut asking = 0;
    const VERBS: [&str; 6] = ["switch", "open", "close", "set", "bring", "timer"];
    for _ in 0..1000 {
        let prompt = Prompt::generate(TaskKind::Assistive, &scene, Split::HeldOut, &mut rng);
        asking += usize::from(prompt.action.is_none());
        assert_eq!(prompt.action.is_none(), prompt.answer.ends_with('?'), "{prompt:?}");
        let said = words(&format!("{} {}", prompt.text, prompt.answer));
        let action = words(prompt.action.as_deref().unwrap_or_default());
        let known = |word: &String| VERBS.contains(&word.as_str()) || said.contains(word);
        assert!(action.iter().all(known), "{prompt:?}");
    }
    assert!((60..140).contains(&asking), "{asking} of 1000 ask");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_right_answer_passes_and_every_other_fails(seed in any::<u64>(), kind in 0usize..4) {
        let mut rng = Rng::new(seed);
        let scene = Scene::generate(seed, Split::HeldOut);
        let prompt = Prompt::generate(TaskKind::ALL[kind], &scene, Split::HeldOut, &mut rng);
        prop_assert!(grade(&prompt, &prompt.answer), "{prompt:?}");
        let loud = format!("Well, {}!", prompt.answer.to_uppercase());
        prop_assert!(grade(&prompt, &loud));
        prop_assert!(!grade(&prompt, ""));
        prop_assert!(!grade(&prompt, "I cannot see that from here."));
        for wrong in view_answers().iter().filter(|a| words(a) != words(&prompt.answer)) {
            prop_assert!(!grade(&prompt, wrong), "{wrong} passes for {prompt:?}");
            let last = words(wrong).pop().unwrap_or_default();
            if wrong != CANNOT_SEE && prompt.topic.vocabulary().contains(&last.as_str()) {
                let both = format!("{} or {wrong}", prompt.answer);
                prop_assert!(!grade(&prompt, &both));
            }
        }
        for slot in &prompt.slots {
            prop_assert!(!grade(&prompt, &prompt.answer.to_lowercase().replace(&slot.to_lowercase(), "something")));
        }
    }

    #[test]
    fn views_that_show_it_suffice_and_others_do_not(seed in any::<u64>()) {
        let scene = Scene::generate(seed, Split::Train);
        let prompt = Prompt::generate(TaskKind::Query, &scene, Split::Train, &mut Rng::new(seed));
        let whole_house = matches!(prompt.topic, Topic::People | Topic::CatAnywhere);
        for camera in 0..CAMERAS {
            if !whole_house {
                prop_assert_eq!(prompt.relevant(&scene, camera), prompt.answerable(&scene, &[camera]));
            }
        }
        let people: usize = (0..CAMERAS).map(|c| scene.visible(c).iter().filter(|s| s.thing == Thing::Person).count()).sum();
        prop_assert_eq!(people, scene.people());
    }

    #[test]
    fn any_reply_is_graded_without_panic(reply in ".{0,200}", seed in any::<u64>()) {
        let scene = Scene::generate(seed, Split::Train);
        let prompt = Prompt::generate(TaskKind::ALL[(seed % 4) as usize], &scene, Split::Train, &mut Rng::new(seed));
        let _ = grade(&prompt, &reply);
    }
}
