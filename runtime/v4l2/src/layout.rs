//! How the bytes of a picture lie, and what they mean.

use std::fmt;
use std::str::FromStr;

use crate::abi::{self, fourcc};

/// Longest side of a picture in pixels.
pub const SIDE_MAX: u32 = 8192;
/// Most pixels of a picture.
pub const PIXELS_MAX: u64 = 4096 * 3072;

/// Pixel formats that are read here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PixelFormat {
    /// One JPEG a picture.
    Mjpg,
    /// Two pixels in four bytes: luma, blue difference, luma, red difference.
    Yuyv,
    /// A plane of luma, then one of both differences for each two by two pixels.
    Nv12,
    /// Red, green and blue.
    Rgb24,
    /// Luma alone.
    Grey,
}

impl PixelFormat {
    /// All of them, the preferred ones first: a JPEG is sent as it is, and it is small on a bus.
    pub const ALL: [Self; 5] = [Self::Mjpg, Self::Yuyv, Self::Nv12, Self::Rgb24, Self::Grey];

    /// As it is written in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mjpg => "mjpg",
            Self::Yuyv => "yuyv",
            Self::Nv12 => "nv12",
            Self::Rgb24 => "rgb24",
            Self::Grey => "gray",
        }
    }

    /// As the kernel calls it.
    #[must_use]
    pub const fn fourcc(self) -> u32 {
        match self {
            Self::Mjpg => fourcc(*b"MJPG"),
            Self::Yuyv => fourcc(*b"YUYV"),
            Self::Nv12 => fourcc(*b"NV12"),
            Self::Rgb24 => fourcc(*b"RGB3"),
            Self::Grey => fourcc(*b"GREY"),
        }
    }

    /// The other name under which some drivers give pictures of JPEG.
    pub(crate) const JPEG: u32 = fourcc(*b"JPEG");

    /// The format of a kernel's code, where it is read here.
    #[must_use]
    pub fn of(code: u32) -> Option<Self> {
        if code == Self::JPEG {
            return Some(Self::Mjpg);
        }
        Self::ALL.into_iter().find(|format| format.fourcc() == code)
    }

    /// Bytes that a row of so many pixels has at least.
    const fn row_bytes(self, width: u32) -> u64 {
        let width = width as u64;
        match self {
            Self::Mjpg => 0,
            Self::Yuyv => width.div_ceil(2) * 4,
            // The plane of differences has two bytes for each two pixels.
            Self::Nv12 => width.div_ceil(2) * 2,
            Self::Rgb24 => width * 3,
            Self::Grey => width,
        }
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PixelFormat {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        let known = Self::ALL.into_iter().find(|format| format.name() == text);
        known.ok_or_else(|| LayoutError::Name { given: text.to_owned() })
    }
}

/// The weights of red and blue in luma.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Matrix {
    /// ITU-R BT.601, of standard definition and of most cameras.
    #[default]
    Bt601,
    /// ITU-R BT.709, of high definition.
    Bt709,
    /// ITU-R BT.2020.
    Bt2020,
    /// SMPTE 240M.
    Smpte240,
}

/// Which numbers stand for black and white.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Range {
    /// Black is 16, white 235; differences go from 16 to 240.
    #[default]
    Limited,
    /// From 0 to 255.
    Full,
}

/// What the numbers of a picture mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Colour {
    /// Of luma and colour differences; without meaning for RGB and grey.
    pub matrix: Matrix,
    /// Of every number.
    pub range: Range,
}

impl Colour {
    /// What a format is where nobody says anything else.
    #[must_use]
    pub const fn usual(format: PixelFormat) -> Self {
        let range = match format {
            PixelFormat::Yuyv | PixelFormat::Nv12 => Range::Limited,
            PixelFormat::Mjpg | PixelFormat::Rgb24 | PixelFormat::Grey => Range::Full,
        };
        Self { matrix: Matrix::Bt601, range }
    }

