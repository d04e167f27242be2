//! What operators see and set over MQTT: status with last will, a message for every decision, budgets and preference as
//! desired and reported, and the commands `ask`, `explain` and `status`.
//!
//! A wish is kept in the ledger with its version, so it holds across a restart; an older version than the one in force is
//! refused, and so is one that cannot be put in force: the report says why. A command is carried out once for its id, also
//! across a restart, as long as the last [`command::COMMAND_IDS_MAX`] ids reach back; a retained command is refused, since it would
//! come again with every connection.

mod command;
mod desired;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use trimtab_core::{Account, Budget, Budgets, ConversationId, Cost, Resource, Window};
use trimtab_mqtt::Publication;
use trimtab_turn::{EnergySource, TurnRecord};
use trimtab_wire::Topic;
use trimtab_wire::limits::{CONTENT_TYPE_JSON, VERSION};
use trimtab_wire::operator::{BudgetState, Decision, Payload, Status};
use trimtab_wire::topics::Telemetry;

use crate::shell::{Inner, lock, view_names};
use crate::supervisor::{News, status as supervisor};

pub(crate) use command::on_command;
pub(crate) use desired::{on_desired, restore};

/// After this, telemetry is of no use to anybody.
const TELEMETRY_EXPIRY: Duration = Duration::from_secs(60);
/// What a microcontroller did is worth reading for a day.
const EVENT_EXPIRY: Duration = Duration::from_secs(86_400);

/// What operators have set, and which commands were carried out.
#[derive(Debug, Default)]
pub(crate) struct OperatorBook {
    wishes: Mutex<desired::Wishes>,
    commands: Mutex<command::Carried>,
}

/// Milliseconds of Unix time.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

async fn publish(inner: &Inner, topic: Topic, payload: Vec<u8>, shape: impl FnOnce(Publication) -> Publication) {
    if let Some(offload) = inner.offload() {
        offload.tell_operator(shape(Publication::new(topic, CONTENT_TYPE_JSON, payload))).await;
    }
}

fn encoded(payload: &impl Payload) -> Option<Vec<u8>> {
    match payload.encode() {
        Ok(bytes) => Some(bytes),
        Err(fault) => {
            tracing::warn!(%fault, "not reported");
            None
        }
    }
}

/// Birth: status and reports, retained. Said again with every connection, since the broker published the last will.
pub(crate) async fn say_hello(inner: &Arc<Inner>) {
    let status = Status {
        online: true,
        boot: inner.ledger.boot(),
        at_unix_ms: Some(unix_ms()),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        wire_version: Some(VERSION),
        models: inner.models(),
        cameras: inner.config.cameras.iter().map(|camera| camera.name().to_owned()).collect(),
        policy: inner.policy(),
        energy_source: Some(source_name(&inner.energy_source())),
    };
    if let Some(payload) = encoded(&status) {
        let topic = Topic::Status(inner.config.fleet.clone(), inner.config.id.clone());
        publish(inner, topic, payload, Publication::retained).await;
    }
    desired::report_budget(inner).await;
    desired::report_preference(inner).await;
}

/// Says that the device goes on purpose; the broker then keeps quiet about the last will.
pub(crate) async fn say_goodbye(inner: &Inner) {
    if let Some(payload) = encoded(&Status::gone(inner.ledger.boot())) {
        let topic = Topic::Status(inner.config.fleet.clone(), inner.config.id.clone());
        publish(inner, topic, payload, Publication::retained).await;
    }
}

/// Counts and tells a turn.
pub(crate) async fn tell_decision(inner: &Inner, record: &TurnRecord) {
    inner.count_overruns(record);
    if let Some(payload) = encoded(&decision(inner, record)) {
        telemetry(inner, Telemetry::Decision, payload).await;
    }
}

/// Tells what is left of budgets, energy, memory and link.
pub(crate) async fn tell_readings(inner: &Inner) {
    let (budgets, link) = {
        let governor = lock(&inner.governor);
        (budget_states(governor.budgets(), None), *governor.link())
    };
    let at = unix_ms();
    let energy = inner.energy_now();
    let readings = [
        (Telemetry::Budget, json!({"at_unix_ms": at, "budgets": budgets})),
        (
            Telemetry::Energy,
            json!({"at_unix_ms": at, "energy_uj": energy.micro(), "energy_source": source_name(&inner.energy_source())}),
        ),
        (Telemetry::Memory, inner.memory_status()),
        (
            Telemetry::Link,
            json!({"at_unix_ms": at, "up": link.up, "round_trip_ms": link.round_trip.get(), "uplink_bits_per_s": link.uplink_bits_per_s}),
        ),
    ];
    for (what, value) in readings {
        telemetry(inner, what, value.to_string().into_bytes()).await;
    }
}

