//! Makes a frame of what a source delivers: bounded, whole, masked, no wider than allowed.
//!
//! A picture is admitted by its head when it comes, and developed (decoded, masked, shrunk, encoded) when somebody looks.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use trimtab_core::{Bytes, Millis};
use trimtab_engine::{FrameError, RgbFrame};
use trimtab_v4l2::{PIXELS_MAX, SIDE_MAX};
use trimtab_wire::ViewName;

use super::CameraError;
use super::config::{CameraConfig, Upload};
use super::frame::{Frame, Inner};
use super::mask::{Cover, Mask};
use super::mjpeg;
use super::slot::Exposure;

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

    /// A JPEG, if its head and its end are as they should be. Nothing is decoded unless they cannot be found.
    pub(super) fn admit(&self, mut jpeg: Vec<u8>, origin: &str) -> Result<Exposure, CameraError> {
        if jpeg.len() > FRAME_BYTES_MAX {
            return Err(CameraError::TooLarge {
                camera: self.camera(),
                origin: origin.to_owned(),
                have: Bytes::new(jpeg.len() as u64),
                limit: Bytes::new(FRAME_BYTES_MAX as u64),
            });
        }
        let head = mjpeg::head(&jpeg);
        if let Some(head) = head {
            self.check_size(head.width, head.height, origin)?;
        }
        let (Some(end), Some(_)) = (mjpeg::end(&jpeg), head) else {
            // The decoder says best what is wrong; should it find nothing, the frame is good enough to be written anew.
            let pixels = RgbFrame::decode(&jpeg, origin).map_err(|source| self.damaged(source))?;
            self.check_size(pixels.width(), pixels.height(), origin)?;
            return Ok(Exposure::Pixels(pixels));
        };
        jpeg.truncate(end);
        Ok(Exposure::Jpeg(jpeg))
    }

    fn check_size(&self, width: u32, height: u32, origin: &str) -> Result<(), CameraError> {
        if width <= SIDE_MAX && height <= SIDE_MAX && u64::from(width) * u64::from(height) <= PIXELS_MAX {
            return Ok(());
        }
        Err(CameraError::TooWide { camera: self.camera(), origin: origin.to_owned(), width, height })
    }

    fn damaged(&self, source: FrameError) -> CameraError {
        CameraError::Frame { camera: self.camera(), source }
    }

    /// The frame of an exposure; none if a device took its picture back. A JPEG passes as it is unless something has to be
    /// changed.
    pub(super) fn develop(
        &self,
        exposure: Exposure,
        origin: &str,
        taken: Millis,
        seq: u64,
    ) -> Result<Option<Frame>, CameraError> {
        let exposure = match exposure {
            Exposure::Held(holder) => match holder.copy() {
                Some(Exposure::Jpeg(jpeg)) => self.admit(jpeg, origin)?,
                Some(other) => other,
                None => return Ok(None),
            },
            other => other,
        };
        let pixels = match exposure {
            Exposure::Jpeg(jpeg) => {
                let may_pass = mjpeg::head(&jpeg).is_some_and(|head| head.width <= self.width && head.has_tables);
                if self.masks.is_empty() && may_pass && jpeg.len() <= KEPT_BYTES_MAX {
                    let (jpeg, pixels) = (OnceLock::from(Arc::from(jpeg)), OnceLock::new());
                    return Ok(Some(self.frame(jpeg, pixels, origin, taken, seq)));
                }
                RgbFrame::decode(&jpeg, origin).map_err(|source| self.damaged(source))?
            }
            Exposure::Raw { layout, bytes } => {
                let raw = |source| CameraError::Raw { camera: self.camera(), origin: origin.to_owned(), source };
                let rgb = layout.to_rgb(&bytes).map_err(raw)?;
                RgbFrame::new(layout.width(), layout.height(), rgb).map_err(|source| self.damaged(source))?
            }
            Exposure::Pixels(pixels) => pixels,
            // A holder copies; it does not hand on.
            Exposure::Held(_) => return Ok(None),
        };
        self.print(pixels, origin, taken, seq).map(Some)
    }

    /// The same frame, if it can be decoded to its end: what a line or a bus has damaged shows only there.
    pub(super) fn proof(&self, frame: Option<Frame>) -> Result<Option<Frame>, CameraError> {
        match frame.as_ref().map(Frame::pixels) {
            Some(Err(source)) => Err(self.damaged(source)),
            Some(Ok(_)) | None => Ok(frame),
        }
    }

    /// From pixels: masked, shrunk and, where it may be uploaded, encoded.
    pub(super) fn print(&self, pixels: RgbFrame, origin: &str, taken: Millis, seq: u64) -> Result<Frame, CameraError> {
        let mut pixels = self.masked(pixels).map_err(|source| self.damaged(source))?;
        if pixels.width() > self.width {
            let height = u64::from(pixels.height()) * u64::from(self.width) / u64::from(pixels.width());
            pixels = pixels.resized(self.width, u32::try_from(height).unwrap_or(1).max(1));
        }
        let jpeg = OnceLock::new();
        if self.upload == Upload::Allowed {
            let encoded = pixels.to_jpeg(self.quality).map_err(|source| self.damaged(source))?;
            if encoded.len() > KEPT_BYTES_MAX {
                return Err(CameraError::TooLarge {
                    camera: self.camera(),
                    origin: format!("{origin}, re-encoded,"),
                    have: Bytes::new(encoded.len() as u64),
                    limit: Bytes::new(KEPT_BYTES_MAX as u64),
                });
            }
            jpeg.get_or_init(|| encoded.into());
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
        let mut bytes = pixels.into_pixels();
        cover.blacken(&mut bytes);
        RgbFrame::new(width, height, bytes)
    }

    fn frame(
        &self,
        jpeg: OnceLock<Arc<[u8]>>,
        pixels: OnceLock<RgbFrame>,
        origin: &str,
        taken: Millis,
        seq: u64,
    ) -> Frame {
        Frame::new(Inner {
            camera: self.camera.clone(),
            upload: self.upload,
            quality: self.quality,
            origin: origin.to_owned(),
            jpeg,
            taken,
            seq,
            pixels,
        })
    }
}
