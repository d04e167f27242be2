//! `trimtab doctor`: one line for every part, as it is looked at.

use serde_json::{Value, json};

use super::{Common, Failure, on_runtime, show};
use crate::config::Config;
use crate::doctor::{Finding, Places, State, examine};

pub(super) fn execute(common: &Common) -> Result<(), Failure> {
    let mut findings = Vec::new();
    on_runtime(async {
        let config = Config::load(common.config.as_deref());
        let mut tell = |finding: Finding| {
            if !common.json {
                show::line(&format!("{:<5} {:<16} {}", finding.state.name(), finding.part, finding.says));
            }
            findings.push(finding);
        };
        examine(config, &Places::default(), &mut tell).await;
        Ok(())
    })?;
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (failed, warned) = (count(State::Fail), count(State::Warn));
    if common.json {
        let lines: Vec<Value> = findings
            .iter()
            .map(|finding| json!({"part": finding.part, "state": finding.state.name(), "says": finding.says}))
            .collect();
        show::line(&json!({"ok": failed == 0, "fail": failed, "warn": warned, "findings": lines}).to_string());
    } else {
        show::line(&format!("{failed} fail, {warned} warn, {} ok", count(State::Ok)));
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Reported(format!("{failed} part(s) fail"))) }
}