    /// What a driver says of a format, by the kernel's rules for what it leaves open.
    pub(crate) fn of_driver(format: PixelFormat, pix: &abi::PixFormat) -> Self {
        let matrix = match (pix.ycbcr_enc, pix.colorspace) {
            (abi::ENCODING_709 | abi::ENCODING_XV709, _) => Matrix::Bt709,
            (abi::ENCODING_BT2020 | abi::ENCODING_BT2020_CONSTANT, _) => Matrix::Bt2020,
            (abi::ENCODING_SMPTE240M, _) => Matrix::Smpte240,
            (0, abi::COLORSPACE_REC709 | abi::COLORSPACE_DCI_P3) => Matrix::Bt709,
            (0, abi::COLORSPACE_BT2020) => Matrix::Bt2020,
            (0, abi::COLORSPACE_SMPTE240M) => Matrix::Smpte240,
            _ => Matrix::Bt601,
        };
        let range = match (pix.quantization, pix.colorspace) {
            (abi::QUANTIZATION_FULL, _) | (abi::QUANTIZATION_DEFAULT, abi::COLORSPACE_JPEG) => Range::Full,
            (abi::QUANTIZATION_DEFAULT, _) => Self::usual(format).range,
            _ => Range::Limited,
        };
        Self { matrix, range }
    }
}

/// Why bytes are no picture.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// No format that is read here.
    #[error("{given:?} is no pixel format; write mjpg, yuyv, nv12, rgb24 or gray")]
    Name {
        /// What was written.
        given: String,
    },
    /// No pixels, or too many.
    #[error("{width}×{height} pixels, outside 1 to {SIDE_MAX} a side and {PIXELS_MAX} in all; set another size")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Rows that are shorter than their pixels, or longer than is sensible.
    #[error("{stride} bytes a row, where {width} pixels of {format} have at least {least}")]
    Stride {
        /// Bytes from one row to the next.
        stride: u32,
        /// Width in pixels.
        width: u32,
        /// The format.
        format: PixelFormat,
        /// Fewest bytes of a row.
        least: u64,
    },
    /// A picture that stops before its end.
    #[error("truncated picture: {have} bytes, where {width}×{height} pixels of {format} have {least}")]
    Truncated {
        /// Bytes there are.
        have: usize,
        /// Bytes there must be.
        least: usize,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The format.
        format: PixelFormat,
    },
    /// A JPEG, which has no rows.
    #[error("mjpg is no raw format: it is decoded, not converted")]
    Compressed,
}

/// How an uncompressed picture lies in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    format: PixelFormat,
    width: u32,
    height: u32,
    stride: u32,
    colour: Colour,
}

/// A stride beyond this many times the row's own bytes is none.
const STRIDE_FACTOR_MAX: u64 = 8;
/// Shorter rows may be padded to as much as this in any case, in bytes.
const STRIDE_FREE: u64 = 4096;

impl Layout {
    /// A picture of `width` × `height` pixels, rows `stride` bytes apart; 0 for rows without padding.
    pub fn new(format: PixelFormat, width: u32, height: u32, stride: u32, colour: Colour) -> Result<Self, LayoutError> {
        if format == PixelFormat::Mjpg {
            return Err(LayoutError::Compressed);
        }
        check_size(width, height)?;
        let least = format.row_bytes(width);
        let packed = u32::try_from(least).unwrap_or(u32::MAX);
        let stride = if stride == 0 { packed } else { stride };
        if stride < packed || u64::from(stride) > (least * STRIDE_FACTOR_MAX).max(STRIDE_FREE) {
            return Err(LayoutError::Stride { stride, width, format, least });
        }
        Ok(Self { format, width, height, stride, colour })
    }

    /// Rows without padding, in the format's usual colours: what programs write.
    pub fn packed(format: PixelFormat, width: u32, height: u32) -> Result<Self, LayoutError> {
        Self::new(format, width, height, 0, Colour::usual(format))
    }

    /// The format, never [`PixelFormat::Mjpg`].
    #[must_use]
    pub const fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width in pixels.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Bytes from one row to the next.
    #[must_use]
    pub const fn stride(&self) -> u32 {
        self.stride
    }

