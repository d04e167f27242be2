//! What is printed for programs: one JSON object a turn, and the totals.

use serde::Serialize;
use serde_json::{Map, Value, json};
use trimtab_core::{Cost, Placement};
use trimtab_rig::world::{Left, TurnOutcome};
use trimtab_turn::Finish;

/// One turn.
#[derive(Serialize, Debug)]
pub(crate) struct TurnLine<'a> {
    turn: usize,
    prompt: &'a str,
    task: &'a str,
    association: Map<String, Value>,
    node: &'a str,
    placement: Placement,
    views: Vec<String>,
    reason: &'a str,
    latency_ms: u64,
    latency_source: &'a str,
    energy_uj: u64,
    energy_source: String,
    money_uusd: f64,
    price_source: &'a str,
    bytes_up: u64,
    answer: &'a str,
    finish: Finish,
    right: bool,
}

impl<'a> TurnLine<'a> {
    /// Turns count from 1.
    pub(crate) fn of(outcome: &'a TurnOutcome) -> Self {
        let record = &outcome.record;
        let association = record.views.iter().map(|view| (view.name.clone(), json!(view.association))).collect();
        Self {
            turn: outcome.index + 1,
            prompt: &record.prompt,
            task: record.task.name(),
            association,
            node: &record.node,
            placement: record.placement,
            views: outcome.views(),
            reason: &record.reason,
            latency_ms: record.cost.latency.get(),
            latency_source: outcome.latency_source(),
            energy_uj: record.cost.energy.micro(),
            energy_source: outcome.energy_source(),
            money_uusd: record.cost.money.micro_f64(),
            price_source: &outcome.price_source,
            bytes_up: record.cost.bytes.get(),
            answer: &record.answer,
            finish: record.finish,
            right: outcome.right,
        }
    }
}

/// Sums over a conversation.
#[derive(Serialize, Clone, Copy, Default, PartialEq, Debug)]
pub(crate) struct Totals {
    pub(crate) right: usize,
    pub(crate) turns: usize,
    pub(crate) money_uusd: f64,
    pub(crate) bytes_up: u64,
    pub(crate) latency_ms: u64,
    pub(crate) energy_uj: u64,
}

impl Totals {
    pub(crate) fn of(outcomes: &[TurnOutcome]) -> Self {
        outcomes.iter().fold(Self::default(), |sum, outcome| {
            let cost = &outcome.record.cost;
            Self {
                right: sum.right + usize::from(outcome.right),
                turns: sum.turns + 1,
                money_uusd: sum.money_uusd + cost.money.micro_f64(),
                bytes_up: sum.bytes_up + cost.bytes.get(),
                latency_ms: sum.latency_ms + cost.latency.get(),
                energy_uj: sum.energy_uj + cost.energy.micro(),
            }
        })
    }
}

/// The last line: totals by chooser, and how the budgets stand after the shown run.
pub(crate) fn summary(totals: &[(&str, Totals)], left: &[Left], overruns: usize) -> Value {
    let all: Map<String, Value> = totals.iter().map(|(key, totals)| ((*key).to_owned(), json!(totals))).collect();
    let budgets: Vec<Value> = left
        .iter()
        .map(|budget| {
            json!({
                "resource": budget.resource.name(),
                "window": budget.window.name(),
                "limit": budget.limit,
                "left": budget.left,
            })
        })
        .collect();
    json!({ "summary": all, "budgets": budgets, "overruns": overruns })
}

/// Settlements above their hold.
pub(crate) fn overruns(outcomes: &[TurnOutcome]) -> usize {
    let settlements = outcomes.iter().flat_map(|outcome| &outcome.record.settlements);
    settlements.filter(|(_, settlement)| settlement.overrun != Cost::ZERO).count()
}
