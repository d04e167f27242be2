//! The energy meter.

use serde_json::Value;
use trimtab_core::Resource;

use super::Finding;
use crate::config::Config;
use crate::meter::{MeterChoice, MeterSources, probe};
use crate::operator::source_name;

const PART: &str = "meter";

pub(super) fn examine(config: &Config, running: Option<&Value>) -> Vec<Finding> {
    match running {
        Some(status) => told(config, &status["energy"]),
        None => tried(config),
    }
}

/// As the runtime reads it, which has watched it for longer.
fn told(config: &Config, energy: &Value) -> Vec<Finding> {
    let texts = |key: &str| energy[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let source = energy["source"].as_str().filter(|source| *source != "unknown").map(str::to_owned);
    let trouble = energy["trouble"].as_str().map(|trouble| Finding::fail(PART, trouble));
    let warnings = texts("warnings").chain(texts("passed_over")).map(|text| Finding::warn(PART, text));
    std::iter::once(named(config, source)).chain(trouble).chain(warnings).collect()
}

fn tried(config: &Config) -> Vec<Finding> {
    match probe(&config.energy, &MeterSources::looking(config)) {
        Ok(probed) => {
            let source = probed.meter.map(|meter| source_name(&meter.source()));
            // What is not there is no fault; what is there and cannot be read is.
            let unreadable = probed.passed_over.iter().map(|(_, fault)| fault).filter(|fault| !fault.is_absent());
            let warnings = unreadable.map(|fault| Finding::warn(PART, crate::fault_text(fault)));
            std::iter::once(named(config, source)).chain(warnings).collect()
        }
        Err(fault) if config.energy.meter() == MeterChoice::Auto => vec![Finding::fault(PART, &fault)],
        Err(fault) => vec![Finding::fault("meter, as configured", &fault)],
    }
}

fn named(config: &Config, source: Option<String>) -> Finding {
    let budgeted = config.budgets.iter().any(|budget| budget.resource() == Resource::Energy);
    match source {
        Some(source) if source.starts_with("estimated") => Finding::warn(
            PART,
            format!(
                "{source}: nothing measures the board's power; calibrate the estimate (`trimtab meter calibrate`), or fit a sensor"
            ),
        ),
        Some(source) => Finding::ok(PART, source),
        None if budgeted => Finding::fail(
            PART,
            "an energy budget without a meter refuses every turn: set [energy] meter to \"auto\", or remove the budget",
        ),
        None => Finding::ok(PART, "none, as configured"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn what_a_runtime_tells_of_its_meter_is_passed_on() {
        let energy = serde_json::json!({
            "source": "measured:hwmon ina3221/1", "trouble": "in1_input: cannot read", "warnings": ["stuck"],
            "passed_over": ["supervisor: away"],
        });
        let states: Vec<(State, String)> =
            told(&Config::standard(), &energy).into_iter().map(|finding| (finding.state, finding.says)).collect();
        let expected = [
            (State::Ok, "measured:hwmon ina3221/1"),
            (State::Fail, "in1_input: cannot read"),
            (State::Warn, "stuck"),
            (State::Warn, "supervisor: away"),
        ];
        assert_eq!(states, expected.map(|(state, says)| (state, says.to_owned())));
        let none = told(&Config::standard(), &serde_json::json!({"source": "unknown"}));
        assert_eq!((none.len(), none[0].says.as_str()), (1, "none, as configured"));
    }
}
