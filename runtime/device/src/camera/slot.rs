//! A place for one picture that nobody has developed yet: the newest wins, and what nobody saw is counted.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use trimtab_core::Millis;
use trimtab_engine::RgbFrame;
use trimtab_v4l2::Layout;

use super::{CameraCounts, CameraError};

/// A picture as it came. It is masked before it leaves the darkroom, and nothing else looks at it.
pub(super) enum Exposure {
    /// A JPEG whose head was looked at.
    Jpeg(Vec<u8>),
    /// Raw bytes.
    Raw { layout: Layout, bytes: Vec<u8> },
    /// Decoded already.
    Pixels(RgbFrame),
    /// Still in a device's own memory.
    Held(Arc<dyn Holder>),
}

/// Keeps the newest picture of a device where it is until somebody asks for it.
pub(super) trait Holder: Send + Sync {
    /// A copy of it; none if the device is gone.
    fn copy(&self) -> Option<Exposure>;
}

pub(super) struct Shot {
    pub(super) exposure: Exposure,
    pub(super) taken: Millis,
    pub(super) seq: u64,
}

#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    newest: Option<Shot>,
    /// When the newest picture was taken, developed or not.
    taken: Option<Millis>,
    trouble: Option<String>,
    /// Why the newest picture that came is not used.
    refused: Option<Arc<CameraError>>,
    mode: Option<String>,
    counts: CameraCounts,
    stopping: bool,
}

impl Slot {
    /// Puts a picture in; what ailed the source is over.
    pub(super) fn put(&self, shot: Shot) {
        let mut state = self.state();
        state.counts.frames += 1;
        state.taken = Some(shot.taken);
        if state.newest.replace(shot).is_some() {
            state.counts.unseen += 1;
        }
        state.trouble = None;
        state.refused = None;
    }

    /// Takes the newest picture out, if it is no older than allowed.
    pub(super) fn take(&self, now: Millis, freshness: Millis) -> Option<Shot> {
        self.state().newest.take_if(|shot| now.minus(shot.taken) <= freshness)
    }

    /// When the newest picture was taken.
    pub(super) fn taken(&self) -> Option<Millis> {
        self.state().taken
    }

    /// What ails the source, and why its newest picture is not used.
    pub(super) fn trouble(&self) -> (Option<String>, Option<Arc<CameraError>>) {
        let state = self.state();
        (state.trouble.clone(), state.refused.clone())
    }

    /// Counts a picture that cannot be used, and keeps why.
    pub(super) fn refuse(&self, error: Arc<CameraError>) {
        let mut state = self.state();
        state.counts.bad += 1;
        state.refused = Some(error);
    }

    pub(super) fn count_bad(&self, pictures: u64) {
        self.state().counts.bad += pictures;
    }

    /// Pictures that came and were replaced before they could be put in.
    pub(super) fn count_unseen(&self, pictures: u64) {
        let mut state = self.state();
        state.counts.frames += pictures;
        state.counts.unseen += pictures;
    }

    pub(super) fn count_lost(&self, pictures: u64) {
        self.state().counts.lost += pictures;
    }

    pub(super) fn count_restart(&self) {
        self.state().counts.restarts += 1;
    }

    pub(super) fn ail(&self, trouble: String) {
        self.state().trouble = Some(trouble);
    }

    /// What the source was set to.
    pub(super) fn set_mode(&self, mode: String) {
        self.state().mode = Some(mode);
    }

    pub(super) fn mode(&self) -> Option<String> {
        self.state().mode.clone()
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
