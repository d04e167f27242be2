//! Makes a frame of the bytes that a source delivers: bounded, whole, masked, no wider than allowed.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use trimtab_core::{Bytes, Millis};
use trimtab_engine::{FrameError, RgbFrame};
use trimtab_wire::ViewName;

use super::CameraError;
use super::config::{CameraConfig, Upload};
use super::frame::{Frame, Inner};
use super::mask::{Cover, Mask};
use super::mjpeg;

/// Largest JPEG that is taken from a source, in bytes.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Largest JPEG that is kept as it came; larger ones are re-encoded, so that six views fit into one request.
const KEPT_BYTES_MAX: usize = trimtab_wire::limits::REQUEST_BYTES_MAX / trimtab_core::limits::VIEWS_MAX;

pub(super) struct Darkroom {
    camera: ViewName,
    upload: Upload,
    width: u32,
    quality: u8,
    masks: Vec<Mask>,
    // Of the size that came last: it hardly ever changes.
    cover: Mutex<Option<Arc<Cover>>>,
}

impl Darkroom {
    pub(super) fn new(config: &CameraConfig) -> Self {
        Self {
            camera: config.view_name().clone(),
            upload: config.upload(),
            width: config.upload_width(),
            quality: config.upload_quality(),
            masks: config.masks().to_vec(),
            cover: Mutex::new(None),
        }
    }

    pub(super) fn camera(&self) -> String {
        self.camera.as_str().to_owned()
    }

    /// From a JPEG. Its bytes pass as they are unless something has to be changed.
    pub(super) fn develop(
        &self,
        mut jpeg: Vec<u8>,
        origin: &str,
        taken: Millis,
        seq: u64,
    ) -> Result<Frame, CameraError> {
        if jpeg.len() > FRAME_BYTES_MAX {
            return Err(CameraError::TooLarge {
                camera: self.camera(),
                origin: origin.to_owned(),
                have: Bytes::new(jpeg.len() as u64),
                limit: Bytes::new(FRAME_BYTES_MAX as u64),
            });
        }
        let failed = |source| CameraError::Frame { camera: self.camera(), source };
        let (Some(end), Some(width)) = (mjpeg::end(&jpeg), mjpeg::width(&jpeg)) else {
            // The decoder says best what is wrong; should it find nothing, the frame is good enough to be written anew.
            let pixels = RgbFrame::decode(&jpeg, origin).map_err(failed)?;
            return self.print(pixels, origin, taken, seq);
        };
        jpeg.truncate(end);
        if self.masks.is_empty() && width <= self.width && jpeg.len() <= KEPT_BYTES_MAX {
            return Ok(self.frame(jpeg, OnceLock::new(), origin, taken, seq));
        }
        let pixels = RgbFrame::decode(&jpeg, origin).map_err(failed)?;
        self.print(pixels, origin, taken, seq)
    }

    /// From pixels: masked, shrunk and encoded.
    pub(super) fn print(&self, pixels: RgbFrame, origin: &str, taken: Millis, seq: u64) -> Result<Frame, CameraError> {
        let failed = |source| CameraError::Frame { camera: self.camera(), source };
        let mut pixels = self.masked(pixels).map_err(failed)?;
        if pixels.width() > self.width {
            let height = u64::from(pixels.height()) * u64::from(self.width) / u64::from(pixels.width());
            pixels = pixels.resized(self.width, u32::try_from(height).unwrap_or(1).max(1));
        }
        let jpeg = pixels.to_jpeg(self.quality).map_err(failed)?;
        if jpeg.len() > KEPT_BYTES_MAX {
            return Err(CameraError::TooLarge {
                camera: self.camera(),
                origin: format!("{origin}, re-encoded,"),
                have: Bytes::new(jpeg.len() as u64),
                limit: Bytes::new(KEPT_BYTES_MAX as u64),
            });
        }
        Ok(self.frame(jpeg, OnceLock::from(pixels), origin, taken, seq))
    }

    fn masked(&self, pixels: RgbFrame) -> Result<RgbFrame, FrameError> {
        if self.masks.is_empty() {
            return Ok(pixels);
        }
        let (width, height) = (pixels.width(), pixels.height());
        let cover = {
            let mut known = self.cover.lock().unwrap_or_else(PoisonError::into_inner);
            match &*known {
                Some(cover) if (cover.width, cover.height) == (width, height) => Arc::clone(cover),
                _ => Arc::clone(known.insert(Arc::new(Cover::new(&self.masks, width, height)))),
            }
        };
        let mut bytes = pixels.pixels().to_vec();
        cover.blacken(&mut bytes);
        RgbFrame::new(width, height, bytes)
    }

    fn frame(&self, jpeg: Vec<u8>, pixels: OnceLock<RgbFrame>, origin: &str, taken: Millis, seq: u64) -> Frame {
        Frame::new(Inner {
            camera: self.camera.clone(),
            upload: self.upload,
            origin: origin.to_owned(),
            jpeg: jpeg.into(),
            taken,
            seq,
            pixels,
        })
    }
}
