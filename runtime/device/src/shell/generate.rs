//! Answers on the device, token by token, under a hold.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use trimtab_core::{Joules, Millis};
use trimtab_engine::{GenerateOptions, LanguageModel};
use trimtab_turn::{Event, Finish};

use super::energy::EnergyReader;
use crate::clock::Clock;
use crate::meter::CpuTime;

/// Bounds of one generation.
pub(super) struct Generation {
    pub(super) prompt: String,
    pub(super) until_energy: Joules,
    pub(super) until: Millis,
    pub(super) max_tokens: u32,
    pub(super) stop: Arc<AtomicBool>,
}

/// Runs on a blocking thread; tells every token and the end on `events`. It stops by itself at the first token after its
/// joules or its time are used up, so that no hold depends on another thread being awake.
pub(super) fn generate(
    model: &LanguageModel,
    energy: &EnergyReader,
    clock: &dyn Clock,
    cpu: &CpuTime,
    bounds: &Generation,
    events: &mpsc::Sender<Event>,
) {
    let _counted = cpu.enter();
    let start = energy.now();
    let spent = || energy.now().minus(start);
    let mut cut = None;
    let options = GenerateOptions { max_tokens: bounds.max_tokens as usize, ..GenerateOptions::default() };
    let done = model.session().generate(&bounds.prompt, &options, &mut |token| {
        let used = spent();
        let told = events.blocking_send(Event::LocalToken { text: token.piece.to_owned(), energy: used });
        cut = if energy.is_known() && used >= bounds.until_energy {
            Some(Finish::EnergyCut)
        } else if clock.now() >= bounds.until {
            Some(Finish::TimeCut)
        } else {
            None
        };
        if cut.is_some() || told.is_err() || bounds.stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let event = match done {
        Ok(done) => {
            let finish = match done.finish {
                trimtab_engine::Finish::Stop => Finish::Stop,
                trimtab_engine::Finish::Length => Finish::Length,
                trimtab_engine::Finish::Cancelled => cut.unwrap_or(Finish::TimeCut),
            };
            Event::LocalDone { finish, energy: spent() }
        }
        Err(fault) => Event::LocalFailed { detail: crate::fault_text(&fault), energy: spent() },
    };
    // Nobody listens once the runtime is stopping; the ledger keeps the hold open then.
    let _ = events.blocking_send(event);
}
