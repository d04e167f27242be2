//! A source whose pictures come by themselves: a thread of its own delivers them into a slot, and starts the source again,
//! later each time, when it fails, ends or hangs. A picture is developed when somebody asks for it, and only then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use trimtab_core::Millis;

use super::darkroom::Darkroom;
use super::frame::Frame;
use super::slot::{Exposure, Shot, Slot};
use super::{CameraCounts, CameraError};
use crate::clock::Clock;

/// First pause before a source is started again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A source that delivered for so long is taken to be well: the pause is short again.
const WELL: Duration = Duration::from_secs(10);
/// Longest time without a picture, unless older ones are wanted.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How long a source is waited for when it shall end; a driver that hangs is left behind.
const END_MAX: Duration = Duration::from_secs(3);
/// How often a source looks whether it shall stop.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// What fetches pictures from somewhere.
pub(super) trait Feed: Send + 'static {
    /// Delivers until something ails the source, and says what, with the name of what it is. Also returns, with any words,
    /// when `desk` is told to stop.
    fn deliver(&mut self, desk: &mut Desk) -> String;
}

/// Where a feed lays down what it fetches.
pub(super) struct Desk {
    pub(super) slot: Arc<Slot>,
    darkroom: Arc<Darkroom>,
    clock: Arc<dyn Clock>,
    /// Named in errors.
    origin: String,
    silence: Duration,
    heard: Instant,
    seq: u64,
}

impl Desk {
    pub(super) fn is_stopping(&self) -> bool {
        self.slot.is_stopping()
    }

    /// A JPEG that came, unless its head says that it cannot be used.
    pub(super) fn jpeg(&mut self, jpeg: Vec<u8>) {
        match self.darkroom.admit(jpeg, &self.origin) {
            Ok(exposure) => self.put(exposure, Duration::ZERO),
            Err(error) => {
                tracing::debug!(%error, "a picture is not used");
                self.slot.refuse(Arc::new(error));
            }
        }
    }

    /// A picture that was taken so long ago.
    pub(super) fn put(&mut self, exposure: Exposure, age: Duration) {
        self.seq += 1;
        self.heard = Instant::now();
        let taken = self.clock.now().minus(Millis::from_duration(age));
        self.slot.put(Shot { exposure, taken, seq: self.seq });
    }

    /// For how long there has been no picture, if that is too long.
    pub(super) fn silent(&self) -> Option<String> {
        let silent = self.heard.elapsed();
        (silent >= self.silence).then(|| format!("delivered no picture for {} s", silent.as_secs()))
    }

    /// No picture for so long is trouble, whatever the freshness.
    pub(super) fn allow_silence(&mut self, least: Duration) {
        self.silence = self.silence.max(least);
    }
}

/// A running source.
pub(super) struct Live {
    slot: Arc<Slot>,
    darkroom: Arc<Darkroom>,
    clock: Arc<dyn Clock>,
    origin: String,
    freshness: Millis,
    /// The picture that was developed last; one is developed at a time.
    developed: Mutex<Option<Frame>>,
    /// Whether the last one that was tried could not be developed.
    spoilt: AtomicBool,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    pub(super) fn start(
        origin: String,
        freshness: Millis,
        darkroom: Darkroom,
        clock: Arc<dyn Clock>,
        feed: impl Feed,
    ) -> Result<Self, CameraError> {
        let (slot, darkroom) = (Arc::new(Slot::default()), Arc::new(darkroom));
        let camera = darkroom.camera();
        let desk = Desk {
            slot: Arc::clone(&slot),
            darkroom: Arc::clone(&darkroom),
            clock: Arc::clone(&clock),
            origin: origin.clone(),
            // Whoever is content with older pictures has a slow camera.
            silence: SILENCE_MAX.max(freshness.duration() * 2),
            heard: Instant::now(),
            seq: 0,
        };
        let thread = std::thread::Builder::new()
            .name(format!("camera {camera}"))
            .spawn(move || run(feed, desk))
            .map_err(|source| CameraError::Thread { camera, source })?;
        let thread = Some(thread);
        let (developed, spoilt) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { slot, darkroom, clock, origin, freshness, developed, spoilt, thread })
    }

    pub(super) fn latest(&self) -> Result<Frame, CameraError> {
        let mut developed = self.developed();
        let now = self.clock.now();
        if let Some(shot) = self.slot.take(now, self.freshness) {
            let outcome = self.darkroom.develop(shot.exposure, &self.origin, shot.taken, shot.seq);
            let outcome = outcome.and_then(|frame| self.darkroom.proof(frame));
            self.spoilt.store(outcome.is_err(), Ordering::Relaxed);
            match outcome {
                Ok(Some(frame)) => *developed = Some(frame),
                // The device went away between.
                Ok(None) => {}
                Err(error) => self.slot.refuse(Arc::new(error)),
            }
        }
        match &*developed {
            Some(frame) if now.minus(frame.taken()) <= self.freshness => Ok(frame.clone()),
            _ => Err(self.absence(now)),
        }
    }

    /// Why there is no picture; none is developed for it, unless the last one could not be.
    pub(super) fn fault(&self) -> Option<CameraError> {
        let now = self.clock.now();
        let is_fresh = self.slot.taken().is_some_and(|taken| now.minus(taken) <= self.freshness);
        match (is_fresh, self.spoilt.load(Ordering::Relaxed)) {
            (true, false) => None,
            (true, true) => self.latest().err(),
            (false, _) => Some(self.absence(now)),
        }
    }

    fn absence(&self, now: Millis) -> CameraError {
        let camera = self.darkroom.camera();
        match (self.slot.trouble(), self.slot.taken()) {
            ((Some(trouble), _), _) => CameraError::Lost { camera, trouble },
            ((None, Some(refused)), _) => CameraError::Refused(refused),
            ((None, None), Some(taken)) => CameraError::Stale {
                camera,
                origin: self.origin.clone(),
                age: now.minus(taken),
                freshness: self.freshness,
            },
            ((None, None), None) => CameraError::Waiting { camera, origin: self.origin.clone() },
        }
    }

    pub(super) fn mode(&self) -> Option<String> {
        self.slot.mode()
    }

    pub(super) fn counts(&self) -> CameraCounts {
        self.slot.counts()
    }

    fn developed(&self) -> MutexGuard<'_, Option<Frame>> {
        self.developed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.slot.stop();
        let Some(thread) = self.thread.take() else { return };
        let asked = Instant::now();
        while !thread.is_finished() && asked.elapsed() < END_MAX {
            std::thread::sleep(Duration::from_millis(2));
        }
        if thread.is_finished() {
            // A panic in it was reported by the thread itself; there is nothing left to end.
            drop(thread.join());
        } else {
            tracing::warn!(source = %self.origin, "a camera's driver hangs; its thread is left behind");
        }
    }
}

fn run(mut feed: impl Feed, mut desk: Desk) {
    let mut pause = PAUSE;
    loop {
        let started = Instant::now();
        desk.heard = started;
        let frames = desk.seq;
        let trouble = feed.deliver(&mut desk);
        if desk.is_stopping() {
            return;
        }
        tracing::debug!(%trouble, "a camera's source is started again");
        desk.slot.ail(trouble);
        if desk.seq > frames && started.elapsed() >= WELL {
            pause = PAUSE;
        }
        if desk.slot.rest(pause) {
            return;
        }
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
        desk.slot.count_restart();
    }
}
