//! Answers from here and from the cloud, in time and late.

use crate::{CLOUD_ANSWER, Run, TIME, answer, governor, tick};
use trimtab_core::{Bytes, Cost, Joules, Millis, Placement, Usd, ViewSet};
use trimtab_turn::{CloudRefusal, Event, Finish, Step};

#[test]
fn nothing_happens_before_its_hold_is_durable() {
    let run = Run::decided(governor(&[]), "good", 0b001);
    let order: Vec<&str> = run
        .steps
        .iter()
        .map(|step| match step {
            Step::Persist { action: None, .. } => "persist decision",
            Step::Persist { .. } => "persist action",
            Step::Observe { .. } => "observe",
            Step::Score { .. } => "score",
            Step::Offload { .. } => "offload",
            _ => "other",
        })
        .collect();
    assert_eq!(order, ["persist decision", "observe", "score", "persist action", "offload"]);
}

#[test]
fn an_answer_in_time_settles_with_what_it_cost() {
    let mut run = Run::decided(governor(&[]), "good", 0b001);
    run.feed(700, Event::CloudText { text: "It is".into() });
    run.feed(900, answer(1_100_000));
    let record = run.record().clone();
    assert_eq!(
        (record.placement, record.answer.as_str(), run.said().as_str()),
        (Placement::Cloud, CLOUD_ANSWER, CLOUD_ANSWER)
    );
    assert_eq!((record.reason.as_str(), record.views_used), ("best_score", ViewSet::from_bits(0b001)));
    assert_eq!(record.cost.money, Usd::from_nano(1_100_000));
    assert_eq!(record.cost.energy, Joules::from_micro(415_000), "answer and decision");
    assert_eq!(record.cost.latency, Millis::new(900));
    assert_eq!(record.candidates.len(), 17);
    assert!(run.governor.budgets().open().is_empty(), "no hold leaks");
}

#[test]
fn a_duplicate_answer_changes_nothing() {
    let mut run = Run::decided(governor(&[]), "good", 0b001);
    run.feed(900, answer(1_100_000));
    let spent = *run.governor.budgets().spent();
    assert!(run.feed(950, answer(1_100_000)).is_empty());
    assert_eq!(*run.governor.budgets().spent(), spent);
    assert_eq!(run.records().len(), 1);
}

#[test]
fn views_unlikely_to_add_anything_are_dropped() {
    let run = Run::decided(governor(&[]), "good", 0b111);
    assert_eq!(run.turn.record().views_used, ViewSet::from_bits(0b011));
    assert_eq!(run.turn.record().view_dropped, ViewSet::from_bits(0b100));
}

#[test]
fn at_the_deadline_the_local_model_steps_in_and_the_hold_stays_open() {
    let mut run = Run::decided(governor(&[]), "good", 0b001);
    let deadline = run.deadline();
    assert!(deadline < TIME.get(), "time is left for the local model");
    run.feed(deadline - 1, tick(0));
    assert!(!run.generates());
    run.feed(deadline, tick(0));
    assert!(run.generates());
    run.local_answer(deadline + 50);
    let record = run.record();
    assert_eq!((record.placement, record.finish), (Placement::Local, Finish::Stop));
    assert_eq!(record.reason, "best_score+fallback:deadline");
    assert_eq!(
        (record.left_open.len(), run.governor.budgets().open().len()),
        (1, 1),
        "what the cloud will cost is not known"
    );
}

#[test]
fn a_late_answer_settles_its_hold_and_is_not_said() {
    let mut run = Run::decided(governor(&[]), "good", 0b001);
    let deadline = run.deadline();
    run.feed(deadline, tick(0));
    run.feed(deadline + 20, answer(1_100_000));
    run.local_answer(deadline + 50);
    let record = run.record();
    let late = record.late.as_ref().expect("recorded as late");
    assert!(late.settled && record.left_open.is_empty() && run.governor.budgets().open().is_empty());
    assert_eq!(record.cost.money, Usd::from_nano(1_100_000));
    assert_eq!(run.said(), "I cannot see that.");
}

#[test]
fn an_answer_after_the_record_settles_by_the_hold_s_name() {
    let mut run = Run::decided(governor(&[]), "good", 0b001);
    let deadline = run.deadline();
    run.feed(deadline, tick(0));
    run.local_answer(deadline + 50);
    let hold = run.record().left_open[0];
    let cost = Cost { money: Usd::from_nano(1_100_000), ..Cost::ZERO };
    assert!(run.governor.late(Millis::new(60_000), hold, cost).is_some());
    assert!(run.governor.late(Millis::new(60_001), hold, cost).is_none(), "only once");
    assert_eq!(run.governor.budgets().spent().this_day.money, Usd::from_nano(1_100_000));
}

#[test]
fn a_broker_lost_in_mid_turn_shortens_the_wait() {
    let mut run = Run::decided(governor(&[]), "good", 0b001);
    run.feed(600, Event::CloudText { text: "It".into() });
    run.feed(700, Event::LinkDown);
    run.feed(1699, tick(0));
    assert!(!run.generates());
    run.feed(1700, tick(0));
    run.local_answer(1750);
    assert_eq!(run.record().reason, "best_score+fallback:link");
    assert_eq!(run.said(), "I cannot see that.", "the cloud's half answer is void");
}

#[test]
fn a_refusing_bridge_settles_at_once_and_the_local_model_steps_in() {
    let mut run = Run::decided(governor(&[]), "good", 0b001);
    run.feed(
        300,
        Event::CloudRefused(Box::new(CloudRefusal {
            reason: "upstream_failed".into(),
            detail: "node good answered 500: try another node".into(),
            money: Usd::ZERO,
            bytes_up: Bytes::new(41_000),
            energy: Joules::from_micro(90_000),
        })),
    );
    run.local_answer(350);
    let record = run.record();
    assert_eq!(record.reason, "best_score+fallback:upstream_failed");
    assert_eq!(record.trouble.as_deref(), Some("node good answered 500: try another node"));
    assert_eq!(record.cost.bytes, Bytes::new(41_000));
    assert!(run.governor.budgets().open().is_empty());
}
