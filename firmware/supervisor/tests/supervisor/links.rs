//! The line: greetings of any age, garbage, and frames that are missing, repeated or late.

use trimtab_supervisor::Input;
use trimtab_supervisor::wire::{
    Event, FromMcu, Greeting, Micros, NackReason, Query, Refusal, State, ToMcu, Versions, encode,
};

use crate::bench::Bench;

#[test]
fn a_board_says_hello_until_it_is_greeted_and_obeys_nobody_before() {
    let mut bench = Bench::new();
    bench.beating = false;
    bench.run(3_500);
    assert_eq!(bench.greeted.len(), 4);
    assert!(matches!(&bench.greeted[0], Greeting::Hello(hello) if hello.name == "bench" && hello.boot.0 == 1));
    assert!(bench.telemetry().is_empty());
    assert_eq!(bench.command(ToMcu::Query(Query::Counters)), Err(NackReason::NotGreeted));
    bench.greet();
    bench.run(1_000);
    assert_eq!(bench.greeted.len(), 5);
    assert!(bench.telemetry().len() >= 10);
    assert_eq!(bench.counters().ungreeted, 1);
}

/// The frames that are frozen for both ends, from a host that this code did not encode.
#[test]
fn frozen_frames_of_a_host_are_understood() {
    let frozen = |name: &str| {
        let path = format!("{}/../../tests/vectors/mcu/{name}.bin", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(&path).unwrap_or_else(|fault| panic!("{path}: {fault}"))
    };
    let mut bench = Bench::new();
    bench.step(Input::Serial(&frozen("hello-host")));
    assert!(matches!(bench.greeted.last(), Some(Greeting::Hello(_))));
    let commands = [
        ("heartbeat", None),
        ("set-budget", Some(Ok(()))),
        // Sealed with another board's key.
        ("set-config", Some(Err(NackReason::WrongSeal))),
        ("release", Some(Err(NackReason::StaleTrip { last: None }))),
        ("query-config", Some(Ok(()))),
        ("query-log", Some(Ok(()))),
        ("query-counters", Some(Ok(()))),
        ("query-challenge", Some(Ok(()))),
        ("query-budgets", Some(Ok(()))),
    ];
    for (name, expected) in commands {
        let before = bench.said.len();
        bench.step(Input::Serial(&frozen(name)));
        let answer = bench.said[before..].iter().find_map(|said| match said {
            FromMcu::Ack { .. } => Some(Ok(())),
            FromMcu::Nack(nack) => Some(Err(nack.reason)),
            _ => None,
        });
        assert_eq!(answer, expected, "{name}");
    }
    assert_eq!(bench.board.state(), State::Normal);
}

#[test]
fn a_host_of_the_future_is_refused_by_name() {
    let mut bench = Bench::configured(|_| {});
    bench.greet_as(9, Versions { min: 2, max: 3 });
    let refusal = Refusal { ours: Versions::SPOKEN, theirs: Versions { min: 2, max: 3 } };
    assert_eq!(bench.greeted.last(), Some(&Greeting::Refusal(refusal)));
    assert_eq!(bench.command(ToMcu::Query(Query::Config)), Err(NackReason::NotGreeted));
    // One that speaks the present besides is welcome.
    bench.greet_as(9, Versions { min: 1, max: 3 });
    assert_eq!(bench.counters().refused, 1);
    let later = encode(3, 50, &ToMcu::Query(Query::Config)).unwrap();
    bench.step(Input::Serial(&later));
    assert_eq!(bench.counters().frames.unknown_version, 1);
}

#[test]
fn frames_that_are_missing_repeated_or_late_are_counted_and_taken_once() {
    let mut bench = Bench::configured(|_| {});
    let before = bench.said.len();
    for number in [100, 103, 103, 101, 104] {
        let frame = encode(1, number, &ToMcu::Query(Query::Config)).unwrap();
        bench.step(Input::Serial(&frame));
    }
    let acks = bench.said[before..].iter().filter_map(|said| match said {
        FromMcu::Ack { of } => Some(*of),
        _ => None,
    });
    assert_eq!(acks.collect::<Vec<_>>(), [100, 103, 104]);
    let frame = encode(1, 105, &ToMcu::Query(Query::Counters)).unwrap();
    bench.step(Input::Serial(&frame));
    let Some(FromMcu::Counters(counters)) = bench.said.iter().rev().find(|said| matches!(said, FromMcu::Counters(_)))
    else {
        panic!("no counters")
    };
    assert_eq!((counters.repeated, counters.late), (1, 1));
    assert!(counters.missing >= 2);
}

#[test]
fn ten_kilobytes_of_garbage_change_nothing() {
    let mut bench = Bench::configured(|_| {});
    bench.run(500);
    let mut state = 1_u32;
    for _ in 0..100 {
        let garbage: [u8; 100] = core::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        bench.step(Input::Serial(&garbage));
        bench.run(20);
    }
    bench.run(200);
    assert_eq!(bench.state(), State::Normal);
    let counters = bench.counters();
    assert!(counters.frames.garbage_bytes > 9_900, "{:?}", counters.frames);
    assert_eq!(counters.missing, 0);
}

#[test]
fn a_line_that_nobody_empties_keeps_room_for_answers() {
    let mut bench = Bench::configured(|_| {});
    // Ten seconds in which nothing is taken from the board, then one command.
    for at in 1..=500 {
        let sample = trimtab_supervisor::Sample { at: (bench.now + at * 20_000) as u32, ..Default::default() };
        let _ = bench.board.step(Micros::new(bench.now + at * 20_000), Input::Sample(sample));
    }
    bench.now += 10_000_000;
    let before = bench.said.len();
    bench.say(ToMcu::Query(Query::Config));
    assert!(bench.said[before..].iter().any(|said| matches!(said, FromMcu::Ack { .. })));
    assert!(bench.said[before..].iter().any(|said| matches!(said, FromMcu::Config(_))));
    bench.run(500);
    // What the host did not hear it can read in the log.
    let heard = bench.said.len();
    assert_eq!(bench.command(ToMcu::Query(Query::Log { from: 0 })), Ok(()));
    bench.run(2_000);
    let log: Vec<_> = bench.said[heard..]
        .iter()
        .filter_map(|said| match said {
            FromMcu::Log(entry) => Some(*entry),
            _ => None,
        })
        .collect();
    assert!(log.windows(2).all(|pair| pair[1].number == pair[0].number + 1));
    assert!(matches!(log[0].event, Event::Started(_)));
    let end = bench.said[heard..].iter().find_map(|said| match said {
        FromMcu::LogEnd(end) => Some(*end),
        _ => None,
    });
    assert_eq!(end.map(|end| (end.next, end.damaged)), Some((log.len() as u32, 0)));
}
