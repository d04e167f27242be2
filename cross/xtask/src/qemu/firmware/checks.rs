//! What scenarios check that takes more than waiting for one thing.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use trimtab_core::{Joules, Millis};
use trimtab_wire::mcu::{BudgetWindow, Config, Milliamps, NackReason, Query, Tag, Telemetry, ToMcu};

use super::bench::{Beat, Bench, Heard, World};
use super::scenario::configuration;

/// Steps of the sensor's current: it drops what is below one.
const CURRENT_STEP_MA: f64 = 10_000.0 / 198.0;
/// How near the energy must be, beside what the sensor drops.
const NEAR: f64 = 0.01;
const MEASURED: Duration = Duration::from_millis(2_500);
/// Power cuts while a configuration is written.
const CUTS: u32 = 24;

/// A host is lost soon.
pub(super) fn impatient(config: &mut Config) {
    config.host.warn = Millis::new(200);
    config.host.throttle = Millis::new(400);
    config.host.reset = Millis::new(800);
    config.host.pulse = Millis::new(1_500);
    config.host.hold_off = Millis::new(60_000);
}

/// Currents of a large board are allowed.
pub(super) fn strong(config: &mut Config) {
    config.current_limits.soft = Milliamps::new(20_000);
    config.current_limits.hard = Milliamps::new(30_000);
}

/// The board still does what it is told.
pub(super) fn commands_are_taken(bench: &mut Bench) -> Result<()> {
    bench.must(&ToMcu::SetBudget { window: BudgetWindow::Day, limit: Some(Joules::from_micro(u64::MAX / 2)) })
}

fn config_in_force(bench: &mut Bench) -> Result<Config> {
    let from = bench.heard.len();
    bench.must(&ToMcu::Query(Query::Config))?;
    bench.until(from, "the configuration", |heard| match heard {
        Heard::Config(config) => Some(**config),
        _ => None,
    })
}

pub(super) fn configuration_as_delivered(bench: &mut Bench) -> Result<()> {
    ensure!(config_in_force(bench)? == Config::DEFAULT, "a refused configuration is in force");
    Ok(())
}

pub(super) fn unsealed_configuration_is_refused(bench: &mut Bench) -> Result<()> {
    bench.fresh_challenge()?;
    let answer = bench.command(&ToMcu::SetConfig { config: configuration(), tag: Tag([0; 32]) })?;
    ensure!(answer == Err(NackReason::WrongSeal), "the board answered {answer:?}");
    configuration_as_delivered(bench)
}

fn configure(bench: &mut Bench, config: &Config) -> Result<()> {
    bench.configure(config)?.map_err(|reason| anyhow::anyhow!("the board refused the configuration: {reason}"))
}

fn reset(bench: &mut Bench) -> Result<()> {
    let from = bench.heard.len();
    bench.press_reset()?;
    let (place, ()) = bench.find(from, "reset", |heard| (*heard == Heard::Reset).then_some(()))?;
    bench.until(place, "greeting", |heard| matches!(heard, Heard::Hello(_)).then_some(()))
}

pub(super) fn configuration_survives(bench: &mut Bench) -> Result<()> {
    let config = configuration();
    configure(bench, &config)?;
    // It is in force at once, and stored soon.
    bench.pass(Duration::from_millis(500))?;
    reset(bench)?;
    ensure!(config_in_force(bench)? == config, "another configuration is in force after the reset");
    Ok(())
}

/// Supply fails at one instant after the other while a configuration is written: the old one is in force or the new one.
pub(super) fn brown_outs(bench: &mut Bench) -> Result<()> {
    let mut old = configuration();
    configure(bench, &old)?;
    bench.pass(Duration::from_millis(500))?;
    let (mut olds, mut news) = (0, 0);
    for cut in 0..CUTS {
        let mut new = old;
        new.sensor_cut = Millis::new(60_000 + 1_000 * u64::from(cut));
        // What is acknowledged is stored, so the supply fails before the answer comes.
        let nonce = bench.fresh_challenge()?.nonce;
        let tag = bench.key().configure(&nonce, &new);
        bench.send(&ToMcu::SetConfig { config: new, tag })?;
        bench.pass(Duration::from_millis(2 * u64::from(cut)))?;
        reset(bench)?;
        let found = config_in_force(bench)?;
        if found == new {
            news += 1;
        } else if found == old {
            olds += 1;
        } else {
            bail!("cut {cut}: neither the old configuration is in force nor the new one, but {found:?}");
        }
        old = found;
        // The boot's own record is written too.
        bench.pass(Duration::from_millis(300))?;
    }
    ensure!(olds + news == CUTS, "{olds} old and {news} new configurations of {CUTS}");
    println!(
        "      {CUTS} supplies failed during or after a write: {news} new configurations in force, {olds} old ones, none else"
    );
    Ok(())
}

