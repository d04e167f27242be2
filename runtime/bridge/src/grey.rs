//! Blinding: a view replaced by a grey one of the same size, to show what the views are worth.

use std::io::Cursor;

use hyper::body::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat, ImageReader};

/// Longest side of a view, pixels.
const SIDE_MAX: u32 = 20_000;
/// Most pixels of a view.
const PIXELS_MAX: u64 = 64_000_000;
const MID_GREY: u8 = 128;
const QUALITY: u8 = 75;

/// The grey picture of that size; fails with what is wrong about `jpeg`.
pub(crate) fn grey(jpeg: &[u8]) -> Result<Bytes, String> {
    let reader = ImageReader::with_format(Cursor::new(jpeg), ImageFormat::Jpeg);
    let (width, height) = reader.into_dimensions().map_err(|fault| fault.to_string())?;
    let pixels = u64::from(width) * u64::from(height);
    if width > SIDE_MAX || height > SIDE_MAX || pixels > PIXELS_MAX {
        return Err(format!("{width}×{height} pixels are too many"));
    }
    let mut blank = Vec::new();
    JpegEncoder::new_with_quality(&mut blank, QUALITY)
        .encode(&vec![MID_GREY; pixels as usize], width, height, ExtendedColorType::L8)
        .map_err(|fault| fault.to_string())?;
    Ok(blank.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_size_stays() {
        let pixels: Vec<u8> = (0..40 * 30 * 3).map(|at| (at % 251) as u8).collect();
        let mut colourful = Vec::new();
        JpegEncoder::new(&mut colourful).encode(&pixels, 40, 30, ExtendedColorType::Rgb8).unwrap();
        let blank = image::load_from_memory(&grey(&colourful).unwrap()).unwrap().to_rgb8();
        assert_eq!(blank.dimensions(), (40, 30));
        assert!(blank.pixels().all(|pixel| pixel.0.iter().all(|value| value.abs_diff(MID_GREY) <= 1)));
        assert!(grey(colourful.get(..20).unwrap()).is_err());
    }
}
