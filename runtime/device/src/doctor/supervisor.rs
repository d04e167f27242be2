//! The microcontroller beside the board: its link, the versions of both ends, and whether it has stepped in.

use serde_json::Value;

use super::Finding;
use crate::config::Config;
use crate::supervisor::{FIRST_WORD, Supervisor};

const PART: &str = "supervisor";

/// Blocks for a moment where no runtime runs.
pub(super) fn examine(config: &Config, running: Option<&Value>) -> Vec<Finding> {
    match (running, &config.supervisor) {
        (Some(status), _) if !status["supervisor"].is_null() => told(&status["supervisor"]),
        (None, Some(configured)) => match Supervisor::start(configured, 0) {
            Ok(supervisor) => {
                // One that does not speak is found to be silent.
                let _ = supervisor.speaks_within(FIRST_WORD);
                told(&supervisor.status())
            }
            Err(fault) => vec![Finding::fault(PART, &fault)],
        },
        (_, None) => vec![Finding::ok(PART, "none, as configured")],
        (Some(_), Some(_)) => {
            vec![Finding::warn(PART, "the runtime runs without the one that is configured now; restart it")]
        }
    }
}

fn told(supervisor: &Value) -> Vec<Finding> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let port = text(&supervisor["port"]);
    let board = &supervisor["board"];
    let link = match supervisor["trouble"].as_str() {
        Some(trouble) => Finding::fail(PART, format!("{port}: {trouble}")),
        None => Finding::ok(
            PART,
            format!(
                "{port}: {} with firmware {}, link version {} of {} here",
                text(&board["name"]),
                text(&board["firmware"]),
                text(&board["versions"]),
                text(&supervisor["speaks"])
            ),
        ),
    };
    let telemetry = &supervisor["telemetry"];
    let stepped = match (telemetry["state"].as_str(), telemetry["cause"].as_str()) {
        (None | Some("normal"), _) => None,
        (Some(state), cause) => Some(Finding::warn(
            PART,
            format!(
                "has stepped in: {state}, because of {}; mend that, then `trimtab supervisor release --key-file FILE`",
                cause.unwrap_or("an earlier start")
            ),
        )),
    };
    let list = |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().map(text).collect() };
    let doubted = list(&telemetry["doubted"]).into_iter().map(|sensor| {
        Finding::fail(PART, format!("does not believe its sensor of {sensor}; check its wiring, the worst case counts"))
    });
    let refused = list(&supervisor["refused"])
        .into_iter()
        .map(|refused| Finding::fail(PART, format!("{refused}; lower it in [supervisor]")));
    let keyless = (supervisor["challenge"]["has_key"] == false)
        .then(|| Finding::warn(PART, "has no key, so that nobody can release a trip; provision one"));
    std::iter::once(link).chain(stepped).chain(doubted).chain(refused).chain(keyless).collect()
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn link_versions_steps_sensors_and_budgets_each_have_their_line() {
        let supervisor = serde_json::json!({
            "port": "/dev/ttyACM0", "trouble": null, "speaks": "1",
            "board": {"name": "pico", "firmware": "0.1.0", "boot": 3, "versions": "1"},
            "telemetry": {"state": "throttle", "cause": "over-temperature", "doubted": ["voltage: stuck"]},
            "refused": ["budget of the hour: more than the board's configuration allows"],
            "challenge": {"has_key": false},
        });
        let states: Vec<State> = told(&supervisor).iter().map(|finding| finding.state).collect();
        assert_eq!(states, [State::Ok, State::Warn, State::Fail, State::Fail, State::Warn]);
        let away = serde_json::json!({"port": "unix:/run/mcu.sock", "trouble": "it does not answer; check wiring"});
        let findings = told(&away);
        assert_eq!((findings.len(), findings[0].state), (1, State::Fail));
        assert!(findings[0].says.starts_with("unix:/run/mcu.sock: it does not answer"));
    }
}
