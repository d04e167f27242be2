//! One camera picture: decoded with bounds, and shrunk to what a model looks at.

use image::ImageReader;
use image::codecs::jpeg::JpegEncoder;

use crate::resample::{Axis, Filter, resample};

/// Longest side of a picture in pixels; a longer one is refused before it is decoded.
pub const FRAME_SIDE_MAX: u32 = 20_000;
/// Most pixels of a picture; more are refused before it is decoded.
pub const FRAME_PIXELS_MAX: u64 = 24_000_000;

/// Why bytes are no usable picture. `origin` is the file or the source that the caller named.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Neither JPEG nor PNG.
    #[error("{origin}: not a JPEG or PNG picture; check the camera source")]
    Format {
        /// Where the bytes came from.
        origin: String,
    },
    /// The picture stops before its end.
    #[error("{origin}: truncated JPEG: no end marker in {have} bytes; the writer was interrupted, take the next frame")]
    Truncated {
        /// Where the bytes came from.
        origin: String,
        /// Number of bytes there are.
        have: usize,
    },
    /// Damaged inside.
    #[error("{origin}: damaged picture; take the next frame")]
    Damaged {
        /// Where the bytes came from.
        origin: String,
        /// The decoder's reason.
        #[source]
        source: image::ImageError,
    },
    /// Too large to decode.
    #[error(
        "{origin}: {width}×{height} pixels, above the limit of {FRAME_SIDE_MAX} a side and {FRAME_PIXELS_MAX} in all; lower the camera's resolution"
    )]
    TooLarge {
        /// Where the bytes came from.
        origin: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Width, height and number of bytes that do not belong together.
    #[error("a {width}×{height} RGB frame has 3 bytes a pixel and at least one pixel, not {have} bytes")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Number of bytes given.
        have: usize,
    },
    /// Cannot be written as JPEG.
    #[error("a {width}×{height} frame cannot be written as JPEG; at most 65535 pixels a side")]
    Encode {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The encoder's reason.
        #[source]
        source: image::ImageError,
    },
}

/// A picture of 8-bit RGB, row by row from the top, at least one pixel.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbFrame {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl RgbFrame {
    /// A frame of `width` × `height` pixels of three bytes each.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, FrameError> {
        let expected = u64::from(width) * u64::from(height) * 3;
        if expected == 0 || pixels.len() as u64 != expected {
            return Err(FrameError::Size { width, height, have: pixels.len() });
        }
        Ok(Self { width, height, pixels })
    }

    /// Decodes a JPEG or PNG; `origin` is named in errors. A truncated JPEG is refused rather than filled with grey.
    pub fn decode(bytes: &[u8], origin: &str) -> Result<Self, FrameError> {
        let damaged = |source| FrameError::Damaged { origin: origin.into(), source };
        let reader = || {
            let mut reader = ImageReader::new(std::io::Cursor::new(bytes));
            reader.set_format(if bytes.starts_with(b"\x89PNG") {
                image::ImageFormat::Png
            } else {
                image::ImageFormat::Jpeg
            });
            reader
        };
        let is_jpeg = bytes.starts_with(&[0xff, 0xd8, 0xff]);
        if !is_jpeg && !bytes.starts_with(b"\x89PNG") {
            return Err(FrameError::Format { origin: origin.into() });
        }
        if is_jpeg && !jpeg_is_whole(bytes) {
            return Err(FrameError::Truncated { origin: origin.into(), have: bytes.len() });
        }
        let (width, height) = reader().into_dimensions().map_err(damaged)?;
        if width > FRAME_SIDE_MAX || height > FRAME_SIDE_MAX || u64::from(width) * u64::from(height) > FRAME_PIXELS_MAX
        {
            return Err(FrameError::TooLarge { origin: origin.into(), width, height });
        }
        let picture = reader().decode().map_err(damaged)?.into_rgb8();
        Self::new(picture.width(), picture.height(), picture.into_raw())
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels, three bytes each, row by row from the top.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The same pixels, no longer a frame.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Writes a JPEG; `quality` from 1 (smallest) to 100, values outside are brought inside.
    pub fn to_jpeg(&self, quality: u8) -> Result<Vec<u8>, FrameError> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
            .encode(&self.pixels, self.width, self.height, image::ExtendedColorType::Rgb8)
            .map_err(|source| FrameError::Encode { width: self.width, height: self.height, source })?;
        Ok(bytes)
    }

    /// The frame resampled with antialiasing to `width` × `height`, both at least 1 and at most [`FRAME_SIDE_MAX`];
    /// the aspect ratio is not kept.
    pub fn resized(&self, width: u32, height: u32) -> Self {
        let (width, height) = (width.clamp(1, FRAME_SIDE_MAX), height.clamp(1, FRAME_SIDE_MAX));
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let whole = |have, seen| Axis { have, full: u64::from(seen), before: 0, seen };
        let pixels = resample(Filter::Bilinear, &self.pixels, whole(self.width, width), whole(self.height, height));
        Self { width, height, pixels }
    }
}

impl std::fmt::Debug for RgbFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbFrame({}×{})", self.width, self.height)
    }
}

/// Walks the markers of a JPEG to its end marker. Segments are skipped by their length, so that a whole thumbnail
/// inside a cut-off picture does not pass for its end.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[marker, kind]) = bytes.get(at..at + 2).and_then(|pair| pair.first_chunk::<2>()) {
        match (marker, kind) {
            (0xff, 0xd9) => return true,
            // Fill bytes, stuffed data bytes, restart markers and stand-alone markers have no length.
            (0xff, 0xff) => at += 1,
            (0xff, 0x00 | 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, _) => match bytes.get(at + 2..at + 4) {
                Some(length) => at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return false,
            },
            _ => at += 1,
        }
    }
    false
}
