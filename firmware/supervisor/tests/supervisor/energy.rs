//! Energy: exact sums, budgets that trip in time, telemetry that misses nothing unreported.

use proptest::prelude::*;
use trimtab_core::Joules;
use trimtab_supervisor::wire::{
    BudgetWindow, Cause, Config, FromMcu, Micros, Milliamps, Millivolts, NackReason, Query, ResetCause, State, ToMcu,
};
use trimtab_supervisor::{Input, Record, Sample, Stored, Supervisor};

use crate::bench::{Bench, boot, noise};

fn micro(joules: u64) -> Joules {
    Joules::from_micro(joules * 1_000_000)
}

/// A board that believes any current and voltage.
fn credulous() -> Record {
    let mut record = Record::NEW;
    let Config { current, voltage, .. } = &mut record.config;
    (current.most, current.jump, current.stuck) = (Milliamps::new(1_000_000), Milliamps::new(1_000_000), 0);
    (voltage.least, voltage.most, voltage.jump) =
        (Millivolts::new(0), Millivolts::new(100_000), Millivolts::new(100_000));
    record
}

proptest! {
    /// Against the sum of all trapezoids in whole numbers, rounded down once.
    #[test]
    fn the_integral_is_exact(samples in prop::collection::vec((1_u64..400_000, 0_i32..1_000_000, 0_i32..100_000), 1..200)) {
        let mut memory = noise();
        let mut board = Supervisor::new(&mut memory, &boot(ResetCause::Power, Stored::Whole(credulous())));
        let (mut now, mut halves, mut before) = (0, 0_i128, None);
        for (span, current, voltage) in samples {
            now += span;
            let sample = Sample {
                at: now as u32,
                current: Some(Milliamps::new(current)),
                voltage: Some(Millivolts::new(voltage)),
                temperature: None,
            };
            let _ = board.step(Micros::new(now), Input::Sample(sample));
            let power = i128::from(current) * i128::from(voltage);
            halves += (power + before.unwrap_or(power)) * i128::from(span);
            before = Some(power);
            prop_assert_eq!(i128::from(board.energy().micro()), halves / 2_000_000);
        }
    }
}

#[test]
fn a_budget_throttles_then_cuts_then_makes_safe_each_within_one_sample() {
    let mut bench = Bench::configured(|config| config.budgets.hour = Some(micro(120)));
    let steps = [
        (State::Throttle, Cause::BudgetLow, 8_000),
        (State::CutAccelerator, Cause::BudgetExhausted, 10_000),
        (State::Safe, Cause::BudgetOverrun, 11_000),
    ];
    for (state, cause, millis) in steps {
        assert!(bench.run_until(20_000, |bench| bench.state() >= state));
        let late = bench.now / 1_000 - millis;
        assert!(late <= 20, "{cause}: {late} ms late");
        assert_eq!(bench.trips().last(), Some(&(state, cause)));
        let lines = bench.outputs.lines;
        assert_eq!((lines.throttle, lines.cut), (true, state >= State::CutAccelerator));
    }
    assert_eq!(bench.telemetry().last().map(|last| last.cause), Some(Some(Cause::BudgetOverrun)));
}

#[test]
fn the_host_may_set_less_than_the_ceiling_and_never_more() {
    let mut bench = Bench::configured(|config| config.budgets.hour = Some(micro(3_600)));
    let set = |limit| ToMcu::SetBudget { window: BudgetWindow::Hour, limit };
    assert_eq!(bench.command(set(Some(micro(3_601)))), Err(NackReason::AboveCeiling { limit: micro(3_600) }));
    assert_eq!(bench.command(set(Some(Joules::ZERO))), Err(NackReason::ZeroLimit));
    assert_eq!(bench.command(set(Some(micro(1_000)))), Ok(()));
    bench.run(1_000);
    let read = |said: &FromMcu| if let FromMcu::Budgets(budgets) = said { Some(*budgets) } else { None };
    let budgets = bench.ask(Query::Budgets, read);
    assert_eq!((budgets.hour.limit, budgets.day.limit), (Some(micro(1_000)), None));
    assert_eq!(budgets.hour.spent, bench.board.energy());
    assert_eq!(budgets.hour.ends_in.map(|left| left.get()), Some(3_600_000 - bench.now / 1_000));
    let told = bench.telemetry().last().map(|last| (last.remaining, last.energy)).unwrap();
    assert_eq!(told.0, Some(micro(1_000).minus(told.1)));
    // Without the host's own, the ceiling holds again.
    assert_eq!(bench.command(set(None)), Ok(()));
    assert_eq!(bench.ask(Query::Budgets, read).hour.limit, Some(micro(3_600)));
}

#[test]
fn an_hour_begins_anew_and_what_it_tripped_stays_tripped() {
    let mut bench = Bench::configured(|config| {
        config.budgets.hour = Some(micro(43_200));
        config.sample_period = trimtab_core::Millis::new(200);
        config.current.stuck = 0;
    });
    // 12 W: most of an hour's budget is used, and none of the next one's.
    bench.run(3_590_000);
    assert_eq!(bench.trips(), [(State::Throttle, Cause::BudgetLow)]);
    bench.run(60_000);
    assert_eq!(bench.state(), State::Throttle);
    let release = bench.release();
    assert_eq!(bench.command(release), Ok(()));
    assert_eq!(bench.state(), State::Normal);
}

#[test]
fn telemetry_that_is_not_sent_is_counted() {
    let mut bench = Bench::configured(|_| {});
    bench.run(2_000);
    let heard = bench.telemetry();
    assert!(heard.windows(2).all(|pair| pair[1].number == pair[0].number + 1), "ten a second, none missing");
    assert!((20..=22).contains(&heard.len()), "{}", heard.len());
    let last = heard.last().copied().unwrap();
    assert_eq!((last.power.micro(), last.widened), (12_000_000, Joules::ZERO));

    // Nobody takes what is to be sent for three seconds.
    for _ in 0..150 {
        bench.now += 20_000;
        let sample = Sample { at: bench.now as u32, ..Sample::default() };
        let _ = bench.board.step(Micros::new(bench.now), Input::Sample(sample));
    }
    bench.run(500);
    let heard = bench.telemetry();
    let newest = heard.last().copied().unwrap();
    assert!(newest.dropped > 0);
    let due = newest.number + 1;
    assert_eq!(due as usize, heard.len() + newest.dropped as usize, "due = heard + dropped");
    assert_eq!(bench.counters().telemetry_dropped, newest.dropped);
    // Nor is time lost in which nobody called.
    bench.now += 1_000_000;
    bench.run(200);
    let newest = bench.telemetry().last().copied().unwrap();
    assert_eq!(newest.number as usize + 1, bench.telemetry().len() + newest.dropped as usize);
}
