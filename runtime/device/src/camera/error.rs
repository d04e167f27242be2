//! Why a camera has no frame.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use trimtab_core::{Bytes, Millis};
use trimtab_engine::FrameError;
use trimtab_v4l2::{LayoutError, PIXELS_MAX, SIDE_MAX};

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
    /// A raw picture that is truncated.
    #[error("camera {camera}: this frame of {origin} is not used")]
    Raw {
        /// Which camera.
        camera: String,
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        #[source]
        source: LayoutError,
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
    /// A picture with too many pixels; it was not decoded.
    #[error(
        "camera {camera}: {origin} has {width}×{height} pixels, above the limit of {SIDE_MAX} a side and {PIXELS_MAX} in all; lower the camera's resolution"
    )]
    TooWide {
        /// Which camera.
        camera: String,
        /// Where it came from.
        origin: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Started, but no frame has come.
    #[error("camera {camera}: no frame from {origin} yet")]
    Waiting {
        /// Which camera.
        camera: String,
        /// Where they shall come from.
        origin: String,
    },
    /// The newest frame is too old.
    #[error(
        "camera {camera}: the newest frame from {origin} is {age} old, {freshness} are allowed; check the source, or raise freshness"
    )]
    Stale {
        /// Which camera.
        camera: String,
        /// Where they come from.
        origin: String,
        /// Since when there is nothing newer.
        age: Millis,
        /// What the configuration allows.
        freshness: Millis,
    },
    /// A source that fails, ends or hangs. It is tried again, later each time.
    #[error("camera {camera}: {trouble}; it is tried again by itself")]
    Lost {
        /// Which camera.
        camera: String,
        /// What happened, and to what.
        trouble: String,
    },
    /// The newest picture cannot be used.
    #[error(transparent)]
    Refused(Arc<CameraError>),
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
