//! Holds: raised, left open, spent once.

use crate::{CONVERSATION, Run, TIME, answer, governor, governor_after, observation, opening, prefer, tick};
use trimtab_core::budget::{HoldId, OpenHold, Spent, Window};
use trimtab_core::{Account, Action, Budget, Budgets, Bytes, Cost, Joules, Millis, Placement, Shield, Usd, ViewSet};
use trimtab_turn::{CloudRefusal, Course, Event, Finish, Governor, Opening, Outcome, Step, Turn};

#[test]
fn the_joules_of_a_turn_are_spent_once_whatever_it_does() {
    let limit = Joules::from_micro(2_100_000);
    let mut run = Run::decided(governor(&[Budget::energy(Window::Turn, limit)]), "good", 0b001);
    assert_eq!(run.turn.record().placement, Placement::Cloud);
    let mut now = 12;
    // Waiting takes all that the device can draw, until the turn gives up by itself.
    while !run.generates() {
        now = run.turn.next_deadline().unwrap().get();
        run.feed(now, tick(6 * 1000 * (now - 12)));
        assert!(now < 400, "the wait goes on");
    }
    run.local_answer(now);
    let record = run.record();
    assert_eq!(record.reason, "best_score+fallback:energy_budget");
    assert!(record.cost.energy <= limit, "{}", record.cost.energy);
    assert!(record.settlements.iter().all(|(_, settled)| settled.overrun.energy == Joules::ZERO));
}

#[test]
fn a_hold_that_does_not_last_is_raised_while_there_is_something_left() {
    let mut run = Run::decided(governor(&[Budget::energy(Window::Day, Joules::from_micro(5_000_000))]), "good", 0b001);
    let reserved = run.governor.budgets().open()[0].cost;
    run.feed(2500, tick(reserved.energy.micro()));
    let raised = run.governor.budgets().open()[0];
    assert!(raised.cost.energy > reserved.energy && raised.cost.latency > reserved.latency, "{raised:?}");
    assert!(matches!(run.steps.last(), Some(Step::Persist { hold, .. }) if *hold == raised), "it is durable");
    run.feed(2600, answer(1_100_000));
    let (_, settlement) = run.record().settlements[1];
    assert_eq!(settlement.overrun, Cost::ZERO);
}

#[test]
fn with_too_little_left_for_a_whole_answer_a_part_of_one_is_better_than_none() {
    // Deciding takes 15 mJ of them and the guard 120; four tokens need 160 more.
    let with = |energy: u64| {
        Run::decided(governor(&[Budget::energy(Window::Turn, Joules::from_micro(energy))]), "good", 0b001)
    };
    let run = with(300_000);
    let Some(Step::Generate { until_energy, .. }) = run.steps.last() else { panic!("{:?}", run.steps) };
    assert_eq!(*until_energy, Joules::from_micro(300_000 - 15_000 - 120_000));
    assert_eq!(run.turn.record().reason, "energy_budget");
    assert_eq!(with(290_000).record().placement, Placement::Refused, "too little for a few words");
}

#[test]
fn a_turn_that_ends_while_the_ledger_fails_is_closed_all_the_same() {
    // Neither another second of waiting nor a local answer is left.
    let mut governor = governor(&[]);
    governor.set_local(None);
    let mut course = Course::open(Millis::ZERO, opening(), &mut governor);
    let mut closed = 0;
    let mut play = |course: &mut Course, fails: bool| {
        while let Some(step) = course.step() {
            closed += usize::from(matches!(step, Step::Close { .. }));
            let persists = matches!(step, Step::Persist { .. });
            let fault = Event::LedgerFailed { detail: "disk full: free some space".into(), energy: Joules::ZERO };
            course.went(if fails && persists { Outcome::Failed(fault) } else { Outcome::On });
        }
    };
    play(&mut course, false);
    let scores = prefer(&governor, 3, "good", 0b001);
    for (now, event) in [(10, Event::Observed(Box::new(observation()))), (12, scores)] {
        course.hear(Millis::new(now), event, Joules::from_micro(100), &mut governor);
        play(&mut course, false);
    }
    course.hear(Millis::new(8000), tick(0), Joules::from_micro(100), &mut governor);
    play(&mut course, true);
    assert!(course.is_over());
    assert_eq!(closed, 1);
}

