//! A turn's record for people: what could have been done and at which price, what was done, and what it came to.

use serde_json::Value;

use super::show::text;

/// The record line by line.
pub(super) fn lines(record: &Value) -> Vec<String> {
    let mut lines = head(record);
    lines.extend(candidates(record));
    lines.extend(holds(record));
    lines.extend(outcome(record));
    lines
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn cost(cost: &Value) -> String {
    format!("{} ms, {} uJ, {} nUSD, {} B", cost["latency"], cost["energy"], cost["money"], cost["bytes"])
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

fn head(record: &Value) -> Vec<String> {
    let turn = format!("{}-{}", record["turn"]["boot"], record["turn"]["number"]);
    let node = text(&record["node"]);
    let by = if node.is_empty() { String::new() } else { format!(" by {node}") };
    let (task, placement, reason) = (text(&record["task"]), text(&record["placement"]), text(&record["reason"]));
    let mut lines = vec![
        format!("turn {turn}  {}", text(&record["prompt"])),
        format!("task {task}; {placement}{by}, because {reason}"),
    ];
    lines.extend(items(&record["views"]).map(|view| {
        let fresh = if view["available"] == true { "" } else { ", no fresh frame" };
        let (association, shows) = (number(&view["association"]), number(&view["shows"]));
        format!("  view {}  association {association:.3}, shows {shows:.2}{fresh}", text(&view["name"]))
    }));
    lines
}

/// Names of the views in a set, which is stored by its bits.
fn views(record: &Value, set: &Value) -> String {
    let bits = set.as_u64().unwrap_or(0);
    let names = items(&record["views"]).enumerate().filter(|(index, _)| bits >> index & 1 == 1);
    let names: Vec<String> = names.map(|(_, view)| text(&view["name"])).collect();
    if names.is_empty() { "no view".to_owned() } else { names.join("+") }
}

/// Why a candidate was ruled out, with what it was about.
fn ruled_out(record: &Value, reason: &Value) -> String {
    let Some((name, about)) = reason.as_object().and_then(|reason| reason.iter().next()) else { return text(reason) };
    let view = about["view"].as_u64().and_then(|view| record["views"].get(usize::try_from(view).ok()?));
    match view {
        Some(view) => format!("{name} of {}", text(&view["name"])),
        None => format!("{name} of {} per {}", text(&about["resource"]), text(&about["window"])),
    }
}

/// Every action, the chosen one marked: its score, then the most that it would take, and what ruled it out.
fn candidates(record: &Value) -> Vec<String> {
    let chosen = record["chosen"]["candidate"].as_u64();
    let line = |(index, candidate): (usize, &Value)| {
        let mark = if chosen == Some(index as u64) { '*' } else { ' ' };
        let (node, views) = (text(&candidate["node"]), views(record, &candidate["views"]));
        let (score, quote) = (number(&candidate["score"]), &candidate["quote"]);
        let from = match candidate["seen"].as_u64() {
            None | Some(0) => "by a prior".to_owned(),
            Some(seen) => format!("learnt from {seen}"),
        };
        let fate = match &candidate["ruled_out"] {
            Value::Null => String::new(),
            reason => format!("; ruled out: {}", ruled_out(record, reason)),
        };
        format!(
            "{mark} {node:<12} {views}  score {score:+.4}; at most {}, {} B of memory, {from}{fate}",
            cost(quote),
            quote["memory"]
        )
    };
    items(&record["candidates"]).enumerate().map(line).collect()
}

/// What was reserved, and what became of it.
fn holds(record: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let chosen = &record["chosen"];
    if !chosen.is_null() {
        lines.push(format!(
            "hold h{} of the action: {} reserved, its guard included",
            chosen["hold"],
            cost(&chosen["reserved"])
        ));
    }
    for entry in items(&record["settlements"]) {
        let (hold, settlement) = (&entry[0], &entry[1]);
        let amounts = ["latency", "energy", "money", "bytes"];
        let above = amounts.iter().any(|amount| settlement["overrun"][amount].as_u64().unwrap_or(0) > 0);
        let above =
            if above { format!("; above what it held: {}", cost(&settlement["overrun"])) } else { String::new() };
        lines.push(format!("hold h{hold} settled with {}{above}", cost(&settlement["debited"])));
    }
    lines.extend(items(&record["left_open"]).map(|hold| {
        format!("hold h{hold} left open: what it will cost is not known yet, and it counts as spent until then")
    }));
    lines
}

fn outcome(record: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(trouble) = record["trouble"].as_str() {
        lines.push(format!("trouble: {trouble}"));
    }
    if let Some(cause) = record["fallback"]["cause"].as_str() {
        lines.push(format!("the local model stepped in: {cause}"));
    }
    let kind = text(&record["energy_source"]["kind"]);
    lines.push(format!("cost {}; deciding took {} uJ of it, {kind}", cost(&record["cost"]), record["decision_energy"]));
    lines.extend(items(&record["phases"]).map(|phase| {
        let name = text(&phase["phase"]);
        format!("  {name:<9} {} uJ {kind}, {} uJ above idle", phase["total"], phase["above_idle"])
    }));
    let late = &record["late"];
    if !late.is_null() {
        let settled = if late["settled"] == true { "which settled its hold" } else { "too late to settle its hold" };
        lines.push(format!("late answer by {}: {}, {settled}", text(&late["node"]), cost(&late["cost"])));
    }
    lines.push(format!("answer ({}): {}", text(&record["finish"]), text(&record["answer"])));
    lines
}

#[cfg(test)]
mod tests {
    use trimtab_core::budget::{HoldId, Resource, Window};
    use trimtab_core::{
        Bytes, ConversationId, Cost, Joules, Millis, Placement, Quote, Reason, Settlement, TurnId, Usd, ViewSet,
    };
    use trimtab_turn::{Chosen, RecordedCandidate, RecordedView, TurnRecord};

    use super::*;

    #[test]
    fn every_action_is_told_with_its_quote_and_its_fate_and_every_hold_with_its_end() {
        let quote = Quote { latency: Millis::new(900), energy: Joules::from_micro(1_500), ..Quote::default() };
        let candidate = |node: &str, views, ruled_out| RecordedCandidate {
            node: node.to_owned(),
            views: ViewSet::from_bits(views),
            quote: Quote { money: Usd::from_nano(70), bytes: Bytes::new(8), memory: Bytes::new(4), ..quote },
            seen: if node == "good" { 31 } else { 0 },
            score: 0.5,
            quality: None,
            ruled_out,
        };
        let view =
            |name: &str, available| RecordedView { name: name.to_owned(), association: 0.1, shows: 0.9, available };
        let (actual, over) = (Cost { energy: Joules::from_micro(1_700), ..Cost::ZERO }, Joules::from_micro(200));
        let record = TurnRecord {
            placement: Placement::Cloud,
            node: "good".to_owned(),
            reason: "best_score".to_owned(),
            views: vec![view("front", true), view("back", false)],
            candidates: vec![
                candidate("local", 0, Some(Reason::MemoryCeiling)),
                candidate("good", 1, None),
                candidate("good", 3, Some(Reason::ViewMissing { view: 1 })),
                candidate("cheap", 1, Some(Reason::Budget { resource: Resource::Money, window: Window::Day })),
            ],
            chosen: Some(Chosen { candidate: 1, hold: HoldId(7), reserved: quote.cost() }),
            settlements: vec![(
                HoldId(7),
                Settlement { debited: actual, overrun: Cost { energy: over, ..Cost::ZERO } },
            )],
            left_open: vec![HoldId(8)],
            ..TurnRecord::begun(TurnId { boot: 3, number: 17 }, ConversationId(1), "Is it on?".to_owned(), Millis::ZERO)
        };
        let told = lines(&serde_json::to_value(&record).unwrap()).join("\n");
        for line in [
            "turn 3-17  Is it on?",
            "  view back  association 0.100, shows 0.90, no fresh frame",
            "  local        no view  score +0.5000; at most 900 ms, 1500 uJ, 70 nUSD, 8 B, 4 B of memory, by a prior; ruled out: memory_ceiling",
            "* good         front  score +0.5000; at most 900 ms, 1500 uJ, 70 nUSD, 8 B, 4 B of memory, learnt from 31",
            "  good         front+back  score +0.5000; at most 900 ms, 1500 uJ, 70 nUSD, 8 B, 4 B of memory, learnt from 31; ruled out: view_missing of back",
            "  cheap        front  score +0.5000; at most 900 ms, 1500 uJ, 70 nUSD, 8 B, 4 B of memory, by a prior; ruled out: budget of money per day",
            "hold h7 of the action: 900 ms, 1500 uJ, 0 nUSD, 0 B reserved, its guard included",
            "hold h7 settled with 0 ms, 1700 uJ, 0 nUSD, 0 B; above what it held: 0 ms, 200 uJ, 0 nUSD, 0 B",
            "hold h8 left open: what it will cost is not known yet, and it counts as spent until then",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}\nis not in\n{told}");
        }
    }
}