/// Tells an event of the microcontroller's, which was heard so long `ago`; false if the broker did not acknowledge it.
pub(crate) async fn tell_supervisor(inner: &Inner, news: &News, ago: Duration) -> bool {
    let Some(offload) = inner.offload() else { return false };
    let topic = Topic::Telemetry(inner.config.fleet.clone(), inner.config.id.clone(), Telemetry::Supervisor);
    let heard = unix_ms().saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX));
    let payload = supervisor::event(heard, news).to_string().into_bytes();
    offload.deliver(Publication::new(topic, CONTENT_TYPE_JSON, payload).expiring(EVENT_EXPIRY)).await
}

async fn telemetry(inner: &Inner, what: Telemetry, payload: Vec<u8>) {
    let topic = Topic::Telemetry(inner.config.fleet.clone(), inner.config.id.clone(), what);
    publish(inner, topic, payload, |publication| publication.at_most_once().expiring(TELEMETRY_EXPIRY)).await;
}

/// A turn as operators see it.
pub(crate) fn decision(inner: &Inner, record: &TurnRecord) -> Decision {
    let reports_prompts = inner.config.mqtt.as_ref().is_some_and(|mqtt| mqtt.report_prompts);
    let left = budget_states(lock(&inner.governor).budgets(), Some(record.conversation));
    Decision {
        turn: record.turn,
        at_unix_ms: unix_ms(),
        prompt: reports_prompts.then(|| record.prompt.clone()),
        task: record.task,
        association: record.views.iter().map(|view| (view.name.clone(), view.association)).collect::<BTreeMap<_, _>>(),
        node: record.node.clone(),
        placement: record.placement,
        views: view_names(record, record.views_used),
        reason: record.reason.clone(),
        latency_ms: record.ended.minus(record.started).get(),
        latency_source: "measured".to_owned(),
        energy_uj: record.cost.energy.micro(),
        energy_source: source_name(&record.energy_source),
        money_uusd: record.cost.money.micro_f64(),
        price_source: "offer".to_owned(),
        bytes_up: record.cost.bytes.get(),
        left,
    }
}

/// `measured:` or `estimated:` and by what.
pub(crate) fn source_name(source: &EnergySource) -> String {
    match source {
        EnergySource::Measured(by) => format!("measured:{by}"),
        EnergySource::Estimated(by) => format!("estimated:{by}"),
        EnergySource::Unknown => "unknown".to_owned(),
    }
}

/// How every budget stands, for one conversation where it is about one.
pub(crate) fn budget_states(budgets: &Budgets, conversation: Option<ConversationId>) -> Vec<BudgetState> {
    let state = |budget: &Budget| {
        let (resource, window) = (budget.resource(), budget.window());
        let about = conversation.unwrap_or(ConversationId(0));
        let of = |cost: &Cost| amount(resource, cost);
        let all: u64 = budgets.open().iter().fold(0, |sum: u64, hold| sum.saturating_add(of(&hold.cost)));
        let (spent, held) = match window {
            Window::Turn => (0, 0),
            Window::Hour => (of(&budgets.spent().this_hour), all),
            Window::Day => (of(&budgets.spent().this_day), all),
            Window::Conversation => {
                let own = budgets.open().iter().filter(|hold| hold.conversation == about);
                let held = own.fold(0, |sum: u64, hold| sum.saturating_add(of(&hold.cost)));
                let used = budget.limit().saturating_sub(budgets.left(budget, &Account::new(about)));
                (used.saturating_sub(held), held)
            }
        };
        BudgetState { resource, window, limit: budget.limit(), spent, held }
    };
    let about_one = |budget: &&Budget| conversation.is_some() || budget.window() != Window::Conversation;
    budgets.limits().iter().filter(about_one).map(state).collect()
}

fn amount(resource: Resource, cost: &Cost) -> u64 {
    match resource {
        Resource::Energy => cost.energy.micro(),
        Resource::Money => cost.money.nano(),
        Resource::Bytes => cost.bytes.get(),
        Resource::Latency => cost.latency.get(),
    }
}
