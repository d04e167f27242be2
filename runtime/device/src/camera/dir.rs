//! Recorded frames of a folder, in the order of their names, over and over.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trimtab_core::{Bytes, Millis};

use super::config::Playback;
use super::darkroom::{Darkroom, FRAME_BYTES_MAX};
use super::frame::Frame;
use super::{CameraCounts, CameraError};
use crate::clock::Clock;

/// Most files of one recording; later ones are not shown.
pub const FILES_MAX: usize = 100_000;

pub(super) struct Recording {
    folder: PathBuf,
    head: Head,
    darkroom: Darkroom,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: Vec<PathBuf>,
    current: Option<Frame>,
    counts: CameraCounts,
}

/// Which frame of a playback is due.
pub(super) struct Head {
    playback: Playback,
    clock: Arc<dyn Clock>,
    start: Millis,
    step: Mutex<u64>,
}

impl Head {
    pub(super) fn new(playback: Playback, clock: Arc<dyn Clock>) -> Self {
        Self { playback, start: clock.now(), clock, step: Mutex::new(0) }
    }

    /// The number of the frame that is due, counted on from the start, and the time it is taken to be from: a recording is
    /// never stale.
    pub(super) fn due(&self) -> (u64, Millis) {
        let now = self.clock.now();
        match self.playback {
            Playback::Every { micros } => {
                let span = u128::from(now.minus(self.start).get()) * 1000;
                let index = u64::try_from(span / u128::from(micros.max(1)));
                (index.unwrap_or(u64::MAX), now)
            }
            Playback::Stepped => (*self.step(), now),
        }
    }

    pub(super) fn step_to(&self, index: u64) -> bool {
        let stepped = self.playback == Playback::Stepped;
        if stepped {
            *self.step() = index;
        }
        stepped
    }

    fn step(&self) -> MutexGuard<'_, u64> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    pub(super) fn new(folder: PathBuf, playback: Playback, darkroom: Darkroom, clock: Arc<dyn Clock>) -> Self {
        Self { folder, head: Head::new(playback, clock), darkroom, state: Mutex::new(State::default()) }
    }

    pub(super) fn latest(&self) -> Result<Frame, CameraError> {
        let (due, now) = self.head.due();
        let mut state = self.state();
        if state.files.is_empty() {
            state.files = self.list()?;
        }
        let index = (due % state.files.len() as u64) as usize;
        if let Some(frame) = &state.current
            && frame.seq() == due
        {
            return Ok(frame.clone());
        }
        state.current = None;
        state.counts.frames += 1;
        let developed = self.develop(&state.files[index], now, due);
        match &developed {
            Ok(frame) => state.current = Some(frame.clone()),
            Err(_) => state.counts.bad += 1,
        }
        developed
    }

    pub(super) fn step_to(&self, index: u64) -> bool {
        self.head.step_to(index)
    }

    pub(super) fn counts(&self) -> CameraCounts {
        self.state().counts
    }

    fn develop(&self, path: &Path, taken: Millis, seq: u64) -> Result<Frame, CameraError> {
        let unreadable =
            |source| CameraError::Read { camera: self.darkroom.camera(), path: path.to_path_buf(), source };
        let origin = path.display().to_string();
        let size = fs::metadata(path).map_err(unreadable)?.len();
        if size > FRAME_BYTES_MAX as u64 {
            return Err(CameraError::TooLarge {
                camera: self.darkroom.camera(),
                origin,
                have: Bytes::new(size),
                limit: Bytes::new(FRAME_BYTES_MAX as u64),
            });
        }
        let jpeg = fs::read(path).map_err(unreadable)?;
        let exposure = self.darkroom.admit(jpeg, &origin)?;
        let frame = self.darkroom.develop(exposure, &origin, taken, seq)?;
        // Only what a device holds can be gone again.
        frame.ok_or_else(|| unreadable(std::io::ErrorKind::NotFound.into()))
    }

    fn list(&self) -> Result<Vec<PathBuf>, CameraError> {
        let unreadable =
            |source| CameraError::Read { camera: self.darkroom.camera(), path: self.folder.clone(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let is_jpeg =
                path.extension().is_some_and(|end| end.eq_ignore_ascii_case("jpg") || end.eq_ignore_ascii_case("jpeg"));
            if is_jpeg {
                files.push(path);
            }
        }
        files.sort();
        files.truncate(FILES_MAX);
        if files.is_empty() {
            return Err(CameraError::Empty { camera: self.darkroom.camera(), path: self.folder.clone() });
        }
        Ok(files)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
