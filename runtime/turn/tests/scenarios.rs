//! Turns in simulated time: every way a turn can go, with exact settlements.

use trimtab_core::budget::Window;
use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::observation::LinkEstimate;
use trimtab_core::{
    Action, Budget, Budgets, Bytes, ConversationId, Cost, Joules, Millis, NodeProfile, Placement, Preference, Shield,
    TurnId, Usd, ViewSet, Watts,
};
use trimtab_turn::{
    CloudAnswer, CloudRefusal, Course, EnergySource, Event, Finish, Governor, LocalEngine, MeterFacts, Observation,
    Opening, Outcome, SeenView, Setup, Step, Turn, TurnRecord, Upper,
};

const CONVERSATION: ConversationId = ConversationId::of("test");
const TIME: Millis = Millis::new(8000);
const CLOUD_ANSWER: &str = "It is red.";

fn cloud_profile(quality: f32, price_image: u64) -> NodeProfile {
    NodeProfile {
        local: false,
        price_prompt: Usd::from_nano(2_500_000_000),
        price_completion: Usd::from_nano(10_000_000_000),
        price_image: Usd::from_nano(price_image),
        images_max: 4,
        latency_p50: Millis::new(600),
        latency_p95: Millis::new(900),
        token_time: Millis::new(30),
        quality,
    }
}

fn governor(budgets: &[Budget]) -> Governor {
    let local = NodeProfile {
        local: true,
        quality: 0.5,
        images_max: 0,
        price_prompt: Usd::ZERO,
        price_completion: Usd::ZERO,
        price_image: Usd::ZERO,
        ..cloud_profile(0.5, 0)
    };
    let mut governor = Governor::new(Setup {
        budgets: Budgets::default(),
        shield: Shield { view_threshold: 0.1 },
        preference: Preference::default(),
        local: Some(LocalEngine {
            profile: local,
            memory: Bytes::new(4 << 20),
            draw: Watts::from_milli(4000),
            first_token: Upper::from_prior(20.0),
            per_token: Upper::from_prior(5.0),
            tokens: Upper::from_prior(20.0),
        }),
        meter: MeterFacts {
            known: true,
            peak: Watts::from_milli(6000),
            period: Millis::new(10),
            step: Millis::new(10),
            look: Millis::new(10),
            radio_per_mebibyte: Joules::from_micro(2_000_000),
            waiting: Watts::from_milli(500),
            decision: Joules::from_micro(20_000),
        },
        link: LinkEstimate { up: true, round_trip: Millis::new(60), uplink_bits_per_s: 5_000_000 },
        decision_time: Millis::new(250),
    });
    governor.offer("good", cloud_profile(0.95, 1_000_000_000_000)).unwrap();
    governor.offer("cheap", cloud_profile(0.6, 100_000_000_000)).unwrap();
    governor.set_budgets(budgets).unwrap();
    governor
}

fn opening() -> Opening {
    Opening {
        id: TurnId { boot: 1, number: 1 },
        conversation: CONVERSATION,
        conversation_name: "test".into(),
        prompt: "what colour is the mug".into(),
        context_bytes: 0,
        turns_before: 0,
        time: TIME,
        max_tokens: 64,
        only: Vec::new(),
        spent_before: Cost::ZERO,
    }
}

fn observation() -> Observation {
    let view = |name: &str, shows: f32| SeenView {
        name: name.into(),
        association: shows - 0.5,
        shows,
        available: true,
        upload: true,
        bytes: Bytes::new(40_000),
    };
    Observation {
        prompt: [0.0; PROMPT_FEATURES],
        tasks: [0.0, 0.0, 1.0, 0.0],
        unknown: false,
        views: vec![view("wrist", 0.9), view("overhead", 0.2), view("doorway", 0.05)],
        memory_left: Bytes::new(64 << 20),
        memory_headroom: 0.5,
        energy: Joules::from_micro(15_000),
        energy_source: EnergySource::Measured("test".into()),
    }
}

/// Scores that like one action best.
fn prefer(governor: &Governor, views: usize, node: &str, set: u8) -> Event {
    let nodes = governor.nodes();
    let likes = |action: Action| match action.node.get() {
        0 => node == "local",
        n => nodes[n - 1].name == node && action.views == ViewSet::from_bits(set),
    };
    Event::Scored(
        Action::all(nodes.len() + 1, views).map(|action| (if likes(action) { 1.0 } else { 0.1 }, None)).collect(),
    )
}

fn answer(money: u64) -> Event {
    Event::CloudAnswered(Box::new(CloudAnswer {
        text: CLOUD_ANSWER.into(),
        node: "good".into(),
        money: Usd::from_nano(money),
        bytes_up: Bytes::new(41_000),
        completion_tokens: 5,
        upstream: Millis::new(700),
        finish: Finish::Stop,
        energy: Joules::from_micro(400_000),
    }))
}

/// Time has passed, and waiting has taken so many microjoules.
const fn tick(energy: u64) -> Event {
    Event::Tick { energy: Joules::from_micro(energy) }
}

/// A turn under test, with everything it asked for so far.
struct Run {
    turn: Turn,
    governor: Governor,
    steps: Vec<Step>,
}

impl Run {
    /// Opened, observed and scored, so that `node` with `set` is the favourite.
    fn decided(mut governor: Governor, node: &str, set: u8) -> Self {
        let (turn, steps) = Turn::open(Millis::ZERO, opening(), &mut governor);
        let mut run = Self { turn, governor, steps };
        run.feed(10, Event::Observed(Box::new(observation())));
        let scores = prefer(&run.governor, 3, node, set);
        run.feed(12, scores);
        run
    }
    fn feed(&mut self, now: u64, event: Event) -> Vec<Step> {
        let steps = self.turn.on(Millis::new(now), event, &mut self.governor);
        self.steps.extend(steps.iter().cloned());
        steps
    }
    /// Until when the bridge's answer is waited for at the longest.
    fn deadline(&self) -> u64 {
        let deadline =
            |step: &Step| if let Step::Offload { deadline, .. } = step { Some(deadline.get()) } else { None };
        self.steps.iter().find_map(deadline).expect("a bridge was asked")
    }
    fn records(&self) -> Vec<&TurnRecord> {
        self.steps
            .iter()
            .filter_map(|step| if let Step::Close { record } = step { Some(&**record) } else { None })
            .collect()
    }
    /// The one record that a turn that is over has.
    fn record(&self) -> &TurnRecord {
        assert!(self.turn.is_over(), "the turn is not over: {:?}", self.turn);
        let records = self.records();
        assert_eq!(records.len(), 1, "exactly one record");
        records[0]
    }
    fn said(&self) -> String {
        self.steps.iter().fold(String::new(), |mut said, step| {
            match step {
                Step::Say { text } => said.push_str(text),
                Step::Void => said.clear(),
                _ => {}
            }
            said
        })
    }
    fn generates(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Generate { .. }))
    }
    /// Finishes a local answer.
    fn local_answer(&mut self, now: u64) {
        self.feed(now, Event::LocalToken { text: "I cannot see that.".into(), energy: Joules::from_micro(20_000) });
        self.feed(now + 5, Event::LocalDone { finish: Finish::Stop, action: None, energy: Joules::from_micro(25_000) });
    }
}

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
    assert_eq!(slowed.latency, ordinary.latency.times(2));
    assert!(slowed.energy > ordinary.energy && slowed.energy < ordinary.energy.times(2), "the guard stays as it is");
    governor.set_slowness(50);
    assert_eq!(governor.least_local(), Some(ordinary));
}
