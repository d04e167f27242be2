//! A place for one frame: the newest wins, and what nobody saw is counted.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::CameraCounts;
use super::frame::Frame;

#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    frame: Option<Frame>,
    seen: bool,
    trouble: Option<String>,
    counts: CameraCounts,
    stopping: bool,
}

impl Slot {
    /// Puts a frame in; what ailed the source is over.
    pub(super) fn put(&self, frame: Frame) {
        let mut state = self.state();
        if state.frame.is_some() && !state.seen {
            state.counts.unseen += 1;
        }
        state.counts.frames += 1;
        state.frame = Some(frame);
        state.seen = false;
        state.trouble = None;
    }

    /// The newest frame, and what ails the source.
    pub(super) fn look(&self) -> (Option<Frame>, Option<String>) {
        let mut state = self.state();
        state.seen = true;
        (state.frame.clone(), state.trouble.clone())
    }

    pub(super) fn count_bad(&self, frames: u64) {
        self.state().counts.bad += frames;
    }

    pub(super) fn count_restart(&self) {
        self.state().counts.restarts += 1;
    }

    pub(super) fn ail(&self, trouble: String) {
        self.state().trouble = Some(trouble);
    }

    pub(super) fn counts(&self) -> CameraCounts {
        self.state().counts
    }

    pub(super) fn stop(&self) {
        self.state().stopping = true;
        self.changed.notify_all();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    /// Waits; true if it was stopped meanwhile.
    pub(super) fn rest(&self, span: Duration) -> bool {
        let state = self.state();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, span, |state| !state.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        state.stopping
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
