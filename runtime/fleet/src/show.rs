//! What the operator sees: lines for people; JSON is the payload itself.

use std::fmt::Write;

use trimtab_core::{Bytes, Joules, Millis, Resource, Usd};
use trimtab_wire::DeviceId;
use trimtab_wire::operator::{BudgetReported, Decision, PayloadError, Status};

/// One device in a list.
pub fn status(device: &DeviceId, status: &Result<Status, PayloadError>) -> String {
    match status {
        Err(fault) => format!("{device:<24} ?        {fault}"),
        Ok(status) => {
            let state = if status.online { "online" } else { "offline" };
            let version = status.version.as_deref().unwrap_or("-");
            let cameras = if status.cameras.is_empty() { "-".to_owned() } else { status.cameras.join(",") };
            let policy = status.policy.as_deref().unwrap_or("-");
            format!("{device:<24} {state:<8} boot {:<5} {version:<10} cameras {cameras}  policy {policy}", status.boot)
        }
    }
}

/// One decision as a line.
pub fn decision(device: &DeviceId, decision: &Decision) -> String {
    let views = if decision.views.is_empty() { "no view".to_owned() } else { decision.views.join("+") };
    let mut line = format!(
        "{device} {} {} → {} ({}) {views}: {}; {} ms {}, {} {}, {:.3} µUSD {}, {} B up",
        decision.turn,
        decision.task.name(),
        decision.node,
        decision.placement.name(),
        decision.reason,
        decision.latency_ms,
        decision.latency_source,
        Joules::from_micro(decision.energy_uj),
        decision.energy_source,
        decision.money_uusd,
        decision.price_source,
        decision.bytes_up,
    );
    if let Some(prompt) = &decision.prompt {
        // Writing to a String cannot fail.
        let _infallible = write!(line, " — {prompt}");
    }
    line
}

/// The budgets of a device, a line each.
pub fn budgets(reported: &BudgetReported) -> String {
    let mut text = String::new();
    for budget in &reported.budgets {
        let show = |n| amount(budget.resource, n);
        let _infallible = writeln!(
            text,
            "{:<8} per {:<12} {} spent, {} held, of {}",
            budget.resource.name(),
            budget.window.name(),
            show(budget.spent),
            show(budget.held),
            show(budget.limit),
        );
    }
    if reported.budgets.is_empty() {
        text.push_str("no budgets in force\n");
    }
    if let Some(said) = &reported.rejected {
        let _infallible = writeln!(text, "wish {} is not in force: {said}", reported.version);
    }
    if reported.overruns > 0 {
        let _infallible = writeln!(text, "{} settlements above their hold", reported.overruns);
    }
    text
}

fn amount(resource: Resource, n: u64) -> String {
    match resource {
        Resource::Energy => Joules::from_micro(n).to_string(),
        Resource::Money => Usd::from_nano(n).to_string(),
        Resource::Bytes => Bytes::new(n).to_string(),
        Resource::Latency => Millis::new(n).to_string(),
    }
}