/// The host greets anew, in its present versions.
pub(super) fn start_over(bench: &mut Bench) -> Result<()> {
    bench.forget_version();
    Ok(())
}

pub(super) fn ungreeted_command_is_refused(bench: &mut Bench) -> Result<()> {
    // A greeting would be said at the first look at the line.
    let beat = std::mem::replace(&mut bench.beat, Beat::Mute);
    let number = bench.send(&ToMcu::Query(Query::Counters))?;
    let answer = bench.until(0, "an answer", |heard| match heard {
        Heard::Nack(of, reason) if *of == number => Some(*reason),
        _ => None,
    })?;
    ensure!(answer == NackReason::NotGreeted, "the board refused because {answer}");
    bench.beat = beat;
    let ungreeted = bench.counters()?.ungreeted;
    ensure!(ungreeted == 1, "the board counted {ungreeted} ungreeted frames");
    Ok(())
}

/// Asks for the log, once the board has started.
pub(super) fn read_log(bench: &mut Bench) -> Result<()> {
    let place = bench.heard.iter().rposition(|heard| *heard == Heard::Reset).context("no reset")?;
    bench.until(place, "greeting", |heard| matches!(heard, Heard::Hello(_)).then_some(()))?;
    bench.must(&ToMcu::Query(Query::Log { from: 0 }))
}

fn telemetry(bench: &mut Bench, from: usize) -> Result<Telemetry> {
    bench.until(from, "telemetry", |heard| match heard {
        Heard::Telemetry(it) => Some(*it),
        _ => None,
    })
}

pub(super) fn energy_survives(bench: &mut Bench) -> Result<()> {
    bench.pass(Duration::from_millis(700))?;
    let place = bench.heard.len();
    let before = telemetry(bench, place)?;
    reset(bench)?;
    let place = bench.heard.len();
    let after = telemetry(bench, place)?;
    ensure!(
        after.energy >= before.energy && before.energy > Joules::ZERO,
        "{} before the reset, {} after it",
        before.energy,
        after.energy
    );
    Ok(())
}

/// Every telemetry that was due arrived, or the board says that it was dropped; no frame is lost otherwise.
pub(super) fn telemetry_is_accounted_for(bench: &mut Bench) -> Result<()> {
    let place = bench.heard.len();
    let first = telemetry(bench, place)?;
    let place = bench.heard.len();
    let begun = Instant::now();
    // Far more answers than the line carries.
    while begun.elapsed() < Duration::from_millis(1_500) {
        for _ in 0..20 {
            bench.send(&ToMcu::Query(Query::Counters))?;
        }
        bench.pump()?;
    }
    bench.pass(Duration::from_millis(1_000))?;
    let came: Vec<Telemetry> = bench.heard[place..]
        .iter()
        .filter_map(|heard| match heard {
            Heard::Telemetry(it) => Some(*it),
            _ => None,
        })
        .collect();
    let last = came.last().context("no telemetry under load")?;
    let due = last.number - first.number;
    let dropped = last.dropped - first.dropped;
    ensure!(
        due == came.len() as u32 + dropped,
        "{due} were due, {} came, and the board says that it dropped {dropped}",
        came.len()
    );
    ensure!(bench.arrivals.missing == 0, "{} of the board's frames are missing by number", bench.arrivals.missing);
    println!("      {due} telemetries due under load: {} came, {dropped} dropped and reported", came.len());
    Ok(())
}

/// Energy at constant settings of the emulated sensor, as the board integrates it, against the settings.
pub(super) fn energy(bench: &mut Bench, millivolts: i64, milliamps: i64) -> Result<()> {
    bench.set_world(World { voltage: millivolts, current: milliamps, ..bench.world })?;
    // Past the step, and past what was under way.
    bench.pass(Duration::from_millis(300))?;
    let place = bench.heard.len();
    let begin = telemetry(bench, place)?;
    bench.pass(MEASURED)?;
    let place = bench.heard.len();
    let end = telemetry(bench, place)?;
    let joules = end.energy.minus(begin.energy).micro() as f64 / 1e6;
    let seconds = (end.at.get() - begin.at.get()) as f64 / 1e6;
    let exact = millivolts as f64 * milliamps as f64 / 1e6 * seconds;
    let error = joules / exact - 1.0;
    // What is below a step of the sensor is not there to be measured.
    let step = milliamps as f64 % CURRENT_STEP_MA / milliamps as f64;
    println!(
        "      {:.3} V, {:.3} A for {seconds:.3} s: {joules:.4} J of {exact:.4}, {:+.3} %; the sensor's step drops {:.3} %",
        millivolts as f64 / 1e3,
        milliamps as f64 / 1e3,
        100.0 * error,
        100.0 * step
    );
    ensure!(error < NEAR && error > -NEAR - step, "the energy is {:.2} % off", 100.0 * error);
    Ok(())
}
