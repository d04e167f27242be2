//! `trimtab meter watch`: power and energy as they go.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use trimtab_core::{Joules, Watts};

use super::super::{Common, Failure, show};
use super::list::label;
use super::{failed, meter};
use crate::config::Config;
use crate::meter::mean;

/// From one line to the next.
const LINE_EVERY: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Stop after so many seconds [default: never]
    #[arg(long, value_name = "N")]
    seconds: Option<u32>,
}

pub(super) fn execute(common: &Common, config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let meter = meter(config)?;
    let source = meter.source();
    let (label, by) = label(&source);
    if !common.json {
        show::line(&format!("{label}: {by}"));
    }
    let mut before = meter.energy().map_err(|fault| failed(&fault))?;
    let (first, mut at) = (before, Instant::now());
    let mut second = 0_u32;
    while arguments.seconds.is_none_or(|seconds| second < seconds) {
        std::thread::sleep(LINE_EVERY.saturating_sub(at.elapsed()));
        second = second.saturating_add(1);
        let (energy, fault) = match meter.energy() {
            Ok(energy) => (energy, meter.health().trouble),
            Err(fault) => (before, Some(crate::fault_text(&fault))),
        };
        let power = mean(energy.minus(before), at.elapsed()).unwrap_or_default();
        (before, at) = (energy, Instant::now());
        tell(common, second, power, energy.minus(first), label, fault.as_deref());
    }
    Ok(())
}

fn tell(common: &Common, second: u32, power: Watts, energy: Joules, label: &str, fault: Option<&str>) {
    if common.json {
        let line = json!({"second": second, "power_uw": power.micro(), "energy_uj": energy.micro(), "label": label, "fault": fault});
        show::line(&line.to_string());
        return;
    }
    let fault = fault.map_or_else(String::new, |fault| format!("  peak power is assumed: {fault}"));
    let (power, energy) = (power.to_string(), energy.to_string());
    show::line(&format!("{second:>5} s  {power:>10}  {energy:>12}{fault}"));
}
