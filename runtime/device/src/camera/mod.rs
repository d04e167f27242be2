//! Cameras: where views come from, and the only way a view leaves the device.
//!
//! A camera hands out its newest frame when asked. Whatever a frame comes from, its masks are blacked out before anything
//! else sees it: the bytes as they came are gone when [`Camera::latest`] returns. A camera that has no frame says why and
//! is a missing view; it comes back by itself. An [`UploadView`] can only be made from a frame of a camera whose upload is
//! allowed, and nothing but an [`UploadView`] is ever sent.

mod config;
mod darkroom;
mod dir;
mod exec;
mod frame;
mod mask;
mod mjpeg;
mod pattern;
mod slot;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use trimtab_core::{Bytes, Millis};
use trimtab_engine::FrameError;

use crate::clock::Clock;
use darkroom::Darkroom;

pub use config::{
    CameraConfig, CameraConfigError, CameraSource, FPS, FPS_RANGE, FRESHNESS, UPLOAD_QUALITY, UPLOAD_WIDTH,
    UPLOAD_WIDTH_RANGE, Upload,
};
pub use darkroom::FRAME_BYTES_MAX;
pub use dir::FILES_MAX;
pub use frame::{Frame, UploadView};
pub use mask::{MASKS_MAX, Mask, POINTS_MAX};

/// Why a camera has no frame, or cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CameraError {
    /// A folder of recorded frames without any.
    #[error("camera {camera}: {path} holds no .jpg or .jpeg file; record some, or set another source")]
    Empty {
        /// Which camera.
        camera: String,
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder that cannot be read.
    #[error("camera {camera}: cannot read {path}; make it readable for the runtime's user, or set another source")]
    Read {
        /// Which camera.
        camera: String,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A picture that is truncated, damaged or no picture.
    #[error("camera {camera}: this frame is not used")]
    Frame {
        /// Which camera.
        camera: String,
        /// What is wrong with it, and where it came from.
        #[source]
        source: FrameError,
    },
    /// A picture with too many bytes.
    #[error("camera {camera}: {origin} has {have}, above the limit of {limit}; lower the resolution or quality")]
    TooLarge {
        /// Which camera.
        camera: String,
        /// The file or program it came from.
        origin: String,
        /// Its size.
        have: Bytes,
        /// What is taken.
        limit: Bytes,
    },
    /// Started, but no frame has come.
    #[error("camera {camera}: no frame from {origin} yet")]
    Waiting {
        /// Which camera.
        camera: String,
        /// The program.
        origin: String,
    },
    /// The newest frame is too old.
    #[error(
        "camera {camera}: the newest frame from {origin} is {age} old, {freshness} are allowed; check the source, or raise freshness"
    )]
    Stale {
        /// Which camera.
        camera: String,
        /// The program.
        origin: String,
        /// Since when there is nothing newer.
        age: Millis,
        /// What the configuration allows.
        freshness: Millis,
    },
    /// A program that does not run, or does not deliver. It is started again, later each time.
    #[error("camera {camera}: {program} {trouble}; it is started again by itself")]
    Program {
        /// Which camera.
        camera: String,
        /// The program.
        program: String,
        /// What happened.
        trouble: String,
    },
    /// The system gave no thread for it.
    #[error("camera {camera}: no thread to read its source; raise the limit of tasks")]
    Thread {
        /// Which camera.
        camera: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// How a camera has done since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CameraCounts {
    /// Frames that came.
    pub frames: u64,
    /// Of these, replaced by a newer one before anybody looked.
    pub unseen: u64,
    /// Frames that could not be used: damaged, truncated or too large.
    pub bad: u64,
    /// Times its program was started again.
    pub restarts: u64,
}

/// One camera. Shared by reference; dropping it ends its program.
pub struct Camera {
    config: CameraConfig,
    source: Source,
}

enum Source {
    Dir(dir::Recording),
    Exec(exec::Program),
    Pattern(pattern::Picture),
}

impl Camera {
    /// Opens a camera. A source that does not work is no failure here: it is told by [`Camera::latest`], every time.
    pub fn open(config: CameraConfig, clock: Arc<dyn Clock>) -> Result<Self, CameraError> {
        let darkroom = Darkroom::new(&config);
        let source = match config.source() {
            CameraSource::Dir { path } => {
                Source::Dir(dir::Recording::new(path.clone(), config.playback(), darkroom, clock))
            }
            CameraSource::Exec { program, args } => {
                Source::Exec(exec::Program::start(program, args, config.freshness(), darkroom, clock)?)
            }
            CameraSource::Pattern => Source::Pattern(pattern::Picture::new(config.playback(), darkroom, clock)),
        };
        Ok(Self { config, source })
    }

    /// How it was configured.
    #[must_use]
    pub const fn config(&self) -> &CameraConfig {
        &self.config
    }

    /// The view's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.config.name()
    }

    /// The newest frame, or why there is none. Cheap if nothing changed; reads and, where there are masks or the frame is
    /// oversized, decodes and re-encodes otherwise, so call it where blocking is allowed.
    pub fn latest(&self) -> Result<Frame, CameraError> {
        match &self.source {
            Source::Dir(recording) => recording.latest(),
            Source::Exec(program) => program.latest(),
            Source::Pattern(picture) => picture.latest(),
        }
    }

    /// Shows recorded frame `index`, counted from 0 and over again after the last. False, and without effect, unless the
    /// camera plays a stepped recording or test picture.
    pub fn step_to(&self, index: u64) -> bool {
        match &self.source {
            Source::Dir(recording) => recording.step_to(index),
            Source::Pattern(picture) => picture.step_to(index),
            Source::Exec(_) => false,
        }
    }

    /// How it has done so far.
    #[must_use]
    pub fn counts(&self) -> CameraCounts {
        match &self.source {
            Source::Dir(recording) => recording.counts(),
            Source::Exec(program) => program.counts(),
            Source::Pattern(picture) => picture.counts(),
        }
    }
}

impl std::fmt::Debug for Camera {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Camera({}, {})", self.name(), self.config.source())
    }
}
