//! Off-policy evaluation against tables whose truth is known.

mod published;

use published::{QUESTIONS, TURNS, dialogues, evenly, table, truth};
use trimtab_core::Action;
use trimtab_scenes::Rng;
use trimtab_train::dataset::{Class, LoggedTable, LoggedTurn};
use trimtab_train::estimator::{Kind, Prompts};
use trimtab_train::logged::baseline::{action_of, best_table, constant};
use trimtab_train::logged::charge::{Charge, Charges};
use trimtab_train::logged::evaluation::{Evaluation, Log, held_out};
use trimtab_train::logged::propensity::Propensity;
use trimtab_train::logged::recipe::{Owner, Recipe, Weights, greedy, trained};
use trimtab_train::logged::values::{fitted, leave_one_dialogue_out};

fn evaluate(table: &LoggedTable, model: Kind, choices: &[Action]) -> Evaluation {
    evaluate_turns(table.turns(), model, choices)
}

fn evaluate_turns(turns: &[LoggedTurn], model: Kind, choices: &[Action]) -> Evaluation {
    let charges = Charges::default();
    let values = leave_one_dialogue_out(turns, |others, own| fitted(model, others, own, &Prompts::new()));
    Log::new(turns, Propensity::count(turns), &values, &charges, 1).evaluate(choices)
}

fn question(turn: &LoggedTurn) -> usize {
    (0..QUESTIONS).find(|question| *turn.context.question == *published::text(*question)).unwrap()
}

/// The true mean score of one class in the turns of a table.
fn worth(table: &LoggedTable, class: Class) -> f64 {
    let turns = table.turns();
    turns.iter().map(|turn| truth(question(turn), class)).sum::<f64>() / turns.len() as f64
}

/// How likely [`knowing`] answers a question locally.
fn local_share(question: usize) -> f32 {
    if question.is_multiple_of(2) { 0.8 } else { 0.2 }
}

/// Sends easy questions to the local model and hard ones away, so that the frequencies of a task do not tell the log's.
fn knowing(question: usize, rng: &mut Rng) -> Class {
    match (rng.chance(local_share(question)), rng.chance(0.5)) {
        (true, _) => Class::Local,
        (false, true) => Class::Text,
        (false, false) => Class::Image,
    }
}

#[test]
fn either_half_of_doubly_robust_is_enough() {
    let even = table(&dialogues(400, 0.3, evenly));
    let knowing = table(&dialogues(400, 0.3, knowing));
    let local = |table: &LoggedTable| constant(Class::Local, table.turns());
    let off = |found: f64, table: &LoggedTable| (found - worth(table, Class::Local)).abs();

    let no_model = evaluate(&even, Kind::Constant, &local(&even));
    assert!(off(no_model.dr, &even) < 0.05, "right frequencies: {no_model:?}");
    assert!(off(no_model.snips, &even) < 0.05, "right frequencies: {no_model:?}");

    let with_model = evaluate(&knowing, Kind::ShrunkMeans, &local(&knowing));
    assert!(off(with_model.snips, &knowing) > 0.15, "wrong frequencies: {with_model:?}");
    assert!(off(with_model.dr, &knowing) < 0.05, "right model: {with_model:?}");
}

#[test]
fn propensities_that_the_log_notes_count_in_place_of_frequencies() {
    let knowing = table(&dialogues(400, 0.3, knowing));
    let mut turns = knowing.turns().to_vec();
    for turn in &mut turns {
        let local = f64::from(local_share(question(turn)));
        turn.propensity = Some([local, (1.0 - local) / 2.0, (1.0 - local) / 2.0]);
    }
    let noted = evaluate_turns(&turns, Kind::Constant, &constant(Class::Local, &turns));
    let worth = worth(&knowing, Class::Local);
    assert!((noted.snips - worth).abs() < 0.05 && (noted.dr - worth).abs() < 0.05, "{worth}: {noted:?}");
}

#[test]
fn an_interval_holds_the_truth_and_its_value() {
    let table = table(&dialogues(200, 0.3, evenly));
    for class in Class::ALL {
        let found = evaluate(&table, Kind::ShrunkMeans, &constant(class, table.turns()));
        let truth = worth(&table, class);
        assert!((found.dr_low..=found.dr_high).contains(&truth), "{class:?} is {truth}: {found:?}");
        assert!((found.snips_low..=found.snips_high).contains(&found.snips), "{found:?}");
        assert_eq!(found.matched, table.turns().iter().filter(|turn| turn.class() == class).count());
        assert!(found.effective_n <= found.matched as f64 + 1e-9);
        assert_eq!((found.turns, found.dialogues), (200 * TURNS, 200));
    }
}

