//! Sensors that stick, jump, read what cannot be, or are gone.

use trimtab_core::Joules;
use trimtab_supervisor::Input;
use trimtab_supervisor::wire::{Cause, Channel, ChannelCounters, Event, FromMcu, Milliamps, State, Verdict};

use crate::bench::{Bench, CALM, Sensors};

#[test]
fn every_kind_of_bad_reading_is_counted_and_taken_at_its_worst() {
    let bad = [
        (Sensors { current: None, ..CALM }, ChannelCounters { missing: 1, ..ChannelCounters::default() }),
        (Sensors { current: Some(15_001), ..CALM }, ChannelCounters { range: 1, ..ChannelCounters::default() }),
        (Sensors { current: Some(-1), ..CALM }, ChannelCounters { negative: 1, ..ChannelCounters::default() }),
        (Sensors { current: Some(11_001), ..CALM }, ChannelCounters { jump: 1, ..ChannelCounters::default() }),
    ];
    for (sensors, expected) in bad {
        let mut bench = Bench::configured(|_| {});
        let before = bench.board.energy();
        bench.sensors = sensors;
        bench.run(20);
        bench.sensors = CALM;
        bench.run(200);
        assert_eq!(bench.counters().current, expected, "{sensors:?}");
        // The worst case is 15 A, and holds for the whole interval before the bad reading and for that after it.
        let worst = 15_000 * 12_000 * 20_000 / 1_000_000;
        let added = bench.board.energy().minus(before).micro();
        assert!(added >= 2 * worst, "{sensors:?}: {added} µJ");
        let widened = bench.telemetry().last().map(|last| last.widened);
        assert_eq!(widened, Some(Joules::from_micro(2 * worst)), "{sensors:?}");
    }
}

#[test]
fn a_step_that_stays_is_believed_at_the_third_reading() {
    let mut bench = Bench::configured(|config| config.current.jump = Milliamps::new(1_000));
    bench.sensors.current = Some(4_000);
    bench.run(20);
    bench.run(20);
    assert_eq!(bench.counters().current.jump, 2);
    bench.run(2_000);
    assert_eq!(bench.counters().current.jump, 2);
    assert_eq!(bench.telemetry().last().map(|last| last.current), Some(Milliamps::new(4_000)));
}

#[test]
fn a_sensor_that_sticks_is_lost_until_it_moves() {
    let mut bench = Bench::configured(|config| config.current.stuck = 50);
    bench.run(1_300);
    assert_eq!(bench.state(), State::Normal, "stuck, but not lost yet");
    bench.run(300);
    assert_eq!(bench.trips(), [(State::Throttle, Cause::SensorLost)]);
    assert!(bench.counters().current.stuck > 20);
    bench.sensors.current = Some(1_001);
    bench.run(20);
    let sensors = bench.said.iter().filter_map(|said| match said {
        FromMcu::Event(entry) => match entry.event {
            Event::Sensor { channel, verdict } => Some((channel, verdict)),
            _ => None,
        },
        _ => None,
    });
    let expected = [(Channel::Current, Verdict::Stuck), (Channel::Current, Verdict::Good)];
    assert_eq!(sensors.collect::<Vec<_>>(), expected);
}

#[test]
fn a_sensor_that_is_gone_throttles_then_cuts() {
    for gone in [
        Sensors { current: None, ..CALM },
        Sensors { voltage: None, ..CALM },
        Sensors { temperature: None, ..CALM },
        Sensors { current: None, voltage: None, temperature: None },
    ] {
        let mut bench = Bench::configured(|_| {});
        bench.sensors = gone;
        bench.run(480);
        assert_eq!(bench.state(), State::Normal);
        bench.run(4_400);
        assert_eq!(bench.trips(), [(State::Throttle, Cause::SensorLost)]);
        bench.run(200);
        assert_eq!(bench.trips()[1..], [(State::CutAccelerator, Cause::SensorLost)]);
        assert!(bench.outputs.lines.cut && bench.outputs.feed, "the board itself samples: no reason to reset it");
    }
}

#[test]
fn a_board_that_samples_no_more_is_stale_and_starves_its_watchdog() {
    let mut bench = Bench::configured(|_| {});
    let (start, before) = (bench.now, bench.board.energy());
    let mut fed_until = start;
    for _ in 0..100 {
        bench.now += 20_000;
        bench.step(Input::Tick);
        if bench.outputs.feed {
            fed_until = bench.now;
        }
    }
    assert!(fed_until - start < 300_000, "fed for {} µs", fed_until - start);
    assert_eq!(bench.trips(), [(State::Throttle, Cause::SensorLost)]);
    let counters = bench.counters();
    assert_eq!((counters.current.stale, counters.voltage.stale, counters.temperature.stale), (1, 1, 1));
    let last = bench.telemetry().last().copied().unwrap();
    assert_eq!(last.plausibility.voltage, Verdict::Stale);
    // Two seconds at the worst case, 15 A at 21 V.
    assert_eq!(last.energy.minus(before).micro(), 15 * 21 * (last.at.get() - start));
}

#[test]
fn stamps_wrap_and_those_that_lie_are_counted() {
    let mut bench = Bench::configured(|config| {
        config.sample_period = trimtab_core::Millis::new(250);
        config.current.stuck = 0;
    });
    // The low half of the microseconds wraps after 71 minutes.
    bench.run(4_400_000);
    assert!(bench.now > u64::from(u32::MAX) + 50_000_000);
    assert_eq!(bench.counters().stamp_faults, 0);
    assert_eq!(bench.board.energy().micro(), 12 * bench.now);
    for wrong in [5_000_u32, u32::MAX - 2_000_000] {
        bench.now += 500_000;
        let at = (bench.now as u32).wrapping_add(wrong);
        bench.step(Input::Sample(trimtab_supervisor::Sample {
            at,
            current: Some(Milliamps::new(1_000)),
            voltage: Some(trimtab_supervisor::wire::Millivolts::new(12_000)),
            temperature: Some(trimtab_supervisor::wire::Millicelsius::new(40_000)),
        }));
    }
    assert_eq!(bench.counters().stamp_faults, 2);
    assert_eq!(bench.board.energy().micro(), 12 * bench.now);
    // The board's own clock runs back: no time goes by, and it is counted.
    let before = bench.board.energy();
    bench.now -= 3_000_000;
    bench.step(Input::Tick);
    bench.sample();
    assert!(bench.counters().clock_faults >= 2);
    assert_eq!(bench.board.energy(), before);
}
