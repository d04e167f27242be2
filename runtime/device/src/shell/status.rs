//! The present state, for `trimtab status`, the API and operators.

use serde_json::{Value, json};
use trimtab_core::{Bytes, Joules, Millis, Resource};
use trimtab_mqtt::LinkState;
use trimtab_turn::EnergySource;

use super::{Inner, lock};
use crate::memory::Group;
use crate::operator::budget_states;

impl Inner {
    /// Names of the models that are loaded.
    pub(crate) fn models(&self) -> Vec<String> {
        let encoder = self.eyes.fingerprint().map(|fingerprint| format!("encoder:{fingerprint}"));
        encoder.into_iter().chain(self.lm.model().map(|_| "lm".to_owned())).collect()
    }

    /// The policy in force; none: the default rule.
    pub(crate) fn policy(&self) -> Option<String> {
        self.scorer.policy().map(|policy| policy.fingerprint().to_string())
    }

    pub(crate) fn energy_source(&self) -> EnergySource {
        self.energy.source()
    }

    pub(crate) fn energy_now(&self) -> Joules {
        self.energy.now()
    }

    pub(crate) fn memory_status(&self) -> Value {
        let limited = |bytes: Bytes| (bytes != Bytes::MAX).then_some(bytes.get());
        let strain = self.memory.strain();
        json!({
            "ceiling_bytes": limited(self.memory.ceiling()),
            "used_bytes": self.memory.used().ok().map(Bytes::get),
            "heap_bytes": self.memory.heap().get(),
            "left_bytes": self.memory.left().ok().and_then(limited),
            "group_limit_bytes": self.memory.group_limit().map(Bytes::get),
            "rung": self.rung().name(),
            "share_permille": strain.map(|strain| strain.share),
            "stall_permille": strain.map(|strain| strain.stall),
            "kills": self.memory.group().ok().and_then(Group::kills),
        })
    }

    /// Why the link is down, as far as known.
    fn link_trouble(&self) -> Option<String> {
        match self.link.as_ref()?.state() {
            LinkState::Down { reason, .. } => Some(reason.to_string()),
            LinkState::Up { .. } | LinkState::Ended => None,
        }
    }

    async fn ledger_status(&self) -> Value {
        match self.ledger.with(|store| store.losses()).await {
            Ok(losses) => json!({
                "disk_full": losses.full,
                "lost": losses.records,
                "lost_since_ms": losses.since.map(Millis::get),
            }),
            Err(fault) => json!({"trouble": crate::fault_text(&fault)}),
        }
    }

    pub(crate) async fn status(&self) -> Value {
        let ledger = self.ledger_status().await;
        let (link, nodes, budgets, local, preference, coverage) = {
            let governor = lock(&self.governor);
            let nodes: Vec<Value> = governor
                .nodes()
                .iter()
                .map(|node| {
                    json!({
                        "name": node.name,
                        "open": node.closed.is_none(),
                        "closed_because": node.closed.map(|reason| reason.name()),
                        "quality": node.profile.quality,
                        "latency_p50_ms": node.profile.latency_p50.get(),
                        "profile": node.profile,
                    })
                })
                .collect();
            let budgets: Vec<Value> = budget_states(governor.budgets(), None)
                .iter()
                .map(|state| {
                    json!({
                        "resource": state.resource.name(),
                        "window": state.window.name(),
                        "unit": unit(state.resource),
                        "limit": state.limit,
                        "spent": state.spent,
                        "held": state.held,
                        "left": state.limit.saturating_sub(state.spent.saturating_add(state.held)),
                    })
                })
                .collect();
            let local = governor.local().map(|local| local.profile);
            (*governor.link(), nodes, budgets, local, *governor.preference(), governor.coverage())
        };
        json!({
            "device": self.config.id.as_str(),
            "fleet": self.config.fleet.as_str(),
            "version": env!("CARGO_PKG_VERSION"),
            "boot": self.ledger.boot(),
            "active_ms": self.clock.now().get(),
            "turns": self.turns.load(std::sync::atomic::Ordering::Relaxed),
            "waiting": self.waiting.load(std::sync::atomic::Ordering::Relaxed),
            "models": self.models(),
            "policy": self.policy(),
            "local": local.is_some(),
            "local_profile": local,
            "local_engine": self.lm.model().map(|lm| lm.engine().name()),
            "explore": self.config.api.explore,
            "cameras": self.eyes.status(),
            "encodes": self.eyes.encodes(),
            "link": {
                "configured": self.link.is_some(),
                "up": link.up,
                "why": self.link_trouble(),
                "round_trip_ms": link.round_trip.get(),
                "uplink_bits_per_s": link.uplink_bits_per_s,
            },
            "nodes": nodes,
            "budgets": budgets,
            "preference": preference,
            "overruns": self.overruns(),
            "quotes": {"actions": coverage.actions, "above": coverage.above},
            "energy": self.energy.status(),
            "supervisor": self.supervisor.as_ref().map(|supervisor| supervisor.status()),
            "ledger": ledger,
            "thermal": self.thermal_status(),
            "memory": self.memory_status(),
            "offload": self.offload().map(|offload| json!({
                "waiting": offload.waiting(),
                "duplicates": offload.duplicates(),
                "strays": offload.strays(),
            })),
            "faults": self.faults.iter().cloned().chain(self.presence.fault()).collect::<Vec<_>>(),
        })
    }
}

const fn unit(resource: Resource) -> &'static str {
    match resource {
        Resource::Energy => "uJ",
        Resource::Money => "nUSD",
        Resource::Bytes => "B",
        Resource::Latency => "ms",
    }
}
