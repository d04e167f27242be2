//! Limits, hysteresis, and the one way down.

use trimtab_supervisor::wire::{
    Cause, Challenge, Config, Event, FromMcu, NackReason, ResetCause, State, Tag, ToMcu, Trip, TripId,
};
use trimtab_supervisor::{Boot, Stored, Supervisor};

use crate::bench::{Bench, boot, key, noise};

#[test]
fn heat_throttles_then_cuts_then_makes_safe() {
    let mut bench = Bench::configured(|_| {});
    for (heat, state) in [(70_000, State::Throttle), (80_000, State::CutAccelerator), (90_000, State::Safe)] {
        bench.sensors.temperature = Some(heat - 1);
        bench.run(3_000);
        assert!(bench.state() < state);
        bench.sensors.temperature = Some(heat);
        bench.run(980);
        assert!(bench.state() < state, "not before it has lasted");
        bench.run(60);
        assert_eq!(bench.trips().last(), Some(&(state, Cause::OverTemperature)));
    }
}

#[test]
fn a_peak_that_does_not_last_trips_nothing_and_a_gap_hides_none() {
    let mut bench = Bench::configured(|_| {});
    for _ in 0..10 {
        bench.sensors.current = Some(9_000);
        bench.run(180);
        bench.sensors.current = Some(4_999);
        bench.run(20);
    }
    assert_eq!(bench.state(), State::Normal);
    // Every second reading is missing: it neither starts nor ends anything.
    for _ in 0..8 {
        bench.sensors.current = Some(9_000);
        bench.run(20);
        bench.sensors.current = None;
        bench.run(20);
    }
    // Both limits have been exceeded for long enough at once: straight to the cut.
    assert_eq!(bench.trips(), [(State::CutAccelerator, Cause::OverCurrent)]);
}

#[test]
fn current_beyond_what_the_sensor_can_tell_is_not_believed_and_still_trips() {
    let mut bench = Bench::configured(|_| {});
    bench.sensors.current = Some(40_000);
    bench.run(300);
    assert_eq!(bench.trips(), [(State::CutAccelerator, Cause::OverCurrent)]);
    assert!(bench.counters().current.range > 0);
}

#[test]
fn what_has_passed_lowers_nothing_and_a_release_leads_to_what_is_left() {
    let mut bench = Bench::configured(|_| {});
    bench.sensors.temperature = Some(81_000);
    bench.run(2_000);
    assert_eq!(bench.state(), State::CutAccelerator);
    // Below the hard limit but not by its hysteresis: it counts as present.
    bench.sensors.temperature = Some(76_000);
    bench.run(5_000);
    let release = bench.release();
    assert_eq!(bench.command(release), Ok(()));
    assert_eq!(bench.state(), State::CutAccelerator);
    // Below it by more, and above the soft one.
    bench.sensors.temperature = Some(74_000);
    bench.run(5_000);
    assert_eq!(bench.state(), State::CutAccelerator, "cooler alone lowers nothing");
    let release = bench.release();
    assert_eq!(bench.command(release), Ok(()));
    assert_eq!(bench.state(), State::Throttle);
    bench.sensors.temperature = Some(40_000);
    bench.run(5_000);
    assert_eq!(bench.state(), State::Throttle);
    let release = bench.release();
    assert_eq!(bench.command(release), Ok(()));
    assert_eq!(bench.state(), State::Normal);
    assert!(!bench.outputs.lines.throttle);
    let released: Vec<State> = bench
        .said
        .iter()
        .filter_map(|said| match said {
            FromMcu::Event(entry) => match entry.event {
                Event::Released { to, .. } => Some(to),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(released, [State::CutAccelerator, State::Throttle, State::Normal]);
}

/// A board that has tripped once.
fn tripped() -> Bench {
    let mut bench = Bench::configured(|_| {});
    bench.sensors.temperature = Some(75_000);
    bench.run(1_100);
    bench.sensors.temperature = Some(40_000);
    bench.run(5_000);
    assert_eq!(bench.state(), State::Throttle);
    bench
}

#[test]
fn seals_that_are_wrong_used_or_for_another_trip_release_nothing() {
    let mut bench = tripped();
    let Challenge { nonce, trip, .. } = bench.challenge();
    let trip: Trip = trip.unwrap();
    assert_eq!(bench.command(ToMcu::Release { trip: trip.id, tag: Tag([0; 32]) }), Err(NackReason::WrongSeal));
    let other = TripId(trip.id.0 + 1);
    let stale = NackReason::StaleTrip { last: Some(trip.id) };
    assert_eq!(bench.command(ToMcu::Release { trip: other, tag: key().release(&nonce, other) }), Err(stale));
    let right = ToMcu::Release { trip: trip.id, tag: key().release(&nonce, trip.id) };
    assert_eq!(bench.state(), State::Throttle);
    assert_eq!(bench.command(right), Ok(()));
    assert_eq!(bench.state(), State::Normal);

    bench.sensors.temperature = Some(75_000);
    bench.run(1_100);
    assert_eq!(bench.state(), State::Throttle);
    assert_eq!(bench.command(right), Err(NackReason::ReplayedSeal));
    // The same trip's number under the old nonce.
    let now = bench.challenge().trip.unwrap().id;
    assert_eq!(
        bench.command(ToMcu::Release { trip: now, tag: key().release(&nonce, now) }),
        Err(NackReason::WrongSeal)
    );
    let counters = bench.counters();
    assert_eq!((counters.wrong_seals, counters.replayed_seals, counters.nacks), (2, 1, 4));
    assert_eq!(bench.state(), State::Throttle);
    let refused = |said: &&FromMcu| matches!(said, FromMcu::Event(entry) if entry.event == Event::SealRefused);
    assert_eq!(bench.said.iter().filter(refused).count(), 3);
}

#[test]
fn a_board_without_a_key_releases_nothing() {
    let mut memory = noise();
    let boot = Boot { key: None, ..boot(ResetCause::Panic, Stored::Empty) };
    let board = Supervisor::new(&mut memory, &boot);
    assert_eq!(board.state(), State::Safe);
    let mut bench = Bench::new();
    bench.board = Supervisor::new(Box::leak(Box::new(noise())), &boot);
    bench.greet();
    let challenge = bench.challenge();
    assert!(!challenge.has_key);
    let trip = challenge.trip.unwrap().id;
    let tag = key().release(&challenge.nonce, trip);
    assert_eq!(bench.command(ToMcu::Release { trip, tag }), Err(NackReason::NoKey));
    assert_eq!(bench.state(), State::Safe);
}

#[test]
fn a_configuration_needs_a_seal_and_keeps_its_rules() {
    let mut bench = Bench::configured(|_| {});
    let mut config = Config::DEFAULT;
    config.host.resets_max = 9;
    assert_eq!(bench.command(ToMcu::SetConfig { config, tag: Tag([1; 32]) }), Err(NackReason::WrongSeal));
    let mut broken = config;
    broken.sample_period = trimtab_core::Millis::ZERO;
    let tag = key().configure(&bench.challenge().nonce, &broken);
    let refused = bench.command(ToMcu::SetConfig { config: broken, tag });
    assert!(matches!(refused, Err(NackReason::Config(_))), "{refused:?}");
    let tag = key().configure(&bench.challenge().nonce, &config);
    assert_eq!(bench.command(ToMcu::SetConfig { config, tag }), Ok(()));
    assert_eq!(bench.command(ToMcu::SetConfig { config, tag }), Err(NackReason::ReplayedSeal));
    assert_eq!(*bench.board.config(), config);
    assert_eq!(*bench.cut_power().board.config(), config);
}
