//! What the commands print: JSON where asked for, else lines for people.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::client::Answer;
use crate::config::Config;
use crate::shell::Inspection;
use trimtab_ledger::replay::{Difference, Replayed};

/// One line on standard output.
pub(super) fn line(text: &str) {
    // Whoever closed the pipe has read enough.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// One line on standard error.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "trimtab: {text}");
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn answer(answer: &Answer, as_json: bool) {
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content = text(&answer.body["choices"][0]["message"]["content"]);
    let views: Vec<&str> = header("x-trimtab-views").split(',').filter(|view| !view.is_empty()).collect();
    if as_json {
        let value = json!({
            "turn": header("x-trimtab-turn"),
            "placement": header("x-trimtab-placement"),
            "node": header("x-trimtab-node"),
            "views": views,
            "reason": header("x-trimtab-reason"),
            "answer": content,
            "usage": answer.body["usage"],
        });
        line(&value.to_string());
        return;
    }
    line(&content);
    let views = if views.is_empty() { "no view".to_owned() } else { views.join(", ") };
    let (turn, node) = (header("x-trimtab-turn"), header("x-trimtab-node"));
    line(&format!(
        "[turn {turn}: {} by {node}, {views}, {}]",
        header("x-trimtab-placement"),
        header("x-trimtab-reason")
    ));
}

pub(super) fn status(status: &Value, as_json: bool) {
    if as_json {
        line(&status.to_string());
        return;
    }
    line(&format!(
        "{}/{}  boot {}, {} turns",
        text(&status["fleet"]),
        text(&status["device"]),
        status["boot"],
        status["turns"]
    ));
    let link = &status["link"];
    let up = match (link["configured"] == true, link["up"] == true) {
        (false, _) => "not configured".to_owned(),
        (true, false) => "down".to_owned(),
        (true, true) => format!("up, {} ms round trip, {} bit/s up", link["round_trip_ms"], link["uplink_bits_per_s"]),
    };
    line(&format!("link     {up}"));
    line(&format!("local    {}", if status["local"] == true { "ready" } else { "no model" }));
    for node in status["nodes"].as_array().into_iter().flatten() {
        let state =
            if node["open"] == true { "open".to_owned() } else { format!("closed: {}", text(&node["closed_because"])) };
        line(&format!("node     {}  {state}", text(&node["name"])));
    }
    for camera in status["cameras"].as_array().into_iter().flatten() {
        let state = if camera["available"] == true {
            "fresh".to_owned()
        } else {
            format!("missing: {}", text(&camera["trouble"]))
        };
        line(&format!("camera   {}  {state}", text(&camera["name"])));
    }
    let encodes = &status["encodes"];
    line(&format!(
        "views    {} encoded, {} had not changed, which saved {} uJ",
        encodes["done"], encodes["unchanged"], encodes["saved_uj"]
    ));
    line(&format!("policy   {}", status["policy"].as_str().unwrap_or("none: the default rule decides")));
    energy(&status["energy"]);
    let thermal = &status["thermal"];
    if thermal["state"] != "cool" {
        line(&format!("thermal  {}: {}", text(&thermal["state"]), text(&thermal["source"])));
    }
    ledger(&status["ledger"], status["active_ms"].as_u64());
    budgets(status, false);
    for fault in status["faults"].as_array().into_iter().flatten() {
        line(&format!("fault    {}", text(fault)));
    }
}

/// Only what an operator should know: that it fails, or has lost something.
fn ledger(ledger: &Value, now: Option<u64>) {
    if let Some(trouble) = ledger["trouble"].as_str() {
        line(&format!("ledger   {trouble}"));
    }
    let full = ledger["disk_full"] == true;
    if full {
        line("ledger   the disk is full: turns go on, and the oldest records go for it; free disk space");
    }
    if full || ledger["lost"].as_u64().unwrap_or(0) > 0 {
        let since = ledger["lost_since_ms"].as_u64().zip(now).map(|(since, now)| now.saturating_sub(since) / 1000);
        let since = since.map_or_else(String::new, |seconds| format!(", since {seconds} s of active time ago"));
        line(&format!("         {} records were lost to a full disk{since}", ledger["lost"]));
    }
}

fn energy(energy: &Value) {
    line(&format!("energy   {} uJ, {}", energy["uj"], text(&energy["source"])));
    if let Some(idle) = energy["idle_uw"].as_u64() {
        line(&format!("         {idle} uW idle, {} uJ while nothing was asked", energy["idle_uj"]));
    }
    if energy["assumed_uj"] != 0 {
        line(&format!("         of it {} uJ assumed at peak power, not measured", energy["assumed_uj"]));
    }
    let texts = |key: &str| energy[key].as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    for trouble in energy["trouble"].as_str().map(str::to_owned).into_iter().chain(texts("warnings")) {
        line(&format!("meter    {trouble}"));
    }
    for passed in texts("passed_over") {
        line(&format!("meter    passed over: {passed}"));
    }
}

pub(super) fn budgets(status: &Value, as_json: bool) {
    let budgets = &status["budgets"];
    if as_json {
        line(&budgets.to_string());
        return;
    }
    let Some(budgets) = budgets.as_array().filter(|budgets| !budgets.is_empty()) else {
        line("budget   none: nothing is limited");
        return;
    };
    for budget in budgets {
        let (resource, window, unit) = (text(&budget["resource"]), text(&budget["window"]), text(&budget["unit"]));
        line(&format!(
            "budget   {resource} per {window}: {} of {} {unit} left, {} spent, {} held",
            budget["left"], budget["limit"], budget["spent"], budget["held"]
        ));
    }
}

pub(super) fn replayed(replayed: &Replayed, as_json: bool) {
    if as_json {
        line(&serde_json::to_string(replayed).unwrap_or_default());
        return;
    }
    for Difference { turn, at, recorded, replayed } in &replayed.differences {
        line(&format!("turn {turn}  {at}: recorded {recorded}, replayed {replayed}"));
    }
    let Replayed { same, different, states, states_different, unfollowed, without_events, dropped, .. } = replayed;
    line(&format!("{same} verdicts are the same, {different} are not"));
    line(&format!("{states} states are the same, {states_different} are not"));
    if unfollowed + without_events > 0 {
        line(&format!(
            "{unfollowed} turns cannot be followed: what was before them is forgotten; {without_events} have nothing to replay: their runtime died"
        ));
    }
    if *dropped > 0 {
        line(&format!("{dropped} turns are not here any more: their records went when the disk was full"));
    }
}

pub(super) fn inspection(config: &Config, found: &Inspection, as_json: bool) {
    if as_json {
        let value = json!({
            "ok": found.faults.is_empty(),
            "device": config.id.as_str(),
            "fleet": config.fleet.as_str(),
            "state_dir": config.state_dir,
            "cameras": config.cameras.iter().map(|camera| camera.name()).collect::<Vec<_>>(),
            "explore": config.api.explore,
            "budgets": config.budgets.len(),
            "broker": config.mqtt.as_ref().map(|mqtt| format!("{}:{}", mqtt.host, mqtt.port)),
            "models": found.models,
            "meter": found.meter,
            "faults": found.faults,
        });
        line(&value.to_string());
        return;
    }
    line(&format!("device {}/{}, state in {}", config.fleet, config.id, config.state_dir.display()));
    if config.api.explore {
        line("explore  a request may name the actions that its turn may take");
    }
    for model in &found.models {
        line(&format!("model  {model}"));
    }
    line(&format!("meter  {}", found.meter.as_deref().unwrap_or("none")));
    for fault in &found.faults {
        line(&format!("fault  {fault}"));
    }
    if found.faults.is_empty() {
        line("all is well");
    }
}

pub(super) fn supervisor(supervisor: &Value, as_json: bool) {
    if as_json {
        line(&supervisor.to_string());
        return;
    }
    line(&format!("{}: link {}", text(&supervisor["port"]), text(&supervisor["link"])));
    if let Some(trouble) = supervisor["trouble"].as_str() {
        line(&format!("  {trouble}"));
    }
    let board = &supervisor["board"];
    if !board.is_null() {
        line(&format!(
            "  board {}, firmware {}, boot {}",
            text(&board["name"]),
            text(&board["firmware"]),
            board["boot"]
        ));
    }
    let telemetry = &supervisor["telemetry"];
    if !telemetry.is_null() {
        let of = |key: &str| telemetry[key].as_f64().unwrap_or_default();
        line(&format!(
            "  {:.3} W, {:.3} A at {:.3} V, {:.1} °C, {:.3} J so far",
            of("power_uw") / 1e6,
            of("current_ma") / 1e3,
            of("voltage_mv") / 1e3,
            of("temperature_millicelsius") / 1e3,
            of("energy_uj") / 1e6
        ));
        let cause = telemetry["cause"].as_str().map_or_else(String::new, |cause| format!(" ({cause})"));
        line(&format!("  state {}{cause}, host {}", text(&telemetry["state"]), text(&telemetry["host"])));
    }
    let lists = [&telemetry["doubted"], &supervisor["refused"]];
    for said in lists.into_iter().filter_map(Value::as_array).flatten() {
        line(&format!("  {}", text(said)));
    }
    let log = &supervisor["log"];
    let waiting = log["waiting"].as_u64().unwrap_or_default();
    let unread = if log["level"] == true { "" } else { ", and the log is not read to its end" };
    line(&format!("  {} events told, {waiting} wait to be told{unread}", log["told"]));
    for (key, what) in
        [("lost", "were overwritten before they could be read"), ("damaged", "are damaged in the board's memory")]
    {
        if let Some(count) = log[key].as_u64().filter(|count| *count > 0) {
            line(&format!("  {count} events {what}"));
        }
    }
    if let Some(trip) = supervisor["challenge"]["trip"]["id"].as_u64() {
        line(&format!("  trip {trip} holds: `trimtab supervisor release --key-file FILE` takes it back"));
    }
}
