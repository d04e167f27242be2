//! The JSON payloads of the operator topics, each read as every kind there is.

use std::fmt::Debug;

use serde_json::Value;
use trimtab_core::{Millis, Preference, Resource, TurnId, Usd, Window};
use trimtab_wire::operator::{
    AskCommand, AskResult, BudgetDesired, BudgetReported, BudgetState, CommandAnswer, Decision, ExplainCommand, Limit,
    Offer, Offers, Payload, PreferenceDesired, PreferenceReported, Status, StatusCommand,
};
use trimtab_wire::{BridgeId, NodeName};

use crate::Seed;
use crate::check::told;

pub(crate) fn payloads(bytes: &[u8]) {
    payload::<Status>(bytes);
    payload::<Decision>(bytes);
    payload::<BudgetDesired>(bytes);
    payload::<BudgetReported>(bytes);
    payload::<PreferenceDesired>(bytes);
    payload::<PreferenceReported>(bytes);
    payload::<AskCommand>(bytes);
    payload::<ExplainCommand>(bytes);
    payload::<StatusCommand>(bytes);
    payload::<CommandAnswer>(bytes);
    payload::<AskResult>(bytes);
    if let Some(offers) = payload::<Offers>(bytes) {
        for offer in &offers.nodes {
            assert!((0.0..=1.0).contains(&offer.profile().quality));
        }
    }
}

/// What was believed can be written, and says the same when it is read again.
fn payload<P: Payload + Debug>(bytes: &[u8]) -> Option<P> {
    let value = match P::decode(bytes) {
        Ok(value) => value,
        Err(fault) => {
            told(&fault, &[P::WHAT]);
            return None;
        }
    };
    let written = value.encode().expect("what was believed can be written");
    let again = P::decode(&written).unwrap_or_else(|fault| panic!("{value:?} was written and is not read: {fault}"));
    let json = |value: &P| serde_json::to_value(value).expect("it was just written");
    assert!(alike(&json(&value), &json(&again)), "{value:?} became {again:?}");
    Some(value)
}

/// Equal up to the last digits of a number with a point, which reading and writing may change.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) if x != y => match (x.as_f64(), y.as_f64()) {
            (Some(x), Some(y)) => (x - y).abs() <= 1e-14 * x.abs().max(y.abs()),
            _ => false,
        },
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| alike(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| alike(x, y)))
        }
        _ => a == b,
    }
}

pub(crate) fn offers() -> Offers {
    let offer = Offer {
        node: NodeName::new("good").expect("a name"),
        model: "large".into(),
        available: true,
        price_prompt_nusd: Usd::from_nano(2_500_000_000),
        price_completion_nusd: Usd::from_nano(10_000_000_000),
        price_image_nusd: Usd::from_nano(1_000_000_000_000),
        images_max: 4,
        context_tokens_max: 4096,
        image_tokens: 85,
        latency_p50_ms: Millis::new(550),
        latency_p95_ms: Millis::new(900),
        token_ms: Millis::new(30),
        calls: 3,
        quality: 0.875,
    };
    Offers {
        bridge: BridgeId::new("bridge-1").expect("a name"),
        at_unix_ms: 1_700_000_000_000,
        valid_ms: 60_000,
        nodes: vec![offer],
    }
}

pub(crate) fn budget_desired() -> BudgetDesired {
    let limits = vec![
        Limit { resource: Resource::Energy, window: Window::Day, limit: 500_000_000 },
        Limit { resource: Resource::Money, window: Window::Conversation, limit: 50_000_000 },
    ];
    BudgetDesired { version: 7, limits }
}

pub(crate) fn preference_desired() -> PreferenceDesired {
    PreferenceDesired { version: 3, preference: Preference::default() }
}

pub(crate) fn ask() -> AskCommand {
    AskCommand {
        id: "ask-1".into(),
        prompt: "Is the stove on?".into(),
        conversation: Some("kitchen".into()),
        max_tokens: Some(32),
        expires_unix_ms: Some(4_000_000_000_000),
    }
}

pub(crate) fn explain() -> ExplainCommand {
    ExplainCommand { id: "explain-1".into(), turn: TurnId { boot: 3, number: 17 } }
}

fn decision() -> Decision {
    let left =
        BudgetState { resource: Resource::Money, window: Window::Day, limit: 1_000_000, spent: 48_750, held: 1_500 };
    Decision {
        turn: TurnId { boot: 3, number: 17 },
        at_unix_ms: 1_700_000_000_000,
        prompt: Some("Is the stove on?".into()),
        task: trimtab_core::TaskKind::Query,
        association: [("wrist".to_owned(), 0.53), ("doorway".to_owned(), -0.26)].into(),
        node: "good".into(),
        placement: trimtab_core::Placement::Cloud,
        views: vec!["wrist".into()],
        reason: "best_score".into(),
        latency_ms: 965,
        latency_source: "shaped".into(),
        energy_uj: 611_000,
        energy_source: "estimated".into(),
        money_uusd: 48.75,
        price_source: "simulated: list".into(),
        bytes_up: 49_400,
        left: vec![left],
    }
}

fn seed<P: Payload>(name: &str, value: &P) -> Seed {
    (name.into(), value.encode().expect("a seed is within every bound"))
}

pub(crate) fn seeds() -> Vec<Seed> {
    let status = Status {
        online: true,
        at_unix_ms: Some(1_700_000_000_000),
        version: Some("0.1.0".into()),
        wire_version: Some(1),
        models: vec!["encoder".into(), "lm".into()],
        cameras: vec!["wrist".into()],
        policy: Some("policy.onnx".into()),
        energy_source: Some("estimated".into()),
        ..Status::gone(4)
    };
    let left = decision().left;
    let budget =
        BudgetReported { version: 7, rejected: Some("version 7 is not above 8".into()), budgets: left, overruns: 1 };
    let preference = PreferenceReported { version: 3, rejected: None, preference: Preference::default() };
    let result = AskResult { text: "It is on.".into(), action: Value::Null, decision: decision() };
    let answer = CommandAnswer {
        id: "ask-1".into(),
        ok: true,
        result: serde_json::to_value(&result).expect("a result is JSON"),
        error: None,
    };
    vec![
        seed("status", &status),
        seed("will", &Status::gone(4)),
        seed("decision", &decision()),
        seed("budget-desired", &budget_desired()),
        seed("budget-reported", &budget),
        seed("preference-desired", &preference_desired()),
        seed("preference-reported", &preference),
        seed("ask", &ask()),
        seed("explain", &explain()),
        seed("cmd-status", &StatusCommand { id: "status-1".into() }),
        seed("answer", &answer),
        seed("result", &result),
        seed("offers", &offers()),
    ]
}
