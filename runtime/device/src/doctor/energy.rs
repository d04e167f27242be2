//! The energy meter.

use serde_json::Value;
use trimtab_core::Resource;

use super::Finding;
use crate::config::Config;
use crate::meter::{Counters, MeterChoice, MeterSources, probe};
use crate::operator::source_name;

const PART: &str = "meter";

pub(super) fn examine(config: &Config, running: Option<&Value>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let budgeted = config.budgets.iter().any(|budget| budget.resource() == Resource::Energy);
    match probe(&config.energy, &MeterSources::of(&config.energy, Counters::default())) {
        Ok(probed) => {
            let found = probed.meter.map(|meter| source_name(&meter.source()));
            let found = running.and_then(|status| status["energy"]["source"].as_str().map(str::to_owned)).or(found);
            findings.push(match found {
                Some(source) if source.starts_with("estimated") => Finding::warn(
                    PART,
                    format!("{source}: nothing measures the board's power; calibrate the estimate (`trimtab meter calibrate`), or fit a sensor"),
                ),
                Some(source) => Finding::ok(PART, source),
                None if budgeted => Finding::fail(PART, "an energy budget without a meter refuses every turn: set [energy] meter to \"auto\", or remove the budget"),
                None => Finding::ok(PART, "none, as configured"),
            });
            // What is not there is no fault; what is there and cannot be read is.
            let unreadable = probed.passed_over.iter().map(|(_, fault)| fault).filter(|fault| !fault.is_absent());
            findings.extend(unreadable.map(|fault| Finding::warn(PART, crate::fault_text(fault))));
        }
        Err(fault) if config.energy.meter() == MeterChoice::Auto => findings.push(Finding::fault(PART, &fault)),
        Err(fault) => findings.push(Finding::fault("meter, as configured", &fault)),
    }
    findings
}
