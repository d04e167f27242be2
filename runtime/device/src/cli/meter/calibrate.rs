//! `trimtab meter calibrate`: what this board draws idle, with one processor at work, and with all of them.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde_json::json;
use trimtab_core::Watts;
use trimtab_turn::EnergySource;

use super::super::{Common, Failure, show};
use super::{failed, meter};
use crate::config::Config;
use crate::meter::{Meter, cores, mean};

/// Of each measurement, the first part is left to the board to get there: one in so many.
const SETTLE_PART: u32 = 4;
/// Readings while all work, of which the highest counts.
const PEAK_READINGS: u32 = 20;
/// What the board may draw beyond the highest that was seen, in hundredths: radio, USB, graphics.
const PEAK_HUNDREDTHS: u64 = 125;
/// Work must show by at least one in so many of the idle power, or the meter does not see the processor.
const VISIBLE_PART: u64 = 50;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Time for each of the three measurements
    #[arg(long, value_name = "N", default_value = "10", value_parser = RangedU64ValueParser::<u32>::new().range(2..=600))]
    seconds: u32,
    /// Write the keys to this file too, which must not be there yet
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Mean power, and the highest of some stretches of it.
struct Measured {
    mean: Watts,
    highest: Watts,
}

pub(super) fn execute(common: &Common, config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(path) = arguments.write.as_ref().filter(|path| path.exists()) {
        return Err(Failure::Failed(format!("{}: is there already; name a file that is not", path.display())));
    }
    let meter = meter(config)?;
    let EnergySource::Measured(name) = meter.source() else {
        return Err(Failure::Failed(
            "no meter measures here, and an estimate cannot tell what the board draws: `trimtab meter list` says why; write watts_per_core, idle_watts and peak_watts of [energy] by hand".to_owned(),
        ));
    };
    let span = Duration::from_secs(u64::from(arguments.seconds));
    let cores = cores();
    let idle = measure(&*meter, span, 0)?.mean;
    let one = measure(&*meter, span, 1)?.mean;
    let all = measure(&*meter, span, cores)?;
    if all.mean.minus(idle) <= idle.scaled_up(1, VISIBLE_PART) {
        return Err(Failure::Failed(format!(
            "{name} reads {idle} idle and {} with {cores} processors at work: it does not see the processor; check the sensor, or choose another channel",
            all.mean
        )));
    }
    // The first processor often costs more than each further one; an estimate must not be too low for either.
    let per_core = Watts::from_micro(all.mean.minus(idle).micro().div_ceil(u64::from(cores))).max(one.minus(idle));
    let peak = all.highest.scaled_up(PEAK_HUNDREDTHS, 100);
    let mut keys = String::from("[energy]\n");
    for (key, power) in [("watts_per_core", per_core), ("idle_watts", idle), ("peak_watts", peak)] {
        // Writing to a string cannot fail.
        let _ = writeln!(keys, "{key} = {:.3}", power.micro() as f64 / 1e6);
    }
    if let Some(path) = &arguments.write {
        let file = std::fs::File::options().write(true).create_new(true).open(path);
        file.and_then(|mut file| std::io::Write::write_all(&mut file, keys.as_bytes())).map_err(|fault| {
            Failure::Failed(format!(
                "{}: cannot be written ({fault}); name a file in a folder that may be written",
                path.display()
            ))
        })?;
    }
    if common.json {
        let report = json!({
            "meter": name,
            "cores": cores,
            "idle_uw": idle.micro(),
            "one_core_uw": one.micro(),
            "all_cores_uw": all.mean.micro(),
            "highest_uw": all.highest.micro(),
            "watts_per_core": per_core.micro() as f64 / 1e6,
            "idle_watts": idle.micro() as f64 / 1e6,
            "peak_watts": peak.micro() as f64 / 1e6,
            "written": arguments.write,
        });
        show::line(&report.to_string());
        return Ok(());
    }
    show::line(&format!(
        "# {name}: idle {idle}, one processor {one}, all {cores} {}, at most {}",
        all.mean, all.highest
    ));
    show::line(keys.trim_end());
    Ok(())
}

/// Power while so many processors work.
fn measure(meter: &dyn Meter, span: Duration, cores: u32) -> Result<Measured, Failure> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| work(&stop));
        }
        let measured = watch(meter, span);
        stop.store(true, Ordering::Relaxed);
        measured
    })
}

fn watch(meter: &dyn Meter, span: Duration) -> Result<Measured, Failure> {
    let settle = span / SETTLE_PART;
    std::thread::sleep(settle);
    let read = || meter.energy().map_err(|fault| failed(&fault));
    let (begun, first) = (Instant::now(), read()?);
    // A stretch must hold some readings of the sensor.
    let shortest = meter.period().duration() * 2;
    let stretch = ((span - settle) / PEAK_READINGS).max(shortest);
    let (mut highest, mut at, mut before) = (Watts::ZERO, begun, first);
    while begun.elapsed() < span - settle {
        std::thread::sleep(stretch);
        let (now, energy) = (Instant::now(), read()?);
        highest = highest.max(mean(energy.minus(before), now - at).unwrap_or_default());
        (at, before) = (now, energy);
    }
    if let Some(trouble) = meter.health().trouble {
        return Err(Failure::Failed(format!("the meter failed meanwhile: {trouble}")));
    }
    Ok(Measured { mean: mean(before.minus(first), at - begun).unwrap_or_default(), highest })
}

/// Arithmetic of the kind that models do, until told to stop.
fn work(stop: &AtomicBool) {
    let mut sums = [1.0_f32; 64];
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..1_000 {
            for (place, sum) in sums.iter_mut().enumerate() {
                *sum = sum.mul_add(0.999, place as f32 * 0.001);
            }
        }
        sums = black_box(sums);
    }
}
