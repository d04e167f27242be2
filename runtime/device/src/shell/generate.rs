//! Answers on the device, token by token, under a hold.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use trimtab_core::{Joules, Millis};
use trimtab_engine::{GenerateOptions, LocalModel, Progress};
use trimtab_turn::{Event, Finish};

use super::energy::EnergyReader;
use crate::clock::Clock;
use crate::meter::CpuTime;

/// Bounds of one generation.
pub(super) struct Generation {
    /// What the meter read when its hold began to pay.
    pub(super) began: Joules,
    /// Processors of another process that work for it; none: it is computed here.
    pub(super) cores_elsewhere: Option<u32>,
    pub(super) prompt: String,
    pub(super) until_energy: Joules,
    pub(super) until: Millis,
    pub(super) max_tokens: u32,
    pub(super) stop: Arc<AtomicBool>,
}

/// Runs on a blocking thread; tells every token and the end on `events`, and returns whether it could answer. It stops by itself at the first token after its
/// joules or its time are used up, or while it waits for one, so that no hold depends on another thread being awake.
pub(super) fn generate(
    model: &dyn LocalModel,
    energy: &EnergyReader,
    clock: &dyn Clock,
    cpu: &CpuTime,
    bounds: &Generation,
    events: &mpsc::Sender<Event>,
) -> bool {
    let _counted = cpu.enter();
    let _elsewhere = bounds.cores_elsewhere.map(|cores| cpu.enter_elsewhere(cores));
    let spent = || energy.now().minus(bounds.began);
    let mut cut = None;
    let options = GenerateOptions { max_tokens: bounds.max_tokens as usize, ..GenerateOptions::default() };
    let done = model.generate(&bounds.prompt, &options, &mut |progress| {
        let used = spent();
        let told = match progress {
            Progress::Token { piece, .. } => {
                events.blocking_send(Event::LocalToken { text: piece.to_owned(), energy: used }).is_ok()
            }
            Progress::Waiting => true,
        };
        cut = if energy.is_known() && used >= bounds.until_energy {
            Some(Finish::EnergyCut)
        } else if clock.now() >= bounds.until {
            Some(Finish::TimeCut)
        } else {
            None
        };
        if cut.is_some() || !told || bounds.stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let answered = done.is_ok();
    let event = match done {
        Ok(done) => {
            let finish = match done.finish {
                trimtab_engine::Finish::Stop => Finish::Stop,
                trimtab_engine::Finish::Length => Finish::Length,
                trimtab_engine::Finish::Cancelled => cut.unwrap_or(Finish::TimeCut),
            };
            if done.action_malformed {
                tracing::warn!("the local model began an action that cannot be read; nothing is done of it");
            }
            let action = done.action.and_then(|action| serde_json::to_string(&action).ok());
            Event::LocalDone { finish, action, energy: spent() }
        }
        Err(fault) => Event::LocalFailed { detail: crate::fault_text(&fault), energy: spent() },
    };
    // Nobody listens once the runtime is stopping; the ledger keeps the hold open then.
    let _ = events.blocking_send(event);
    answered
}
