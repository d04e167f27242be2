//! Hosts that hang, fall silent, start anew, or never come back.

use trimtab_core::Millis;
use trimtab_supervisor::wire::{Cause, Event, FromMcu, HostStage, HostTimes, State, ToMcu};

use crate::bench::Bench;
use HostStage::{Alive, Gone, HoldOff, Resetting, Resting, Throttled, Warned};

fn quick(times: &mut HostTimes) {
    times.start = Millis::new(10_000);
    times.hold_off = Millis::new(3_000);
    times.resets_max = 2;
    times.healthy = Millis::new(20_000);
}

fn stages(bench: &Bench) -> Vec<HostStage> {
    let stages = bench.said.iter().filter_map(|said| match said {
        FromMcu::Event(entry) => match entry.event {
            Event::Host(stage) => Some(stage),
            _ => None,
        },
        _ => None,
    });
    stages.collect()
}

#[test]
fn silence_warns_throttles_resets_and_at_last_makes_safe() {
    let mut bench = Bench::configured(|config| quick(&mut config.host));
    bench.run(1_000);
    assert_eq!(stages(&bench), [Alive]);
    bench.beating = false;
    bench.run(1_700);
    assert_eq!(bench.state(), State::Normal);
    bench.run(400);
    assert_eq!(bench.trips(), [(State::Throttle, Cause::HostLost)]);
    // The line is held for its pulse, within a sample.
    assert!(bench.run_until(4_000, |bench| bench.outputs.lines.reset_host));
    let from = bench.now;
    assert!(bench.run_until(1_000, |bench| !bench.outputs.lines.reset_host));
    assert!((250_000..=270_000).contains(&(bench.now - from)), "{} µs", bench.now - from);
    // It may take its time, then the same again, and then never more.
    let mut pulses = 1;
    let mut held = false;
    bench.run_until(60_000, |bench| {
        pulses += u32::from(bench.outputs.lines.reset_host && !held);
        held = bench.outputs.lines.reset_host;
        false
    });
    let seen = [Alive, Warned, Throttled, Resetting, HoldOff, Warned, Throttled, Resetting, HoldOff, Warned, Throttled];
    assert_eq!(stages(&bench)[..11], seen);
    assert_eq!(stages(&bench)[11..], [Gone]);
    assert_eq!(pulses, 2);
    assert_eq!(bench.trips()[1..], [(State::Safe, Cause::HostGone)]);
    assert_eq!(bench.counters().host_resets, 2);
    // It comes back by itself: alive, and the state stays until it is released.
    bench.beating = true;
    bench.run(1_000);
    assert_eq!(stages(&bench).last(), Some(&Alive));
    assert_eq!(bench.state(), State::Safe);
    let release = bench.release();
    assert_eq!(bench.command(release), Ok(()));
    assert_eq!(bench.state(), State::Normal);
}

#[test]
fn a_heartbeat_that_stands_still_or_runs_back_is_none() {
    for advance in [0_u32, u32::MAX] {
        let mut bench = Bench::configured(|config| quick(&mut config.host));
        bench.run(1_000);
        bench.beating = false;
        let mut count = 5;
        bench.say(ToMcu::Heartbeat { count, uptime_ms: 1_000 });
        bench.run_until(8_000, |bench| bench.state() >= State::Throttle);
        let mut seen = bench;
        for _ in 0..20 {
            seen.run(200);
            count = u32::wrapping_add(count, advance);
            seen.say(ToMcu::Heartbeat { count, uptime_ms: 1_000 });
        }
        assert_eq!(seen.state(), State::Throttle);
        assert!(stages(&seen).contains(&Resetting));
        assert!(seen.counters().frozen_heartbeats > 10);
    }
}

#[test]
fn counts_wrap_and_a_host_that_greets_anew_counts_anew() {
    let mut bench = Bench::configured(|config| quick(&mut config.host));
    bench.beating = false;
    for count in [u32::MAX - 2, u32::MAX - 1, u32::MAX, 0, 1] {
        let uptime_ms = count.wrapping_mul(500);
        bench.say(ToMcu::Heartbeat { count, uptime_ms });
        bench.run(500);
    }
    assert_eq!(bench.counters().frozen_heartbeats, 0);
    // The program was started again: it says so in a new boot, and begins at zero.
    bench.greet_as(2, trimtab_supervisor::wire::Versions::SPOKEN);
    for count in 0..20 {
        bench.say(ToMcu::Heartbeat { count, uptime_ms: 500 * count });
        bench.run(500);
    }
    let counters = bench.counters();
    assert_eq!((counters.frozen_heartbeats, counters.host_restarts), (0, 0));
    assert_eq!(bench.state(), State::Normal);
    // Without a word: its clock tells.
    bench.say(ToMcu::Heartbeat { count: 21, uptime_ms: 3 });
    assert_eq!(bench.counters().host_restarts, 1);
}

#[test]
fn resets_are_forgotten_after_a_healthy_time() {
    let mut bench = Bench::configured(|config| quick(&mut config.host));
    bench.run(1_000);
    for round in 1..=4_u32 {
        bench.beating = false;
        assert!(bench.run_until(8_000, |bench| bench.outputs.lines.reset_host), "round {round}");
        bench.run(500);
        bench.beating = true;
        bench.run(22_000);
    }
    assert_eq!(bench.counters().host_resets, 4);
    assert!(!stages(&bench).contains(&Gone));
}

#[test]
fn a_host_that_stops_on_purpose_is_left_alone_until_its_heart_beats_again() {
    let mut bench = Bench::configured(|config| quick(&mut config.host));
    bench.run(1_000);
    bench.beating = false;
    assert_eq!(bench.command(ToMcu::Farewell), Ok(()));
    bench.run(60_000);
    assert_eq!((bench.state(), stages(&bench).last()), (State::Normal, Some(&Resting)));
    bench.beating = true;
    bench.run(1_000);
    bench.beating = false;
    bench.run_until(60_000, |bench| bench.state() >= State::Throttle);
    assert_eq!(bench.state(), State::Throttle);
}
