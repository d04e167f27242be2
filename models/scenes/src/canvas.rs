//! Filled polygons and ellipses on a picture addressed in `[0, 1]` both ways, so a scene looks the same at every size.

use crate::rng::Rng;

/// Longest side of a picture, pixels.
pub const SIDE_MAX: usize = 4096;
/// Below this side pictures are drawn at twice the size and averaged, so small ones do not lose thin parts.
const SUPERSAMPLE_BELOW: usize = 160;

/// A picture that cannot be drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenderError {
    /// No camera has this number; they count from 0 to [`crate::CAMERAS`] − 1.
    NoSuchCamera(usize),
    /// A side is 0 or longer than [`SIDE_MAX`].
    Size {
        /// Columns asked for.
        width: usize,
        /// Rows asked for.
        height: usize,
    },
}

impl core::fmt::Display for RenderError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoSuchCamera(n) => write!(f, "scene has no camera {n}: use 0 to {}", crate::CAMERAS - 1),
            Self::Size { width, height } => {
                write!(f, "picture of {width}x{height} cannot be drawn: each side must be 1 to {SIDE_MAX}")
            }
        }
    }
}

impl core::error::Error for RenderError {}

/// An RGB picture, 8 bits a channel, rows from the top.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

pub(crate) type Rgb = [u8; 3];

/// `colour` with every channel multiplied.
pub(crate) fn scaled(colour: Rgb, by: f32) -> Rgb {
    colour.map(|c| (f32::from(c) * by).clamp(0.0, 255.0) as u8)
}

pub(crate) struct Canvas {
    width: usize,
    height: usize,
    factor: usize,
    rgb: Vec<u8>,
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize) -> Result<Self, RenderError> {
        if width == 0 || height == 0 || width > SIDE_MAX || height > SIDE_MAX {
            return Err(RenderError::Size { width, height });
        }
        let factor = if width.min(height) < SUPERSAMPLE_BELOW { 2 } else { 1 };
        let (width, height) = (width * factor, height * factor);
        Ok(Self { width, height, factor, rgb: vec![0; width * height * 3] })
    }

    /// Fills one row from `x0` to `x1` (both in pixels, pixel centres inside).
    fn span(&mut self, row: usize, x0: f32, x1: f32, colour: Rgb) {
        let first = (x0 - 0.5).ceil().max(0.0) as usize;
        let end = ((x1 - 0.5).floor() + 1.0).clamp(0.0, self.width as f32) as usize;
        if first < end {
            let start = (row * self.width + first) * 3;
            for pixel in self.rgb[start..(row * self.width + end) * 3].chunks_exact_mut(3) {
                pixel.copy_from_slice(&colour);
            }
        }
    }

    /// Rows whose centre lies between `top` and `bottom`, in pixels.
    fn rows(&self, top: f32, bottom: f32) -> core::ops::Range<usize> {
        let first = (top - 0.5).ceil().max(0.0) as usize;
        let end = ((bottom - 0.5).floor() + 1.0).clamp(0.0, self.height as f32) as usize;
        first..end.max(first)
    }

    pub(crate) fn rectangle(&mut self, x0: f32, y0: f32, x1: f32, y1: f32, colour: Rgb) {
        let (w, h) = (self.width as f32, self.height as f32);
        for row in self.rows(y0 * h, y1 * h) {
            self.span(row, x0 * w, x1 * w, colour);
        }
    }

    pub(crate) fn ellipse(&mut self, cx: f32, cy: f32, rx: f32, ry: f32, colour: Rgb) {
        let (w, h) = (self.width as f32, self.height as f32);
        for row in self.rows((cy - ry) * h, (cy + ry) * h) {
            let v = ((row as f32 + 0.5) / h - cy) / ry;
            let half = rx * (1.0 - v * v).max(0.0).sqrt();
            self.span(row, (cx - half) * w, (cx + half) * w, colour);
        }
    }

    /// Even–odd filled polygon.
    pub(crate) fn polygon(&mut self, points: &[(f32, f32)], colour: Rgb) {
        let (w, h) = (self.width as f32, self.height as f32);
        let top = points.iter().map(|p| p.1).fold(f32::INFINITY, f32::min);
        let bottom = points.iter().map(|p| p.1).fold(f32::NEG_INFINITY, f32::max);
        let mut crossings = Vec::with_capacity(8);
        for row in self.rows(top * h, bottom * h) {
            let y = (row as f32 + 0.5) / h;
            crossings.clear();
            for (i, a) in points.iter().enumerate() {
                let b = points[(i + 1) % points.len()];
                if (a.1 <= y) != (b.1 <= y) {
                    crossings.push(a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0));
                }
            }
            crossings.sort_by(f32::total_cmp);
            for pair in crossings.chunks_exact(2) {
                self.span(row, pair[0] * w, pair[1] * w, colour);
            }
        }
    }

    /// Averages supersampled pixels and applies light (a gain per channel) and noise (half-width, grey levels).
    pub(crate) fn finish(self, gain: [f32; 3], noise: f32, rng: &mut Rng) -> Picture {
        let (width, height, f) = (self.width / self.factor, self.height / self.factor, self.factor);
        let mut rgb = Vec::with_capacity(width * height * 3);
        let share = 1.0 / (f * f) as f32;
        for y in 0..height {
            for x in 0..width {
                let mut sum = [0u32; 3];
                for row in y * f..(y + 1) * f {
                    let start = (row * self.width + x * f) * 3;
                    for pixel in self.rgb[start..start + 3 * f].chunks_exact(3) {
                        for (s, &c) in sum.iter_mut().zip(pixel) {
                            *s += u32::from(c);
                        }
                    }
                }
                let grain = (rng.bits() & 0xffff) as f32 / 32_768.0 - 1.0;
                for (s, g) in sum.iter().zip(gain) {
                    rgb.push((*s as f32 * share * g + grain * noise).clamp(0.0, 255.0) as u8);
                }
            }
        }
        Picture { width, height, rgb }
    }
}
