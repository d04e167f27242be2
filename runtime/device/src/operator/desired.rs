//! Budgets and preference: what the operator wishes, what is in force, and what is said about it.

use trimtab_core::{Budget, Bytes, Joules, Millis, Preference, Resource, Usd};
use trimtab_mqtt::{Incoming, Publication};
use trimtab_wire::Topic;
use trimtab_wire::operator::{BudgetDesired, BudgetReported, Limit, Payload, PreferenceDesired, PreferenceReported};
use trimtab_wire::topics::Subject;

use super::{budget_states, encoded, publish};
use crate::shell::{Inner, lock};
use trimtab_ledger::{LedgerError, Setting};

/// Names under which wishes are kept in the ledger.
const BUDGET: &str = "budget";
const PREFERENCE: &str = "preference";

/// The versions in force, zero for the configuration, and why a later wish is not.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    budget: Wish,
    preference: Wish,
}

#[derive(Debug, Default, Clone)]
struct Wish {
    version: u64,
    rejected: Option<String>,
}

/// Puts what was wished before a restart in force again. A wish that no longer fits is reported, not obeyed.
pub(crate) async fn restore(inner: &Inner) -> Result<(), LedgerError> {
    let (budget, preference) =
        inner.ledger.with(|store| Ok((store.setting(BUDGET)?, store.setting(PREFERENCE)?))).await?;
    if let Some(setting) = budget {
        let wish = match serde_json::from_value::<BudgetDesired>(setting.value) {
            Ok(desired) => Wish { version: setting.counter, rejected: put_budgets(inner, &desired).err() },
            Err(fault) => Wish {
                version: setting.counter,
                rejected: Some(format!("what was kept cannot be read: {fault}; wish again")),
            },
        };
        lock(&inner.operator.wishes).budget = wish;
    }
    if let Some(setting) = preference {
        let wish = match serde_json::from_value::<PreferenceDesired>(setting.value) {
            Ok(desired) => {
                lock(&inner.governor).set_preference(desired.preference);
                Wish { version: setting.counter, rejected: None }
            }
            Err(fault) => Wish {
                version: setting.counter,
                rejected: Some(format!("what was kept cannot be read: {fault}; wish again")),
            },
        };
        lock(&inner.operator.wishes).preference = wish;
    }
    Ok(())
}

/// Takes a wish, puts it in force if it can be, keeps it, and reports.
pub(crate) async fn on_desired(inner: &Inner, subject: Subject, message: &Incoming) {
    // A wish that was taken back leaves an empty message; what is in force stays.
    if message.payload.is_empty() {
        return;
    }
    match subject {
        Subject::Budget => {
            let wish = wish_budget(inner, &message.payload).await;
            let reported = lock(&inner.operator.wishes).budget.clone();
            lock(&inner.operator.wishes).budget = merged(&reported, wish);
            report_budget(inner).await;
        }
        Subject::Preference => {
            let wish = wish_preference(inner, &message.payload).await;
            let reported = lock(&inner.operator.wishes).preference.clone();
            lock(&inner.operator.wishes).preference = merged(&reported, wish);
            report_preference(inner).await;
        }
        Subject::Policy => tracing::warn!("policies are not taken over the air by this version; set [models] policy"),
    }
}

/// The version in force, and the fault of the newest wish.
fn merged(before: &Wish, wish: Result<u64, String>) -> Wish {
    match wish {
        Ok(version) => Wish { version, rejected: None },
        Err(rejected) => Wish { version: before.version, rejected: Some(rejected) },
    }
}

async fn wish_budget(inner: &Inner, payload: &[u8]) -> Result<u64, String> {
    let desired = BudgetDesired::decode(payload).map_err(|fault| fault.to_string())?;
    let in_force = lock(&inner.operator.wishes).budget.version;
    if desired.version == in_force && in_force > 0 {
        // The retained wish, come again with a connection.
        return Ok(in_force);
    }
    newer(desired.version, in_force)?;
    let limits: Vec<Budget> = overlaid(inner, &desired);
    if limits.len() > trimtab_core::limits::BUDGETS_MAX {
        return Err(trimtab_core::budget::TooManyBudgets.to_string());
    }
    keep(inner, BUDGET, desired.version, &desired).await?;
    put_budgets(inner, &desired)?;
    Ok(desired.version)
}

