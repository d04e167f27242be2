//! `trimtab meter list`: what there is to measure by.

use serde_json::{Value, json};
use trimtab_core::Watts;
use trimtab_turn::EnergySource;

use super::super::{Common, Failure, show};
use crate::config::Config;
use crate::meter::{Candidate, MeterSources, survey};

pub(super) fn execute(common: &Common, config: &Config) -> Result<(), Failure> {
    let candidates = survey(&config.energy, &MeterSources::looking(config));
    let chosen = candidates.iter().find(|candidate| candidate.chosen).map(|candidate| candidate.kind.name());
    if common.json {
        let meters: Vec<Value> = candidates.iter().map(as_json).collect();
        show::line(&json!({"chosen": chosen, "meters": meters}).to_string());
        return Ok(());
    }
    for candidate in &candidates {
        let mark = if candidate.chosen { '*' } else { ' ' };
        let kind = candidate.kind.name();
        match &candidate.found {
            Ok(found) => {
                let power = found.power.map_or_else(|| "-".to_owned(), |power| power.to_string());
                let (label, by) = label(&found.source);
                show::line(&format!("{mark} {kind:<10} {power:>10}  {label}: {by}"));
                for file in &found.reads {
                    show::line(&format!("{:24}reads {file}", ""));
                }
            }
            Err(fault) => show::line(&format!("{mark} {kind:<10} {:>10}  {}", "-", crate::fault_text(fault))),
        }
    }
    if chosen.is_none() {
        show::line("none is taken: energy is unknown, and an energy budget refuses every turn");
    }
    Ok(())
}

fn as_json(candidate: &Candidate) -> Value {
    let mut meter = json!({
        "kind": candidate.kind.name(),
        "chosen": candidate.chosen,
        "available": candidate.found.is_ok(),
        "name": null,
        "label": null,
        "power_uw": null,
        "reads": [],
        "fault": null,
    });
    match &candidate.found {
        Ok(found) => {
            let (label, by) = label(&found.source);
            meter["name"] = json!(by);
            meter["label"] = json!(label);
            meter["power_uw"] = json!(found.power.map(Watts::micro));
            meter["reads"] = json!(found.reads);
        }
        Err(fault) => meter["fault"] = json!(crate::fault_text(fault)),
    }
    meter
}

pub(super) fn label(source: &EnergySource) -> (&'static str, &str) {
    match source {
        EnergySource::Measured(by) => ("measured", by),
        EnergySource::Estimated(by) => ("estimated", by),
        EnergySource::Unknown => ("unknown", ""),
    }
}
