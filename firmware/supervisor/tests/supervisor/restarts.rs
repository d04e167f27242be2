//! Resets, power cuts, panics, and stores that fail.

use trimtab_core::Joules;
use trimtab_supervisor::wire::{Cause, Config, Event, FromMcu, LogEntry, Query, ResetCause, State, StoreFault, ToMcu};
use trimtab_supervisor::{LOG_LINES, RECORD_BYTES_MAX, Record, Stored, note_panic};

use crate::bench::{Bench, CALM, noise};

/// A board that has cut, for heat that has passed.
fn cut() -> Bench {
    let mut bench = Bench::configured(|config| config.budgets.total = Some(Joules::from_micro(500_000_000)));
    bench.sensors.temperature = Some(85_000);
    bench.run(2_000);
    bench.sensors = CALM;
    bench.run(5_000);
    assert_eq!(bench.state(), State::CutAccelerator);
    bench
}

fn log(bench: &mut Bench) -> Vec<LogEntry> {
    let before = bench.said.len();
    assert_eq!(bench.command(ToMcu::Query(Query::Log { from: 0 })), Ok(()));
    bench.run(3_000);
    let lines = bench.said[before..].iter().filter_map(|said| match said {
        FromMcu::Log(entry) => Some(*entry),
        _ => None,
    });
    lines.collect()
}

#[test]
fn a_reset_keeps_the_trip_the_energy_and_the_log() {
    let before = cut();
    let energy = before.board.energy();
    let mut bench = before.reset(ResetCause::Pin);
    assert_eq!(bench.state(), State::CutAccelerator);
    assert!(bench.outputs.lines.cut, "from the first step on");
    assert_eq!(bench.board.energy(), energy);
    bench.greet();
    bench.run(1_000);
    let lines = log(&mut bench);
    let started: Vec<_> = lines
        .iter()
        .filter_map(|line| match line.event {
            Event::Started(reset) => Some((line.stamp.boot.0, reset)),
            _ => None,
        })
        .collect();
    assert_eq!(started, [(1, ResetCause::Power), (2, ResetCause::Pin)]);
    // The trip of before the reset can be released after it.
    let release = bench.release();
    assert_eq!(bench.command(release), Ok(()));
    assert_eq!(bench.state(), State::Normal);
    assert_eq!(bench.reset(ResetCause::Pin).state(), State::Normal);
}

#[test]
fn a_power_cut_keeps_the_trip_and_the_configuration() {
    let before = cut();
    let config = *before.board.config();
    let bench = before.cut_power();
    assert_eq!(bench.state(), State::CutAccelerator);
    assert_eq!(*bench.board.config(), config);
    assert_eq!(bench.board.energy(), Joules::ZERO);
    let mut bench = bench.cut_power();
    assert_eq!(bench.board.record().boot.0, 3);
    bench.greet();
    let release = bench.release();
    assert_eq!(bench.command(release), Ok(()));
    assert_eq!(bench.cut_power().state(), State::Normal);
}

#[test]
fn a_panic_makes_safe_and_a_hang_throttles() {
    let bench = Bench::configured(|_| {});
    let mut memory = bench.memory();
    note_panic(&mut memory);
    let mut bench = Bench::start(memory, ResetCause::Software, Stored::Empty);
    assert_eq!(bench.state(), State::Safe);
    bench.greet();
    assert_eq!(
        log(&mut bench).iter().rfind(|line| matches!(line.event, Event::Started(_))).unwrap().event,
        Event::Started(ResetCause::Panic)
    );
    // It is noted no more, and stays until it is released.
    let mut bench = bench.reset(ResetCause::Pin);
    assert_eq!(bench.state(), State::Safe);
    bench.greet();
    let release = bench.release();
    assert_eq!(bench.command(release), Ok(()));
    assert_eq!(bench.state(), State::Normal);
    let bench = bench.reset(ResetCause::Watchdog);
    assert_eq!(
        bench.board.record().trip.map(|trip| (trip.state, trip.cause)),
        Some((State::Throttle, Cause::OwnWatchdog))
    );
}

