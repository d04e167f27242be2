//! Watches memory, and gives up what the [`Ladder`] says, rung by rung.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use trimtab_core::Millis;

use super::seat::Seated;
use super::{Inner, stopped};
use crate::memory::{LOOK_EVERY, Ladder, Rung, Strain};

/// How long after an eviction the local model is loaded again at the earliest; doubled each time it had to go again.
const AWAY: Millis = Millis::new(30_000);
/// The longest it is kept out.
const AWAY_MAX: Millis = Millis::new(3_600_000);
/// A model that stayed so long is taken to fit.
const STAYED: Millis = Millis::new(600_000);
const EVICTED: &str = "the local model was evicted, because memory is short; it is loaded again when there is room";

/// The local model's going and coming.
struct Lodging {
    away: Millis,
    back_at: Option<Millis>,
    came: Millis,
}

/// Watches until the runtime stops. Nothing to do where the figures of this process say nothing of the runtime.
pub(super) async fn watch(inner: Arc<Inner>) {
    let mut stop = inner.stop.subscribe();
    let mut ladder = Ladder::default();
    let mut lodging = Lodging { away: AWAY, back_at: None, came: inner.clock.now() };
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY.duration()) => {}
            () = stopped(&mut stop) => return,
        }
        // The kernel's files are made when they are read; nothing waits for a disk.
        let Some(strain) = inner.memory.strain() else { continue };
        let (before, now) = (ladder.rung(), inner.clock.now());
        let rung = ladder.look(now, strain);
        inner.rung.store(rung as u8, Ordering::Relaxed);
        if rung != before {
            tell(before, rung, strain);
        }
        if rung > before {
            match rung {
                Rung::Trim => trim(&inner).await,
                Rung::Evict => tokio::select! {
                    () = evict(&inner, &mut lodging) => {}
                    () = stopped(&mut stop) => return,
                },
                Rung::Calm | Rung::Refuse => {}
            }
        }
        let due = lodging.back_at.is_some_and(|at| rung == Rung::Calm && inner.clock.now() >= at);
        if due {
            restore(&inner, &mut lodging).await;
        }
    }
}

fn tell(before: Rung, rung: Rung, strain: Strain) {
    let (share, stall) = (f64::from(strain.share) / 10.0, f64::from(strain.stall) / 10.0);
    if rung > before {
        tracing::warn!(rung = rung.name(), share, stall, "memory is short (percent of the ceiling, of the time)");
    } else {
        tracing::info!(rung = rung.name(), share, stall, "memory has eased (percent of the ceiling, of the time)");
    }
}

async fn trim(inner: &Inner) {
    inner.eyes.forget();
    if let Err(fault) = inner.ledger.with(|store| store.trim()).await {
        tracing::warn!(fault = %crate::fault_text(&fault), "the ledger's pages were not given back");
    }
}

/// Takes the local model from turns and frees it, once the present turn is over.
async fn evict(inner: &Inner, lodging: &mut Lodging) {
    let Ok(_no_turn) = inner.one_turn.acquire().await else { return };
    if !inner.lm.vacate() {
        return;
    }
    inner.note_presence(Some(EVICTED.to_owned()));
    let now = inner.clock.now();
    if now.minus(lodging.came) >= STAYED {
        lodging.away = AWAY;
    }
    lodging.back_at = Some(now.plus(lodging.away));
    lodging.away = lodging.away.times(2).min(AWAY_MAX);
}

/// Loads the local model again if it fits; else tries later.
async fn restore(inner: &Arc<Inner>, lodging: &mut Lodging) {
    let loading = {
        let (models, memory) = (inner.config.models.clone(), inner.memory.clone());
        tokio::task::spawn_blocking(move || Seated::load(&models, &memory)).await
    };
    lodging.came = inner.clock.now();
    match loading {
        Ok(Ok(seated)) => {
            inner.lm.take(seated);
            inner.note_presence(None);
            lodging.back_at = None;
        }
        Ok(Err(fault)) => {
            tracing::warn!(fault = %crate::fault_text(&fault), "the local model stays out");
            lodging.back_at = Some(lodging.came.plus(lodging.away));
        }
        Err(fault) => {
            tracing::error!(%fault, "loading the local model broke off; please report this");
            lodging.back_at = Some(lodging.came.plus(lodging.away));
        }
    }
}

impl Inner {
    /// What is given up for want of memory.
    pub(crate) fn rung(&self) -> Rung {
        let code = self.rung.load(Ordering::Relaxed);
        [Rung::Trim, Rung::Evict, Rung::Refuse].into_iter().find(|rung| *rung as u8 == code).unwrap_or_default()
    }
}
