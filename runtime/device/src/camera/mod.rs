//! Cameras: where views come from, and the only way a view leaves the device.
//!
//! A camera hands out its newest frame when asked, and only then is that decoded, masked and encoded: until then it stays as it
//! came, in a slot where a newer one replaces it. Whatever a frame comes from, its masks are blacked out before anything
//! else sees it: [`Camera::latest`] is the only way out of the slot. A camera that has no frame says why and
//! is a missing view; it comes back by itself, and a hung one costs nobody anything but its own thread. An [`UploadView`] can only be made from a frame of a camera whose upload is
//! allowed, and nothing but an [`UploadView`] is ever sent.

mod change;
mod conceal;
mod config;
mod credential;
mod darkroom;
mod dir;
mod error;
mod exec;
mod frame;
mod http;
mod live;
mod mask;
mod mjpeg;
mod multipart;
mod pattern;
mod reach;
mod rtsp;
mod slot;
mod source;
mod url;
mod v4l2;

use std::sync::Arc;

use crate::clock::Clock;
use darkroom::Darkroom;
use live::Live;

pub use change::{GRID, Look, NOISE, NOISE_MAX};
pub use config::{
    CameraConfig, CameraConfigError, FPS, FPS_RANGE, FRESHNESS, UPLOAD_QUALITY, UPLOAD_WIDTH, UPLOAD_WIDTH_RANGE,
    Upload, size,
};
pub use credential::{CREDENTIAL_BYTES_MAX, Credential};
pub use darkroom::FRAME_BYTES_MAX;
pub use dir::FILES_MAX;
pub use error::CameraError;
pub use frame::{Frame, UploadView};
pub use mask::{Cover, MASKS_MAX, Mask, POINTS_MAX};
pub use source::CameraSource;
pub use trimtab_v4l2::PixelFormat;
pub use url::StreamUrl;
pub use v4l2::CAPTURE_FPS;

/// How a camera has done since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CameraCounts {
    /// Frames that came.
    pub frames: u64,
    /// Of these, replaced by a newer one before anybody looked.
    pub unseen: u64,
    /// Frames that could not be used: damaged, truncated or too large.
    pub bad: u64,
    /// Frames that the driver of a camera had no room for.
    pub lost: u64,
    /// Times its source was started again.
    pub restarts: u64,
}

/// One camera. Shared by reference; dropping it ends its program and its thread.
pub struct Camera {
    config: CameraConfig,
    source: Source,
}

enum Source {
    Dir(dir::Recording),
    Live(Live),
    Pattern(pattern::Picture),
}

impl Camera {
    /// Opens a camera. A source that does not work is no failure here: it is told by [`Camera::latest`], every time.
    pub fn open(config: CameraConfig, clock: Arc<dyn Clock>) -> Result<Self, CameraError> {
        let (darkroom, freshness) = (Darkroom::new(&config), config.freshness());
        let source = match config.source() {
            CameraSource::Dir { path } => {
                Source::Dir(dir::Recording::new(path.clone(), config.playback(), darkroom, clock))
            }
            CameraSource::Device { path } => {
                let feed = v4l2::Node::new(path.clone(), *config.wish());
                Source::Live(Live::start(path.display().to_string(), freshness, darkroom, clock, feed)?)
            }
            CameraSource::Http { url } => {
                let feed = http::NetworkCamera::new(url.clone(), config.credential().cloned());
                Source::Live(Live::start(url.to_string(), freshness, darkroom, clock, feed)?)
            }
            CameraSource::Rtsp { url } => {
                let feed = rtsp::RtspCamera::new(url.clone(), config.credential().cloned());
                Source::Live(Live::start(url.to_string(), freshness, darkroom, clock, feed)?)
            }
            CameraSource::Exec { program, args } => {
                let feed = exec::Program::new(program, args, config.raw_layout());
                Source::Live(Live::start(program.clone(), freshness, darkroom, clock, feed)?)
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
            Source::Live(live) => live.latest(),
            Source::Pattern(picture) => picture.latest(),
        }
    }

    /// Why there is no frame, if there is none. Cheaper than [`Self::latest`]: what comes by itself is not developed.
    #[must_use]
    pub fn fault(&self) -> Option<CameraError> {
        match &self.source {
            Source::Live(live) => live.fault(),
            Source::Dir(_) | Source::Pattern(_) => self.latest().err(),
        }
    }

    /// What a source was set to, for people; none where it says so in every picture.
    #[must_use]
    pub fn mode(&self) -> Option<String> {
        match &self.source {
            Source::Live(live) => live.mode(),
            Source::Dir(_) | Source::Pattern(_) => None,
        }
    }

    /// Shows recorded frame `index`, counted from 0 and over again after the last. False, and without effect, unless the
    /// camera plays a stepped recording or test picture.
    pub fn step_to(&self, index: u64) -> bool {
        match &self.source {
            Source::Dir(recording) => recording.step_to(index),
            Source::Pattern(picture) => picture.step_to(index),
            Source::Live(_) => false,
        }
    }

    /// How it has done so far.
    #[must_use]
    pub fn counts(&self) -> CameraCounts {
        match &self.source {
            Source::Dir(recording) => recording.counts(),
            Source::Live(live) => live.counts(),
            Source::Pattern(picture) => picture.counts(),
        }
    }
}

impl std::fmt::Debug for Camera {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Camera({}, {})", self.name(), self.config.source())
    }
}
