//! Logged turns as the device would have scored them: one row of layout `trimtab-1` for each candidate.
//!
//! What the published table does not hold is taken as follows. The task is the table's, as if it were certain. A view shows what
//! is asked as likely as its cosine says, because the cosines of another encoder have no calibration here. Quotes are the
//! simulated charges. What would have come of an action is not known: no answer counts as right, and nothing reads it.

use std::sync::Arc;

use trimtab_core::observation::ViewFacts;
use trimtab_core::{Action, Cost, Millis, NodeProfile, Preference, Quote, TaskKind, Usd};

use super::charge::Charges;
use crate::dataset::{Context, LoggedTable, LoggedTurn, Node, SCHEMA, Setting, Table, Tried, Turn, cloud};
use crate::estimator::Prompts;

/// Nodes: the local one and one cloud.
pub const NODES: usize = 2;
/// What the local node declares. The table names no benchmark: as the cheaper node of the shipped profile.
const LOCAL_QUALITY: f32 = 0.6;
/// What the cloud declares: as the better node of the shipped profile.
const CLOUD_QUALITY: f32 = 0.9;
/// Parts of a millisecond or a nano-USD by which binary fractions miss a whole number.
const ROUNDING: f64 = 1e-3;

/// The turns of a log, each with every action, its simulated quote and the vector of its question.
///
/// # Panics
/// When `prompts` has no vector of a question.
#[must_use]
pub fn candidates(log: &LoggedTable, charges: &Charges, encoder_sha256: &str, prompts: &Prompts) -> Table {
    let views = log.turns().iter().map(|turn| turn.context.association.len()).max().unwrap_or(0);
    let setting = Arc::new(setting(views, charges, encoder_sha256));
    let turns = log.turns().iter().map(|turn| candidate_turn(turn, &setting, charges, prompts)).collect();
    Table::of(turns, log.sha256().into())
}

fn candidate_turn(logged: &LoggedTurn, setting: &Arc<Setting>, charges: &Charges, prompts: &Prompts) -> Turn {
    let context = &logged.context;
    let question = context.question.to_string();
    let tried = |action| Tried { action, quote: quote(action, charges), right: false, score: 0.0, cost: Cost::ZERO };
    Turn {
        dialogue: logged.dialogue,
        number: context.number,
        setting: Arc::clone(setting),
        kind: context.task,
        needs_views: false,
        embedding: prompts.get(&question).expect("a vector for every question of the log").clone(),
        tasks: TaskKind::KNOWN.map(|kind| f32::from(u8::from(kind == context.task))),
        unknown: false,
        views: views(context),
        tried: Action::all(NODES, context.association.len()).map(tried).collect(),
        prompt: question,
    }
}

fn views(context: &Context) -> Vec<ViewFacts> {
    let facts = |score: &f32| ViewFacts { association: *score, shows: score.clamp(0.0, 1.0), available: true };
    context.association.iter().map(facts).collect()
}

/// Rounded up, as every quote is.
fn quote(action: Action, charges: &Charges) -> Quote {
    let charge = charges.of(action);
    Quote {
        latency: Millis::new((charge.latency_s * 1e3 - ROUNDING).ceil() as u64),
        money: Usd::from_nano((charge.usage_usd * 1e9 - ROUNDING).ceil() as u64),
        ..Quote::default()
    }
}

fn setting(views: usize, charges: &Charges, encoder_sha256: &str) -> Setting {
    let node = |name: &str, action: Action, quality| {
        let Quote { latency, .. } = quote(action, charges);
        let profile = NodeProfile {
            local: action.node.is_local(),
            price_prompt: Usd::ZERO,
            price_completion: Usd::ZERO,
            price_image: Usd::ZERO,
            images_max: views as u8,
            latency_p50: latency,
            latency_p95: latency,
            token_time: Millis::ZERO,
            quality,
        };
        Node { name: name.into(), profile }
    };
    Setting {
        schema: SCHEMA,
        seed: 0,
        split: "logged".into(),
        one_action: true,
        conversation: None,
        encoder_sha256: encoder_sha256.into(),
        views: (0..views).map(|view| format!("image {view}")).collect(),
        nodes: vec![
            node("local", Action::LOCAL, LOCAL_QUALITY),
            node("cloud", cloud(Default::default()), CLOUD_QUALITY),
        ],
        network: "published".into(),
        prices: "published".into(),
        round_trip: Millis::ZERO,
        uplink_bits_per_s: 0,
        preference: Preference::default(),
    }
}
