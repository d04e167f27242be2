//! Follows heat and undervoltage of the board: what is computed here is quoted higher while the board is slowed or about to be.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Inner, lock, stopped};
use crate::meter::{Counters, MeterSources};
use crate::thermal::Condition;

/// How often it is looked at: a board heats up over seconds.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Inner {
    /// How the board is, for people and programs.
    pub(super) fn thermal_status(&self) -> Value {
        let condition = lock(&self.condition).clone();
        json!({
            "state": condition.state.name(),
            "source": condition.source,
            "hottest_millicelsius": condition.hottest,
            "quotes_percent": condition.state.widening_percent(),
        })
    }
}

/// Looks at it until the device stops.
pub(super) async fn follow(inner: Arc<Inner>) {
    let paths = MeterSources::of(&inner.config.energy, Counters::default()).paths;
    let mut stop = inner.stop.subscribe();
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = stopped(&mut stop) => return,
        }
        let paths = paths.clone();
        // Files are read, and a program may be asked.
        let Ok(found) = tokio::task::spawn_blocking(move || Condition::look(&paths)).await else { continue };
        let before = std::mem::replace(&mut *lock(&inner.condition), found.clone());
        if before.state == found.state {
            continue;
        }
        lock(&inner.governor).set_slowness(found.state.widening_percent());
        if found.state > before.state {
            tracing::warn!(state = found.state.name(), source = %found.source, "the board slows down, or is about to: local answers are quoted higher");
        } else {
            tracing::info!(state = found.state.name(), "the board is faster again");
        }
    }
}