#[test]
fn one_part_is_judged_with_the_model_of_another() {
    let all = dialogues(200, 0.3, evenly);
    let (train, test) = (table(&all[..150]), table(&all[150..]));
    let choices = constant(Class::Text, test.turns());
    let found = held_out(&train, &test, &choices, Kind::ShrunkMeans, &Prompts::new(), &Charges::default(), 1).unwrap();
    assert!((found.dr - worth(&test, Class::Text)).abs() < 0.1, "{found:?}");
    assert_eq!(found.dialogues, 50);
}

#[test]
fn charges_are_those_of_the_chosen_actions() {
    let table = table(&dialogues(5, 0.3, evenly));
    let found = evaluate(&table, Kind::Constant, &constant(Class::Image, table.turns()));
    assert!((found.latency_s - 4.76134).abs() < 1e-9 && (found.usage_usd - 0.005).abs() < 1e-12, "{found:?}");
    let found = evaluate(&table, Kind::Constant, &constant(Class::Local, table.turns()));
    assert!((found.usage_usd - 7.942_857e-9).abs() < 1e-12, "{found:?}");
}

#[test]
fn a_trained_policy_sees_the_question_and_heeds_the_owner() {
    let table = table(&dialogues(200, 0.3, evenly));
    let (turns, charges, none) = (table.turns(), Charges::default(), Prompts::new());
    let choices = |owner| trained(&Recipe { kind: Kind::ShrunkMeans, owner }, turns, &charges, &none);
    let score = |choices: &[Action]| evaluate(&table, Kind::ShrunkMeans, choices).dr;

    let free = choices(Owner::Weights(Weights::default()));
    assert!(score(&free) > score(&greedy(Kind::Neighbours, turns, &charges, &none)));

    let limit = Charge { latency_s: 2.0, usage_usd: 0.002 };
    let within = choices(Owner::Limit(limit));
    let mean = charges.mean(&within);
    assert!(mean.latency_s <= 1.05 * limit.latency_s && mean.usage_usd <= 1.05 * limit.usage_usd, "{mean:?}");
    let blind = best_table(turns, &charges, limit).unwrap();
    assert!(score(&within) > score(&blind), "it sees which questions are easy");

    let heavy = choices(Owner::Weights(Weights { latency: 100.0, usage: 100.0 }));
    assert!(heavy.iter().all(|action| *action == Action::LOCAL));
    assert_eq!(action_of(Class::Image, &turns[0].context).views.bits(), 0b010, "the view of the highest association");
}

#[test]
fn several_fits_count_as_one_that_acts_by_any_of_them() {
    let table = table(&dialogues(100, 0.3, evenly));
    let (turns, charges) = (table.turns(), Charges::default());
    let values = leave_one_dialogue_out(turns, |others, own| fitted(Kind::ClassMeans, others, own, &Prompts::new()));
    let log = Log::new(turns, Propensity::count(turns), &values, &charges, 1);
    let (local, text) = (constant(Class::Local, turns), constant(Class::Text, turns));
    let pool = |a: &[Action], b: &[Action]| a.iter().zip(b).map(|(a, b)| vec![*a, *b]).collect::<Vec<_>>();
    let (one, other, both) = (log.evaluate(&local), log.evaluate(&text), log.evaluate_pooled(&pool(&local, &text)));
    assert!((both.dr - (one.dr + other.dr) / 2.0).abs() < 1e-9, "{both:?}");
    assert!((both.latency_s - (one.latency_s + other.latency_s) / 2.0).abs() < 1e-9, "{both:?}");
    assert!(both.effective_n > one.effective_n.max(other.effective_n), "it rests on the turns of both: {both:?}");
    let twice = log.evaluate_pooled(&pool(&local, &local));
    assert!((twice.snips - one.snips).abs() < 1e-9 && (twice.effective_n - one.effective_n).abs() < 1e-9, "{twice:?}");
    let difference = log.difference_pooled(&pool(&local, &local), &pool(&text, &text)).snips.value;
    assert!((difference - (one.snips - other.snips)).abs() < 1e-9);
}