#[test]
fn a_raise_that_cannot_be_written_ends_the_wait_with_the_request_still_counted() {
    let mut run = Run::decided(governor(&[]), "good", 0b001);
    run.feed(2500, tick(100_000));
    run.feed(
        2501,
        Event::LedgerFailed { detail: "disk full: free some space".into(), energy: Joules::from_micro(100_000) },
    );
    run.local_answer(2550);
    let record = run.record();
    assert_eq!(record.reason, "best_score+fallback:ledger_failed");
    assert_eq!(record.trouble.as_deref(), Some("disk full: free some space"));
    assert!(run.governor.budgets().open()[0].cost.money > Usd::ZERO, "the bridge may still charge for it");
}

#[test]
fn a_wait_that_was_given_up_counts_from_then_on() {
    let mut run = Run::decided(governor(&[]), "good", 0b001);
    let deadline = run.deadline();
    run.feed(deadline, tick(500_000));
    run.local_answer(deadline + 50);
    let record = run.record().clone();
    assert_eq!(record.cost.energy, Joules::from_micro(15_000 + 500_000 + 25_000));
    let open = run.governor.budgets().open()[0];
    assert_eq!((open.id, open.cost.energy), (record.left_open[0], Joules::from_micro(500_000)));
    assert!(open.cost.money > Usd::ZERO, "what the bridge may charge is still reserved");
}

#[test]
fn a_local_answer_may_take_what_the_longest_one_needs_as_far_as_the_budgets_allow() {
    let cuts = |budgets: &[Budget]| {
        let run = Run::decided(governor(budgets), "local", 0);
        let steps = run.steps.iter();
        let mut cut = steps.filter_map(|step| {
            if let Step::Generate { until_energy, until, .. } = step { Some((*until_energy, *until)) } else { None }
        });
        (cut.next_back().expect("a local answer"), *run.governor.local().unwrap())
    };
    let ((energy, until), local) = cuts(&[]);
    assert_eq!((energy, until), (local.longest(64).energy, TIME));
    let ((energy, _), _) = cuts(&[Budget::energy(Window::Turn, Joules::from_micro(700_000))]);
    assert_eq!(energy, Joules::from_micro(700_000 - 15_000 - 120_000), "all but deciding and guard");
    let ((_, until), _) = cuts(&[Budget::latency(Window::Day, Millis::new(300))]);
    assert_eq!(until, Millis::new(280), "a stop may take twenty to take effect");
}

#[test]
fn the_milliseconds_of_a_turn_are_spent_once_whatever_it_does() {
    let limit = Millis::new(2_000);
    for node in ["good", "local"] {
        let mut run = Run::decided(governor(&[Budget::latency(Window::Turn, limit)]), node, 0);
        let mut now = 12;
        // Nobody answers; every stop takes as long as it may.
        while let Some(at) = run.turn.next_deadline() {
            now = at.get() + 19;
            run.feed(now, tick(100));
        }
        run.feed(now, Event::LocalDone { finish: Finish::Stop, action: None, energy: Joules::from_micro(100) });
        let record = run.record();
        assert!(record.cost.latency <= limit, "{node}: {}", record.cost.latency);
        assert!(record.settlements.iter().all(|(_, settled)| settled.overrun == Cost::ZERO), "{record:?}");
    }
}

#[test]
fn a_refusal_while_the_local_model_steps_in_frees_what_was_reserved_for_an_answer() {
    let mut run = Run::decided(governor(&[]), "good", 0b001);
    let deadline = run.deadline();
    run.feed(deadline, tick(0));
    let refusal = CloudRefusal {
        reason: "deadline".into(),
        detail: "too late".into(),
        money: Usd::from_nano(7),
        bytes_up: Bytes::new(41_000),
        energy: Joules::ZERO,
    };
    run.feed(deadline + 20, Event::CloudRefused(Box::new(refusal)));
    run.local_answer(deadline + 50);
    let record = run.record();
    assert!(record.left_open.is_empty() && run.governor.budgets().open().is_empty());
    assert_eq!((record.cost.money, record.cost.bytes), (Usd::from_nano(7), Bytes::new(41_000)));
}

