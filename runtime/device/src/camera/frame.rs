//! A frame, and the right to send it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use trimtab_core::Millis;
use trimtab_engine::{FrameError, RgbFrame};
use trimtab_wire::ViewName;

use super::config::Upload;

/// One picture of a camera, masked and no larger than configured. Clones share it.
#[derive(Clone)]
pub struct Frame(Arc<Inner>);

pub(super) struct Inner {
    pub(super) camera: ViewName,
    pub(super) upload: Upload,
    pub(super) origin: String,
    pub(super) quality: u8,
    /// Encoded when it is asked for, where it may not be uploaded.
    pub(super) jpeg: OnceLock<Arc<[u8]>>,
    pub(super) taken: Millis,
    pub(super) seq: u64,
    pub(super) pixels: OnceLock<RgbFrame>,
}

impl Frame {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The view's name.
    #[must_use]
    pub fn camera(&self) -> &str {
        self.0.camera.as_str()
    }

    /// When it was taken, in active time.
    #[must_use]
    pub fn taken(&self) -> Millis {
        self.0.taken
    }

    /// Its number among the camera's frames; two frames of one camera with the same number are the same.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.0.seq
    }

    /// File, program, device or address it came from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// The JPEG, for the device's own use: to be saved or shown locally. What is sent is an [`UploadView`].
    pub fn jpeg(&self) -> Result<&[u8], FrameError> {
        if let Some(jpeg) = self.0.jpeg.get() {
            return Ok(jpeg);
        }
        let encoded = self.pixels()?.to_jpeg(self.0.quality)?;
        Ok(self.0.jpeg.get_or_init(|| encoded.into()))
    }

    /// The pixels, decoded when first asked for. Fails if the picture is damaged inside.
    pub fn pixels(&self) -> Result<&RgbFrame, FrameError> {
        if let Some(pixels) = self.0.pixels.get() {
            return Ok(pixels);
        }
        // There is always one of the two.
        let jpeg = self.0.jpeg.get().map_or(&[][..], |jpeg| jpeg);
        let decoded = RgbFrame::decode(jpeg, &self.0.origin)?;
        Ok(self.0.pixels.get_or_init(|| decoded))
    }

    /// The frame as it may be sent; none if its camera's upload is never.
    #[must_use]
    pub fn for_upload(&self) -> Option<UploadView> {
        match self.0.upload {
            // What may be uploaded was encoded when it was developed.
            Upload::Allowed => {
                let jpeg = self.0.jpeg.get()?;
                Some(UploadView { name: self.0.camera.clone(), jpeg: Arc::clone(jpeg) })
            }
            Upload::Never => None,
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} #{} at {})", self.camera(), self.seq(), self.taken())
    }
}

/// A view that may leave the device. There is no other way to make one than [`Frame::for_upload`].
#[derive(Clone, PartialEq, Eq)]
pub struct UploadView {
    name: ViewName,
    jpeg: Arc<[u8]>,
}

impl UploadView {
    /// The view's name.
    #[must_use]
    pub const fn name(&self) -> &ViewName {
        &self.name
    }

    /// The JPEG.
    #[must_use]
    pub fn jpeg(&self) -> &[u8] {
        &self.jpeg
    }
}

impl fmt::Debug for UploadView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UploadView({}, {} B)", self.name, self.jpeg.len())
    }
}
