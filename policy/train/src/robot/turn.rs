//! One turn of the device as a turn of the table.

use std::time::{SystemTime, UNIX_EPOCH};

use trimtab_core::{TaskKind, ViewSet};
use trimtab_turn::{EnergySource, TurnRecord};

use super::prompts::Said;
use super::runtime::LOCAL;
use crate::dataset::{CandidateFacts, Interaction, Measured, Outcome, TaskCategory, View};

/// The views of a table among those of the device, by their number there, ascending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept<'a>(pub(super) &'a [usize]);

impl Kept<'_> {
    fn numbers(&self, views: ViewSet) -> Vec<usize> {
        (0..self.0.len()).filter(|view| views.contains(self.0[*view])).collect()
    }
}

/// What an action did, as far as it was taken: none where the shield had to step in for all that was asked for.
pub(super) fn outcome(record: &TurnRecord, kept: Kept<'_>) -> Option<Outcome> {
    let candidate = record.candidates.get(record.chosen.as_ref()?.candidate)?;
    if candidate.ruled_out.is_some() {
        return None;
    }
    Some(Outcome {
        node: candidate.node.clone(),
        views: kept.numbers(candidate.views),
        quote: candidate.quote.into(),
        answer: record.answer.clone(),
        right: false,
        latency_ms: record.cost.latency.get(),
        energy_uj: record.cost.energy.micro(),
        money_nusd: record.cost.money.nano(),
        bytes_up: record.cost.bytes.get(),
        score: None,
        fallback: record.fallback.is_some(),
        turn: Some(record.turn.to_string()),
    })
}

/// Every candidate with its propensity, when the first admissible one of a random order was taken.
pub(super) fn candidates(record: &TurnRecord, kept: Kept<'_>) -> Vec<CandidateFacts> {
    let admissible = record.candidates.iter().filter(|candidate| candidate.ruled_out.is_none()).count();
    let mut facts: Vec<CandidateFacts> = record
        .candidates
        .iter()
        .map(|candidate| CandidateFacts {
            node: candidate.node.clone(),
            views: kept.numbers(candidate.views),
            quote: candidate.quote.into(),
            propensity: if candidate.ruled_out.is_none() { 1.0 / admissible as f64 } else { 0.0 },
        })
        .collect();
    // The last takes what rounding left, so that they sum to one however many there are.
    let sum: f64 = facts.iter().map(|facts| facts.propensity).sum();
    if let Some(last) = facts.iter_mut().rev().find(|facts| facts.propensity > 0.0) {
        last.propensity += 1.0 - sum;
    }
    facts
}

/// A turn from what its actions did, of which the one at `logged` is the conversation's; not scored yet. What it saw is what the
/// device saw in `record`, the run of that action: in another run of the turn the cameras may have seen something else.
pub(super) fn interaction(
    said: &Said,
    embedding: Vec<f32>,
    record: &TurnRecord,
    outcomes: Vec<Outcome>,
    logged: usize,
    kept: Kept<'_>,
) -> (Interaction, Vec<f32>) {
    let outcome = &outcomes[logged];
    let views: Vec<View> = kept
        .0
        .iter()
        .filter_map(|view| record.views.get(*view))
        .map(|view| View { association: view.association, shows: view.shows, available: view.available })
        .collect();
    let associations = views.iter().map(|view| view.association).collect();
    let interaction = Interaction {
        question: said.prompt.clone(),
        task_cat: said.task.unwrap_or_else(|| likeliest(record)),
        action: u8::from(outcome.node != LOCAL),
        image_index: (!outcome.views.is_empty()).then(|| outcome.views.clone()),
        answer: outcome.answer.clone(),
        score: 0.0,
        interaction_time: outcome.latency_ms as f64 / 1e3,
        usage_cost: outcome.money_nusd as f64 / 1e9,
        trimtab: Some(Measured {
            needs_views: false,
            expected: said.expected.clone().unwrap_or_default(),
            embedding,
            tasks: record.task_mix,
            unknown: record.task == TaskKind::Unknown,
            views,
            outcomes,
            logged: Some(logged),
            scored_by: None,
            candidates: Vec::new(),
            asked_unix_ms: unix_ms(),
            energy_source: energy_source(record),
        }),
    };
    (interaction, associations)
}

/// As the device's classifier has it.
fn likeliest(record: &TurnRecord) -> TaskCategory {
    let best = TaskKind::KNOWN.into_iter().zip(record.task_mix).max_by(|a, b| a.1.total_cmp(&b.1));
    best.and_then(|(kind, _)| TaskCategory::of(kind)).unwrap_or(TaskCategory::Query)
}

fn energy_source(record: &TurnRecord) -> Option<String> {
    match &record.energy_source {
        EnergySource::Measured(by) => Some(format!("measured: {by}")),
        EnergySource::Estimated(by) => Some(format!("estimated: {by}")),
        EnergySource::Unknown => None,
    }
}

fn unix_ms() -> Option<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}
