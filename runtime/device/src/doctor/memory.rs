//! The ceiling and what enforces it: the runtime's own account, its control group, and the kernel's word on pressure.

use serde_json::Value;
use trimtab_core::Bytes;

use super::files::sized;
use super::{Finding, Places};
use crate::config::Config;
use crate::memory::{Accounting, Group, Memory, Stall};

const PART: &str = "memory";

pub(super) fn examine(config: &Config, running: Option<&Value>, places: &Places) -> Vec<Finding> {
    let mut findings = vec![ceiling(config, running, places), group(running, places), pressure(places)];
    findings.extend(running.and_then(kills));
    findings
}

fn ceiling(config: &Config, running: Option<&Value>, places: &Places) -> Finding {
    let memory = match Memory::new(config.memory_ceiling, Accounting::Process, places.memory.clone()) {
        Ok(memory) => memory,
        Err(fault) => return Finding::fault(PART, &fault),
    };
    let told = running.map(|status| status["memory"]["ceiling_bytes"].as_u64().map_or(Bytes::MAX, Bytes::new));
    let ceiling = told.unwrap_or_else(|| memory.ceiling());
    let machine = memory.machine();
    match (ceiling, machine) {
        (Bytes::MAX, _) => Finding::warn(
            PART,
            "no ceiling: set [memory] ceiling, or MemoryMax of the unit, so that a model that is too large is refused before the kernel kills something",
        ),
        (ceiling, Some(machine)) if ceiling > machine => Finding::warn(
            PART,
            format!(
                "the ceiling of {} is above the machine's {}, so it bounds nothing; lower [memory] ceiling",
                sized(ceiling),
                sized(machine)
            ),
        ),
        (ceiling, _) => {
            let rung = running.and_then(|status| status["memory"]["rung"].as_str()).unwrap_or("calm");
            let says = format!("ceiling {}", sized(ceiling));
            if rung == "calm" {
                Finding::ok(PART, says)
            } else {
                Finding::warn(
                    PART,
                    format!("{says}, and short of it ({rung}); raise [memory] ceiling or choose smaller models"),
                )
            }
        }
    }
}

/// Who stops the process where its own account is wrong.
fn group(running: Option<&Value>, places: &Places) -> Finding {
    const PART: &str = "memory group";
    match Group::own(&places.memory.proc, &places.memory.cgroup) {
        Err(fault) => Finding::warn(
            PART,
            format!(
                "{fault}; until then only the runtime's own account keeps the ceiling, and nothing stops it where that is wrong"
            ),
        ),
        Ok(group) => {
            let told = running.map(|status| status["memory"]["group_limit_bytes"].as_u64().map(Bytes::new));
            match told.unwrap_or_else(|| group.limit()) {
                Some(limit) => Finding::ok(PART, format!("the kernel counts memory and stops at {}", sized(limit))),
                None => Finding::ok(PART, "the kernel counts memory; no limit is set here"),
            }
        }
    }
}

fn pressure(places: &Places) -> Finding {
    const PART: &str = "memory pressure";
    match Stall::of_machine(&places.memory.proc) {
        Some(stall) => Finding::ok(
            PART,
            format!("work stood still for {:.1} % of the last ten seconds", f64::from(stall.some) / 10.0),
        ),
        None => Finding::warn(
            PART,
            "the kernel does not tell it (no /proc/pressure/memory); add \"psi=1\" to the kernel's command line, so that the runtime gives way before memory is gone",
        ),
    }
}

fn kills(status: &Value) -> Option<Finding> {
    let kills = status["memory"]["kills"].as_u64().filter(|kills| *kills > 0)?;
    Some(Finding::fail(
        "memory kills",
        format!(
            "the kernel has killed {kills} process(es) of the runtime's group for want of memory; raise MemoryMax or lower [memory] ceiling below it"
        ),
    ))
}