#[test]
fn asked_actions_are_tried_in_their_order_and_never_past_the_shield() {
    let decided = |budgets: &[Budget], only: &[Action]| {
        let mut governor = governor(budgets);
        let (turn, steps) = Turn::open(Millis::ZERO, Opening { only: only.to_vec(), ..opening() }, &mut governor);
        let mut run = Run { turn, governor, steps };
        run.governor.set_shield(Shield { view_threshold: 0.5 });
        run.feed(10, Event::Observed(Box::new(observation())));
        run.feed(12, Event::Unscored { why: "no policy".into() });
        run
    };
    let cloud = |node: &str, set| {
        let node = governor(&[]).node(node).unwrap();
        Action { node, views: ViewSet::from_bits(set) }
    };
    // The doorway shows nothing, and is sent all the same.
    let run = decided(&[], &[cloud("good", 0b101), cloud("cheap", 0b000), Action::LOCAL]);
    let record = run.turn.record();
    assert_eq!(
        (record.node.as_str(), record.views_used, record.reason.as_str()),
        ("good", ViewSet::from_bits(0b101), "only")
    );
    assert_eq!(record.candidates.len(), 3);

    let tight = [Budget::money(Window::Turn, Usd::from_nano(1_000_000))];
    let run = decided(&tight, &[cloud("good", 0b101), cloud("cheap", 0b000), Action::LOCAL]);
    let record = run.turn.record();
    assert_eq!((record.node.as_str(), record.reason.as_str()), ("cheap", "only+money_budget"));
    let run = decided(&tight, &[cloud("good", 0b101)]);
    assert_eq!((run.record().placement, run.record().reason.as_str()), (Placement::Refused, "money_budget"));
}

#[test]
fn a_slowed_board_quotes_its_answers_higher_and_never_lower() {
    let mut governor = governor(&[]);
    let ordinary = governor.least_local().unwrap();
    governor.set_slowness(200);
    let slowed = governor.least_local().unwrap();
    // What a stop takes to have its effect, which is part of both, does not grow.
    let least = ordinary.latency.times(2).minus(Millis::new(20));
    assert_eq!(slowed.latency, least, "the guard is a reading and a token of ten milliseconds each");
    assert!(slowed.energy > ordinary.energy && slowed.energy < ordinary.energy.times(2));
    governor.set_slowness(50);
    assert_eq!(governor.least_local(), Some(ordinary));
}

/// A hold that a crash left over, whose day ends before its conversation speaks again. The ledger then says that the conversation
/// has spent it, so the budgets, which adopted it as open, must have let go of it by themselves.
#[test]
fn an_expired_orphan_is_debited_to_its_conversation_once() {
    let (limit, left_over) = (1_000_000, 300_000);
    let cost = Cost { money: Usd::from_nano(left_over), ..Cost::ZERO };
    let orphan = OpenHold { id: HoldId(1), conversation: CONVERSATION, cost, opened: Millis::new(1_000), orphan: true };
    let mut budgets = Budgets::new(Spent::default(), HoldId(2));
    budgets.adopt(orphan).unwrap();
    let budget = Budget::money(Window::Conversation, Usd::from_nano(limit));
    let mut governor = governor_after(budgets, &[budget]);
    let left = |governor: &Governor| governor.budgets().left(&budget, &Account::new(CONVERSATION));
    assert_eq!(left(&governor), limit - left_over, "it counts while it is open");
    let next_day = Millis::new(24 * 3_600_000 + 5);
    let (turn, _) = Turn::open(next_day, Opening { spent_before: cost, ..opening() }, &mut governor);
    assert!(!turn.is_over());
    assert_eq!(left(&governor), limit - left_over, "it counts as spent, once");
    governor.advance(next_day.times(2));
    assert_eq!(left(&governor), limit - left_over, "and no more later");
}
