//! `trimtab meter`: works on energy meters without a running runtime.

mod calibrate;
mod list;
mod watch;

use std::sync::Arc;

use clap::Subcommand;

use super::{Common, Failure};
use crate::config::Config;
use crate::meter::{Meter, MeterSources, probe};

#[derive(Subcommand)]
pub(super) enum MeterCommand {
    /// List every kind of meter, what it reads now, and why those are passed over that are
    #[command(after_help = "Example:\n  trimtab meter list --json")]
    List,
    /// Show power and energy, one line a second
    #[command(after_help = "Example:\n  trimtab meter watch --seconds 30")]
    Watch(watch::Arguments),
    /// Measure what this board draws idle and at work, and print the keys of [energy] that follow
    #[command(
        after_help = "Example:\n  trimtab meter calibrate --seconds 20 --write /etc/trimtab/config.d/energy.toml\n\nStop the runtime and what else works on the board before. Needs a meter that measures."
    )]
    Calibrate(calibrate::Arguments),
}

pub(super) fn execute(common: &Common, command: MeterCommand) -> Result<(), Failure> {
    let config = Config::load(common.config.as_deref())?;
    match command {
        MeterCommand::List => list::execute(common, &config),
        MeterCommand::Watch(arguments) => watch::execute(common, &config, &arguments),
        MeterCommand::Calibrate(arguments) => calibrate::execute(common, &config, &arguments),
    }
}

/// The meter that the runtime would take.
fn meter(config: &Config) -> Result<Arc<dyn Meter>, Failure> {
    let probed = probe(&config.energy, &MeterSources::looking(config)).map_err(|fault| failed(&fault))?;
    let none = "the configuration takes no meter: set [energy] meter to \"auto\"";
    probed.meter.ok_or_else(|| Failure::Failed(none.to_owned()))
}

/// A fault with its causes, as a failure.
fn failed(fault: &dyn std::error::Error) -> Failure {
    Failure::Failed(crate::fault_text(fault))
}
