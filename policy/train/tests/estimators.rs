//! Estimators against tables whose truth is known, and tables that must be refused.

mod published;

use published::{QUESTIONS, dialogues, evenly, table, text, truth, write};
use trimtab_core::ViewSet;
use trimtab_core::{Action, TaskKind};
use trimtab_train::dataset::{Class, Context, Dialogue, LoggedTable, cloud};
use trimtab_train::estimator::calibration::Calibrated;
use trimtab_train::estimator::evaluation::{LeftOut, Predicted, coverage, held_out, predict_left_out, quality};
use trimtab_train::estimator::{Kind, Prompts, Sample};

fn action(class: Class) -> Action {
    match class {
        Class::Local => Action::LOCAL,
        Class::Text => cloud(ViewSet::EMPTY),
        Class::Image => cloud(ViewSet::first(1)),
    }
}

/// The context of a question at the start of a dialogue.
fn context(question: usize) -> Context {
    Context {
        question: text(question).into(),
        task: published::task(question).kind(),
        number: 0,
        association: vec![0.2, 0.3, 0.1],
        previous: None,
        history: Default::default(),
    }
}

#[test]
fn what_sees_the_question_recovers_the_truth() {
    let table = table(&dialogues(300, 0.5, evenly));
    let samples: Vec<Sample<'_>> = table.turns().iter().map(Into::into).collect();
    let folds: Vec<u64> = table.turns().iter().map(|turn| turn.dialogue).collect();
    for kind in [Kind::ShrunkMeans, Kind::ShrunkClasses, Kind::Ridge, Kind::Trees, Kind::Prompt] {
        let fitted = kind.fit(&samples, &folds, &Prompts::new());
        for question in 0..QUESTIONS {
            for class in Class::ALL {
                let found = fitted.predict(&context(question), action(class));
                let off = (found - truth(question, class)).abs();
                assert!(off < 0.2, "{}: {class:?} of question {question} is {off} off", kind.name());
            }
        }
    }
}

#[test]
fn intervals_hold_as_often_as_they_say() {
    let table = table(&dialogues(150, 0.5, evenly));
    for kind in [Kind::ClassMeans, Kind::ShrunkMeans, Kind::Ridge] {
        for found in coverage(kind, table.turns(), &[0.5, 0.8, 0.95], &Prompts::new()) {
            let off = (found.held - found.nominal).abs();
            assert!(off < 0.03, "{}: {} of intervals of {} hold", kind.name(), found.held, found.nominal);
        }
    }
}

#[test]
fn a_bound_rises_with_what_it_rests_on() {
    let table = table(&dialogues(100, 0.5, evenly));
    let turns: Vec<_> = table.turns().iter().collect();
    let (few, many) = (Calibrated::fit(Kind::ShrunkMeans, &turns[..40], &Prompts::new()), turns);
    let many = Calibrated::fit(Kind::ShrunkMeans, &many, &Prompts::new());
    let gap = |fitted: &Calibrated| {
        let estimate = fitted.estimate(&context(1), Action::LOCAL);
        estimate.mean - estimate.pessimistic(1.0)
    };
    assert!(gap(&many) < gap(&few));
    assert!(gap(&many) > 0.0);
}

#[test]
fn an_unseen_question_is_placed_by_its_neighbours() {
    // Even questions are easy for the local model and odd ones are not: two directions of the vectors.
    let vector = |question: usize| match question % 2 {
        0 => vec![1.0, 0.0],
        _ => vec![0.0, 1.0],
    };
    let prompts: Prompts = (0..QUESTIONS).map(|question| (text(question), vector(question))).collect();
    let table = table(&dialogues(60, 0.3, evenly));
    let scores: Vec<f64> = table.turns().iter().map(|turn| turn.score).collect();
    let r2 = |prompts: &Prompts| {
        quality(&scores, &predict_left_out(Kind::Prompt, table.turns(), LeftOut::DialogueAndQuestion, prompts)).r2
    };
    let (with, without) = (r2(&prompts), r2(&Prompts::new()));
    assert!(with > without + 0.1, "{with} with vectors, {without} without");
}

