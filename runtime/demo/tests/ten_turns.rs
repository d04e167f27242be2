//! The demo without arguments: ten turns in real time, to the end.

use serde_json::Value;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// One demo at a time: each measures what its decisions take.
static ALONE: Mutex<()> = Mutex::new(());

fn demo(arguments: &[&str]) -> (String, String) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_trimtab-demo")).args(arguments).output().unwrap();
    let (text, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?} ended with {}:\n{log}", output.status);
    (text.into_owned(), log.into_owned())
}

#[test]
fn the_choice_differs_and_the_outage_costs_no_turn() {
    let (text, _) = demo(&["--json"]);
    let mut turns: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = turns.pop().unwrap()["summary"].clone();
    assert_eq!(turns.len(), 10);
    let any = |what: &str, holds: &dyn Fn(&Value) -> bool| {
        assert!(turns.iter().any(holds), "no turn shows {what}:\n{text}");
    };
    let views = |turn: &Value| turn["views"].as_array().map_or(0, Vec::len);
    let reason = |turn: &Value, word: &str| turn["reason"].as_str().is_some_and(|reason| reason.contains(word));
    any("a local answer", &|turn| turn["placement"] == "local" && turn["latency_source"] == "measured");
    any("a cloud answer from one view", &|turn| turn["placement"] == "cloud" && views(turn) == 1);
    any("a cloud answer from three views", &|turn| turn["placement"] == "cloud" && views(turn) == 3);
    any("the cheap node", &|turn| turn["node"] == "cheap");
    any("the good node", &|turn| turn["node"] == "good");
    any("the energy budget", &|turn| reason(turn, "energy_budget"));
    any("the memory ceiling", &|turn| reason(turn, "memory_ceiling"));
    any("an answer cut at its hold", &|turn| turn["finish"] == "energy_cut" && turn["placement"] == "local");
    any("the outage", &|turn| reason(turn, "fallback"));
    for turn in &turns {
        assert!(!turn["answer"].as_str().unwrap().is_empty(), "a turn without an answer: {turn}");
        assert_ne!(turn["placement"], "refused", "{turn}");
        for figure in ["latency_source", "energy_source", "price_source"] {
            assert!(turn[figure].as_str().is_some_and(|source| !source.is_empty()), "{figure}: {turn}");
        }
    }
    for chooser in ["learned", "local", "cloud_all"] {
        assert_eq!(summary[chooser]["turns"], 10, "{summary}");
    }
}

#[test]
fn what_is_printed_fits_a_hundred_columns() {
    let (text, _) = demo(&["--seed", "7", "--turns", "4"]);
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
    }
    assert!(text.contains("always local") && text.contains("value:"), "{text}");
}

#[test]
fn bad_arguments_name_the_remedy() {
    for (arguments, remedy) in [
        (&["--cameras-permute", "0,1"][..], "like 2,0,1"),
        (&["--turns", "0"], "1 to 10000"),
        (&["--turns", "1", "--policy", "/no/such/policy.onnx"], "/no/such/policy.onnx"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_trimtab-demo")).args(arguments).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && log.contains(remedy), "{arguments:?}: {log}");
    }
}
