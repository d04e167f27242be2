//! What cuts an answer, and what refuses a turn.

use crate::{Run, answer, governor, observation, opening, prefer, tick};
use trimtab_core::budget::Window;
use trimtab_core::{Budget, Budgets, Bytes, Cost, Joules, Millis, Placement, Preference, Usd};
use trimtab_turn::{Event, Finish, Governor, MeterFacts, Observation, Setup, Step, Turn, TurnRecord};

#[test]
fn a_local_answer_is_cut_where_its_hold_ends() {
    let mut run = Run::decided(governor(&[]), "local", 0);
    let Some(Step::Generate { until_energy, .. }) = run.steps.iter().find(|step| matches!(step, Step::Generate { .. }))
    else {
        panic!("no local answer: {:?}", run.steps)
    };
    let until = *until_energy;
    assert!(
        run.feed(100, Event::LocalToken { text: "one ".into(), energy: until.minus(Joules::from_micro(1)) }).len() == 1
    );
    let steps = run.feed(110, Event::LocalToken { text: "two ".into(), energy: until });
    assert!(steps.contains(&Step::StopGenerating));
    run.feed(115, Event::LocalDone { finish: Finish::Stop, action: None, energy: until.plus(Joules::from_micro(900)) });
    let record = run.record();
    assert_eq!((record.finish, record.answer.as_str()), (Finish::EnergyCut, "one two "));
    let (_, settlement) = record.settlements.last().unwrap();
    assert_eq!(settlement.overrun, Cost::ZERO, "the guard covers the last step");
}

#[test]
fn a_local_answer_is_cut_at_the_end_of_its_time() {
    let mut run = Run::decided(governor(&[]), "local", 0);
    run.feed(100, Event::LocalToken { text: "one ".into(), energy: Joules::from_micro(10) });
    assert_eq!(run.feed(8000, tick(0)), [Step::StopGenerating]);
    run.feed(8001, Event::LocalDone { finish: Finish::Stop, action: None, energy: Joules::from_micro(20) });
    assert_eq!(run.record().finish, Finish::TimeCut);
}

#[test]
fn a_budget_that_is_short_turns_the_choice() {
    let run = Run::decided(governor(&[Budget::money(Window::Day, Usd::from_nano(900_000))]), "good", 0b001);
    let record = run.turn.record();
    assert_eq!(record.reason, "money_budget", "the favourite needs more than the budget");
    assert_ne!((record.node.as_str(), record.views_used.len()), ("good", 1));
}

#[test]
fn without_a_decision_hold_nothing_is_encoded() {
    let mut governor = governor(&[Budget::energy(Window::Day, Joules::from_micro(100))]);
    let (turn, steps) = Turn::open(Millis::ZERO, opening(), &mut governor);
    let [Step::Close { record }] = steps.as_slice() else { panic!("{steps:?}") };
    assert!(turn.is_over());
    assert_eq!((record.placement, record.reason.as_str()), (Placement::Refused, "decision:energy_budget"));
}

#[test]
fn a_cloud_cap_never_blocks_a_local_answer() {
    let mut run = Run::decided(
        governor(&[Budget::money(Window::Day, Usd::ZERO), Budget::bytes(Window::Day, Bytes::ZERO)]),
        "good",
        0b001,
    );
    run.local_answer(100);
    assert_eq!(run.record().placement, Placement::Local);
}

#[test]
fn a_prompt_unlike_any_seen_is_decided_by_the_default_rule() {
    let mut governor = governor(&[]);
    let (turn, steps) = Turn::open(Millis::ZERO, opening(), &mut governor);
    let mut run = Run { turn, governor, steps };
    run.feed(10, Event::Observed(Box::new(Observation { unknown: true, ..observation() })));
    let scores = prefer(&run.governor, 3, "local", 0);
    run.feed(12, scores);
    assert_eq!(run.turn.record().reason, "out_of_distribution");
    assert_eq!(run.turn.record().node, "good");
}

#[test]
fn a_ledger_that_cannot_write_means_that_nothing_is_done() {
    let mut run = Run::decided(governor(&[]), "good", 0b001);
    run.feed(
        20,
        Event::LedgerFailed { detail: "disk full: free some space".into(), energy: Joules::from_micro(100_000) },
    );
    let record = run.record();
    assert_eq!((record.placement, record.reason.as_str()), (Placement::Refused, "best_score+ledger_failed"));
    assert!(run.governor.budgets().open().is_empty());
}

#[test]
fn an_energy_budget_without_a_meter_refuses() {
    let mut governor = governor(&[Budget::energy(Window::Day, Joules::from_micro(100_000_000))]);
    let mut meterless = Governor::new(Setup {
        budgets: Budgets::default(),
        shield: governor.shield(),
        preference: Preference::default(),
        local: governor.local().copied(),
        meter: MeterFacts { known: false, ..governor.meter() },
        link: *governor.link(),
        decision_time: Millis::new(250),
    });
    meterless.set_budgets(governor.budgets().limits()).unwrap();
    core::mem::swap(&mut governor, &mut meterless);
    let (turn, steps) = Turn::open(Millis::ZERO, opening(), &mut governor);
    let mut run = Run { turn, governor, steps };
    run.feed(10, Event::Observed(Box::new(observation())));
    run.feed(12, Event::Unscored { why: "no policy".into() });
    assert_eq!(run.record().reason, "no_meter");
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    let mut run = Run::decided(governor(&[]), "good", 0b011);
    run.feed(900, answer(2_200_000));
    let json = serde_json::to_string(run.record()).unwrap();
    assert_eq!(serde_json::from_str::<TurnRecord>(&json).unwrap(), *run.record());
}

#[test]
fn a_record_of_a_policy_that_gives_no_numbers_reads_back() {
    let mut governor = governor(&[]);
    let (turn, steps) = Turn::open(Millis::ZERO, opening(), &mut governor);
    let mut run = Run { turn, governor, steps };
    let mut seen = observation();
    seen.views[0].association = f32::NAN;
    run.feed(10, Event::Observed(Box::new(seen)));
    let broken = [(f32::NAN, Some(f32::NAN)), (f32::INFINITY, None), (f32::NEG_INFINITY, None)];
    run.feed(12, Event::Scored((0..17).map(|row| broken[row % 3]).collect()));
    run.feed(900, answer(1_100_000));
    let json = serde_json::to_string(run.record()).unwrap();
    assert_eq!(serde_json::from_str::<TurnRecord>(&json).unwrap(), *run.record());
    assert_ne!(run.record().node, "local", "what is no number ranks last");
}