#[test]
fn nothing_of_what_is_left_out_is_seen() {
    let mut broken = dialogues(30, 0.1, evenly);
    let before = table(&broken);
    for turn in &mut broken[3].interactions {
        turn.score += 100.0;
    }
    let after = table(&broken);
    for kind in Kind::ALL {
        for left in [LeftOut::Dialogue, LeftOut::DialogueAndQuestion] {
            let predict = |table: &LoggedTable| predict_left_out(kind, table.turns(), left, &Prompts::new());
            let own = 3 * published::TURNS..4 * published::TURNS;
            let (before, after) = (predict(&before).raw, predict(&after).raw);
            assert_eq!(before[own.clone()], after[own], "{} read its own scores", kind.name());
        }
    }
}

#[test]
fn agreement_is_what_it_says() {
    let same = |guesses: &[f64]| Predicted { raw: guesses.to_vec(), clipped: guesses.to_vec() };
    let found = quality(&[0.0, 1.0, 4.0], &same(&[0.0, 1.0, 2.0]));
    assert_eq!((found.n, found.mse, found.mse_clip2, found.r2_clip2), (3, 4.0 / 3.0, 0.0, 1.0));
    assert!((found.r2 - (1.0 - 4.0 / (26.0 / 3.0))).abs() < 1e-12);
    assert_eq!(quality(&[0.0, 1.0], &same(&[0.5, 0.5])).pearson, None);
    assert!("boosted".parse::<Kind>().unwrap_err().to_string().contains("shrunk-means"));
}

/// Breaks one thing of a table as text or as dialogues; reading it must fail and say `expect`.
fn refused(expect: &str, break_it: impl FnOnce(&mut Vec<Dialogue>), text: impl FnOnce(String) -> String) {
    let mut all = dialogues(4, 0.1, evenly);
    break_it(&mut all);
    let (_folder, path) = write(&all);
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text(whole)).unwrap();
    let error = LoggedTable::read(std::slice::from_ref(&path)).unwrap_err().to_string();
    assert!(error.contains(expect), "{error:?} does not say {expect:?}");
    assert!(error.contains("table.json"), "{error:?} does not name the file");
}

#[test]
fn faults_are_named_by_file_dialogue_turn_and_field() {
    let same = |text: String| text;
    refused("no dialogues", Vec::clear, same);
    refused(
        "dialogue 2: interactions: is empty",
        |all| {
            all[2].interactions.clear();
            all[2].association_score.clear();
        },
        same,
    );
    refused("dialogue 1: id: is also in", |all| all[2].id = 1, same);
    refused(
        "dialogue 3, turn 1: image_index: [7]",
        |all| {
            all[3].interactions[1].action = 1;
            all[3].interactions[1].image_index = Some(vec![7]);
        },
        same,
    );
    let marked = |all: &mut Vec<Dialogue>| all[2].interactions[1].score = 123.5;
    refused("dialogue 2, turn 1: score: ", marked, |text| text.replace("123.5", "NaN"));
    refused("dialogue 2, turn 1: missing field `score`", marked, |text| text.replace("\"score\":123.5,", ""));
    let asked = |all: &mut Vec<Dialogue>| all[3].interactions[2].question = "here".into();
    refused("dialogue 3, turn 2: task_cat: unknown variant `Cooking`", asked, |text| {
        let (head, tail) = text.split_at(text.find("\"here\"").unwrap());
        head.to_owned()
            + &tail.replacen("\"Query\"", "\"Cooking\"", 1).replacen("\"Assistive System\"", "\"Cooking\"", 1)
    });
}

#[test]
fn a_task_that_was_never_trained_on_is_refused() {
    let all = dialogues(20, 0.1, evenly);
    let mut narrow = all.clone();
    for turn in narrow.iter_mut().flat_map(|dialogue| &mut dialogue.interactions) {
        turn.task_cat = published::task(0);
    }
    let (all, narrow) = (table(&all), table(&narrow));
    let found = held_out(Kind::default(), &all, &narrow, &Prompts::new()).unwrap();
    assert!(found.n == narrow.turns().len() && found.r2 > 0.5, "{found:?}");
    let error = held_out(Kind::default(), &narrow, &all, &Prompts::new()).unwrap_err().to_string();
    assert!(error.contains("task_cat") && error.contains(TaskKind::Query.name()), "{error:?}");
}