#[test]
fn any_byte_of_memory_may_be_wrong() {
    let bench = cut();
    let (memory, stored) = (bench.memory(), Stored::Whole(bench.stored.unwrap()));
    for at in 0..memory.len() {
        let mut damaged = memory;
        damaged[at] ^= 0x10;
        let bench = Bench::start(damaged, ResetCause::Pin, stored);
        assert_eq!(bench.state(), State::CutAccelerator, "byte {at}");
        let lost =
            bench.board.energy().micro().abs_diff(Bench::start(memory, ResetCause::Pin, stored).board.energy().micro());
        assert!(lost <= 12 * 1_000_000, "byte {at}: {lost} µJ");
    }
    let mut damaged = memory;
    damaged[386] ^= 1;
    let mut bench = Bench::start(damaged, ResetCause::Pin, stored);
    bench.greet();
    assert_eq!(bench.counters().log_faults, 1);
}

#[test]
fn damaged_stores_are_told_and_leave_safe_defaults() {
    let mut record = Record::NEW;
    record.config.host.resets_max = 1;
    record.generation = 4;
    let mut broken = record;
    broken.config.sample_period = trimtab_core::Millis::new(99_999);
    let cases = [
        (Stored::Empty, State::Normal, None, Config::DEFAULT),
        (Stored::Whole(record), State::Normal, None, record.config),
        (Stored::FellBack(record), State::Normal, Some(StoreFault::FellBack), record.config),
        (Stored::Damaged, State::CutAccelerator, Some(StoreFault::Damaged), Config::DEFAULT),
        (
            Stored::Whole(broken),
            State::CutAccelerator,
            Some(StoreFault::Rules(broken.config.check().unwrap_err())),
            Config::DEFAULT,
        ),
    ];
    for (stored, state, fault, config) in cases {
        let mut bench = Bench::start(noise(), ResetCause::Brownout, stored);
        assert_eq!((bench.state(), *bench.board.config()), (state, config));
        bench.greet();
        assert_eq!(bench.counters().store_faults, u32::from(fault.is_some()));
        let noted = log(&mut bench).into_iter().find_map(|line| match line.event {
            Event::Store(fault) => Some(fault),
            _ => None,
        });
        assert_eq!(noted, fault);
    }
}

#[test]
fn a_store_that_fails_is_tried_a_few_times_and_told() {
    let mut bench = Bench::configured(|_| {});
    bench.store_works = false;
    bench.sensors.temperature = Some(75_000);
    bench.run(30_000);
    assert_eq!(bench.state(), State::Throttle);
    assert_eq!(bench.counters().store_faults, 5);
    // The next change is stored again.
    bench.store_works = true;
    bench.sensors.temperature = Some(85_000);
    bench.run(3_000);
    assert_eq!(bench.stored.and_then(|record| record.trip).map(|trip| trip.state), Some(State::CutAccelerator));
}

#[test]
fn records_are_whole_or_none() {
    let mut record = Record::NEW;
    let most = Joules::from_micro(u64::MAX);
    record.config.budgets.hour = Some(most);
    (record.config.budgets.day, record.config.budgets.total) = (Some(most), Some(most));
    let mut bytes = [0; RECORD_BYTES_MAX];
    let filled = record.encode(&mut bytes).unwrap().len();
    assert_eq!(Record::decode(&bytes[..filled]), Ok(record));
    for at in 0..filled {
        let mut wrong = bytes;
        wrong[at] ^= 1;
        assert!(Record::decode(&wrong).is_err(), "byte {at}");
        assert!(Record::decode(&bytes[..at]).is_err(), "{at} bytes");
    }
}

#[test]
fn the_log_keeps_the_newest_lines() {
    let mut bench = Bench::configured(|config| config.sensor_lost = config.sample_period.times(2));
    for _ in 0..60 {
        bench.sensors.voltage = None;
        bench.run(100);
        bench.sensors = CALM;
        bench.run(100);
    }
    let lines = log(&mut bench);
    assert_eq!(lines.len(), LOG_LINES);
    assert!(lines.windows(2).all(|pair| pair[1].number == pair[0].number + 1));
    assert!(lines[0].number > 60);
}
