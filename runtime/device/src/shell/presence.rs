//! Whether the local model is there: while it is away, in another process or evicted from this one, no turn counts on it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use trimtab_engine::Engine;
use trimtab_turn::LocalEngine;

use super::{Inner, lock, stopped};

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Whether the local model is there.
#[derive(Default)]
pub(super) struct Presence {
    state: Mutex<State>,
    look: Notify,
}

#[derive(Default)]
struct State {
    /// Why it is away.
    fault: Option<String>,
    /// What is known of it, for when it is back.
    engine: Option<LocalEngine>,
}

impl Presence {
    /// Why it is away; none while it is there.
    pub(super) fn fault(&self) -> Option<String> {
        lock(&self.state).fault.clone()
    }

    /// It did not answer: looks now and not when it is time to.
    pub(super) fn look_now(&self) {
        self.look.notify_one();
    }
}

impl Inner {
    /// Notes whether the local model is there, and offers it to turns or not.
    pub(super) fn note_presence(&self, fault: Option<String>) {
        let mut state = lock(&self.presence.state);
        match (&state.fault, &fault) {
            (None, Some(fault)) => {
                tracing::error!("{fault}");
                state.engine = lock(&self.governor).set_local(None);
            }
            (Some(_), None) => {
                tracing::info!("the local model is back");
                let engine = state.engine.take();
                lock(&self.governor).set_local(engine);
            }
            _ => {}
        }
        state.fault = fault;
    }
}

/// Looks for the local model until the runtime stops. Nothing to do where it runs in this process.
pub(super) async fn follow(inner: Arc<Inner>) {
    let Some(lm) = inner.lm.model().filter(|lm| lm.engine() == Engine::Server) else { return };
    let mut stop = inner.stop.subscribe();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = inner.presence.look.notified() => {}
            () = stopped(&mut stop) => return,
        }
        let lm = Arc::clone(&lm);
        let looked = tokio::select! {
            looked = tokio::task::spawn_blocking(move || lm.ready()) => looked,
            () = stopped(&mut stop) => return,
        };
        inner.note_presence(match looked {
            Ok(found) => found.err().map(|fault| crate::fault_text(&fault)),
            Err(fault) => Some(format!("looking for the local model broke off ({fault}); please report this")),
        });
    }
}