    /// What the numbers mean.
    #[must_use]
    pub const fn colour(&self) -> Colour {
        self.colour
    }

    /// Rows of all planes together.
    const fn rows(&self) -> u64 {
        match self.format {
            PixelFormat::Nv12 => self.height as u64 + (self.height as u64).div_ceil(2),
            _ => self.height as u64,
        }
    }

    /// Bytes that a picture has at least: the padding of its last row may be missing.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        // Bounded by the sides and the stride, so it fits also into 32 bits.
        ((self.rows() - 1) * self.stride as u64 + self.format.row_bytes(self.width)) as usize
    }

    /// Where the second plane begins.
    pub(crate) const fn differences(&self) -> usize {
        self.stride as usize * self.height as usize
    }
}

/// Whether a picture of this size is looked at at all.
pub(crate) fn check_size(width: u32, height: u32) -> Result<(), LayoutError> {
    let sides = 1..=SIDE_MAX;
    let fits = sides.contains(&width) && sides.contains(&height) && u64::from(width) * u64::from(height) <= PIXELS_MAX;
    if fits { Ok(()) } else { Err(LayoutError::Size { width, height }) }
}

// The bytes of all planes, with the longest rows, are counted in 32 bits.
const _: () = assert!(SIDE_MAX as u64 * 3 / 2 * (SIDE_MAX as u64 * 3 * STRIDE_FACTOR_MAX) <= u32::MAX as u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_checked() {
        let layout = |format, width, height, stride| Layout::new(format, width, height, stride, Colour::default());
        assert_eq!(layout(PixelFormat::Yuyv, 5, 2, 0).unwrap().bytes(), 24);
        assert_eq!(layout(PixelFormat::Yuyv, 5, 2, 16).unwrap().bytes(), 28);
        assert_eq!(layout(PixelFormat::Nv12, 5, 3, 8).unwrap().bytes(), 8 * 4 + 6);
        let told = |layout: Result<Layout, LayoutError>| layout.unwrap_err().to_string();
        assert!(told(layout(PixelFormat::Rgb24, 4, 4, 11)).contains("at least 12"));
        assert!(told(layout(PixelFormat::Grey, 20_000, 4, 0)).starts_with("20000×4 pixels, outside 1 to 8192"));
        assert!(told(layout(PixelFormat::Grey, 8192, 8192, 0)).contains("outside"));
        assert!(told(layout(PixelFormat::Grey, 0, 4, 0)).contains("outside"));
        assert!(layout(PixelFormat::Grey, 640, 480, u32::MAX).is_err());
        assert!(told(Layout::packed(PixelFormat::Mjpg, 4, 4)).contains("decoded"));
        assert!("jpg".parse::<PixelFormat>().unwrap_err().to_string().contains("write mjpg, yuyv"));
    }

    #[test]
    fn a_driver_that_leaves_colours_open_means_what_the_kernel_says() {
        let colour = |format, colorspace, ycbcr_enc, quantization| {
            let pix = abi::PixFormat { colorspace, ycbcr_enc, quantization, ..Default::default() };
            let colour = Colour::of_driver(format, &pix);
            (colour.matrix, colour.range)
        };
        let srgb = 8;
        assert_eq!(colour(PixelFormat::Yuyv, srgb, 0, 0), (Matrix::Bt601, Range::Limited));
        assert_eq!(colour(PixelFormat::Yuyv, abi::COLORSPACE_REC709, 0, 0), (Matrix::Bt709, Range::Limited));
        assert_eq!(colour(PixelFormat::Nv12, abi::COLORSPACE_REC709, 1, 1), (Matrix::Bt601, Range::Full));
        assert_eq!(colour(PixelFormat::Nv12, abi::COLORSPACE_JPEG, 0, 0), (Matrix::Bt601, Range::Full));
        assert_eq!(colour(PixelFormat::Rgb24, srgb, 0, 0).1, Range::Full);
        assert_eq!(colour(PixelFormat::Rgb24, srgb, 0, 2).1, Range::Limited);
        assert_eq!(colour(PixelFormat::Grey, srgb, 0, 0).1, Range::Full);
    }
}