async fn wish_preference(inner: &Inner, payload: &[u8]) -> Result<u64, String> {
    let desired = PreferenceDesired::decode(payload).map_err(|fault| fault.to_string())?;
    let in_force = lock(&inner.operator.wishes).preference.version;
    if desired.version == in_force && in_force > 0 {
        return Ok(in_force);
    }
    newer(desired.version, in_force)?;
    keep(inner, PREFERENCE, desired.version, &desired).await?;
    lock(&inner.governor).set_preference(desired.preference);
    Ok(desired.version)
}

fn newer(version: u64, in_force: u64) -> Result<(), String> {
    if version > in_force {
        Ok(())
    } else {
        Err(format!("version {version} is not above {in_force}, which is in force; send a higher one"))
    }
}

/// Kept before it is in force, so that a restart does not fall back behind what was reported.
async fn keep(inner: &Inner, name: &'static str, version: u64, desired: &impl serde::Serialize) -> Result<(), String> {
    let value = serde_json::to_value(desired).map_err(|fault| fault.to_string())?;
    let now = inner.clock.now();
    let kept = inner.ledger.with(move |store| store.set(now, name, &Setting { counter: version, value })).await;
    match kept {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("the ledger holds a later version than {version}; send a higher one")),
        Err(fault) => Err(crate::fault_text(&fault)),
    }
}

fn put_budgets(inner: &Inner, desired: &BudgetDesired) -> Result<(), String> {
    let limits = overlaid(inner, desired);
    lock(&inner.governor).set_budgets(&limits).map_err(|fault| fault.to_string())
}

/// The configured budgets, those of the same resource and window replaced by the wish.
fn overlaid(inner: &Inner, desired: &BudgetDesired) -> Vec<Budget> {
    let replaced = |budget: &&Budget| {
        let key = (budget.resource(), budget.window());
        !desired.limits.iter().any(|limit| (limit.resource, limit.window) == key)
    };
    inner.config.budgets.iter().filter(replaced).copied().chain(desired.limits.iter().map(budget)).collect()
}

fn budget(limit: &Limit) -> Budget {
    match limit.resource {
        Resource::Energy => Budget::energy(limit.window, Joules::from_micro(limit.limit)),
        Resource::Money => Budget::money(limit.window, Usd::from_nano(limit.limit)),
        Resource::Bytes => Budget::bytes(limit.window, Bytes::new(limit.limit)),
        Resource::Latency => Budget::latency(limit.window, Millis::new(limit.limit)),
    }
}

pub(super) async fn report_budget(inner: &Inner) {
    let Wish { version, rejected } = lock(&inner.operator.wishes).budget.clone();
    let budgets = {
        let governor = lock(&inner.governor);
        let mut states = budget_states(governor.budgets(), None);
        let conversations =
            governor.budgets().limits().iter().filter(|b| b.window() == trimtab_core::Window::Conversation);
        // A budget per conversation has no one account; its limit is reported all the same.
        states.extend(conversations.map(|b| trimtab_wire::operator::BudgetState {
            resource: b.resource(),
            window: b.window(),
            limit: b.limit(),
            spent: 0,
            held: 0,
        }));
        states
    };
    let report = BudgetReported { version, rejected, budgets, overruns: inner.overruns() };
    if let Some(payload) = encoded(&report) {
        reported(inner, Subject::Budget, payload).await;
    }
}

pub(super) async fn report_preference(inner: &Inner) {
    let Wish { version, rejected } = lock(&inner.operator.wishes).preference.clone();
    let preference: Preference = *lock(&inner.governor).preference();
    if let Some(payload) = encoded(&PreferenceReported { version, rejected, preference }) {
        reported(inner, Subject::Preference, payload).await;
    }
}

async fn reported(inner: &Inner, subject: Subject, payload: Vec<u8>) {
    let topic = Topic::Reported(inner.config.fleet.clone(), inner.config.id.clone(), subject);
    publish(inner, topic, payload, Publication::retained).await;
}
