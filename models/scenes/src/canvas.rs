//! Filled polygons and ellipses on a picture addressed in `[0, 1]` both ways, so a scene looks the same at every size.
//!
//! A canvas holds colours, or, made by [`Canvas::identifying`], the number of whatever was painted last at each pixel.

mod optics;
mod paint;

pub(crate) use optics::Optics;
pub(crate) use paint::{Paint, Spot};

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

/// What the pixels of a canvas hold.
enum Sheet {
    Colours(Vec<Rgb>),
    Ids { ids: Vec<u8>, mark: u8 },
}

pub(crate) struct Canvas {
    width: usize,
    height: usize,
    factor: usize,
    sheet: Sheet,
    crossings: Vec<f32>,
}

fn check(width: usize, height: usize) -> Result<(), RenderError> {
    if width == 0 || height == 0 || width > SIDE_MAX || height > SIDE_MAX {
        return Err(RenderError::Size { width, height });
    }
    Ok(())
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize) -> Result<Self, RenderError> {
        check(width, height)?;
        let factor = if width.min(height) < SUPERSAMPLE_BELOW { 2 } else { 1 };
        let (width, height) = (width * factor, height * factor);
        let sheet = Sheet::Colours(vec![[0; 3]; width * height]);
        Ok(Self { width, height, factor, sheet, crossings: Vec::new() })
    }

    /// A canvas on which every fill writes the number set by [`Self::mark`] instead of its colour.
    pub(crate) fn identifying(width: usize, height: usize) -> Result<Self, RenderError> {
        check(width, height)?;
        let sheet = Sheet::Ids { ids: vec![0; width * height], mark: 0 };
        Ok(Self { width, height, factor: 1, sheet, crossings: Vec::new() })
    }

    /// Sets the number that the following fills write, 0 for nothing of interest; without effect on a canvas of colours.
    pub(crate) fn mark(&mut self, id: u8) {
        if let Sheet::Ids { mark, .. } = &mut self.sheet {
            *mark = id;
        }
    }

    /// The numbers, row by row from the top; empty on a canvas of colours.
    pub(crate) fn ids(&self) -> &[u8] {
        match &self.sheet {
            Sheet::Ids { ids, .. } => ids,
            Sheet::Colours(_) => &[],
        }
    }

    /// Fills one row from `x0` to `x1` (both in pixels, pixel centres inside).
    fn span(&mut self, row: usize, x0: f32, x1: f32, paint: &Paint) {
        let first = (x0 - 0.5).ceil().max(0.0) as usize;
        let end = ((x1 - 0.5).floor() + 1.0).clamp(0.0, self.width as f32) as usize;
        if first >= end {
            return;
        }
        let range = row * self.width + first..row * self.width + end;
        match &mut self.sheet {
            // What light shines through covers nothing.
            Sheet::Ids { .. } if paint.is_veil() => {}
            Sheet::Ids { ids, mark } => ids[range].fill(*mark),
            Sheet::Colours(pixels) => {
                let y = (row as f32 + 0.5) / self.height as f32;
                paint.run(&mut pixels[range], (first as f32 + 0.5) / self.width as f32, 1.0 / self.width as f32, y);
            }
        }
    }

    /// Rows whose centre lies between `top` and `bottom`, in pixels.
    fn rows(&self, top: f32, bottom: f32) -> core::ops::Range<usize> {
        let first = (top - 0.5).ceil().max(0.0) as usize;
        let end = ((bottom - 0.5).floor() + 1.0).clamp(0.0, self.height as f32) as usize;
        first..end.max(first)
    }

    pub(crate) fn rectangle(&mut self, x0: f32, y0: f32, x1: f32, y1: f32, paint: impl Into<Paint>) {
        let paint = paint.into();
        let (w, h) = (self.width as f32, self.height as f32);
        for row in self.rows(y0 * h, y1 * h) {
            self.span(row, x0 * w, x1 * w, &paint);
        }
    }

    pub(crate) fn ellipse(&mut self, cx: f32, cy: f32, rx: f32, ry: f32, paint: impl Into<Paint>) {
        let paint = paint.into();
        let (w, h) = (self.width as f32, self.height as f32);
        for row in self.rows((cy - ry) * h, (cy + ry) * h) {
            let v = ((row as f32 + 0.5) / h - cy) / ry;
            let half = rx * (1.0 - v * v).max(0.0).sqrt();
            self.span(row, (cx - half) * w, (cx + half) * w, &paint);
        }
    }

    /// Even–odd filled polygon.
    pub(crate) fn polygon(&mut self, points: &[(f32, f32)], paint: impl Into<Paint>) {
        let paint = paint.into();
        let (w, h) = (self.width as f32, self.height as f32);
        let top = points.iter().map(|p| p.1).fold(f32::INFINITY, f32::min);
        let bottom = points.iter().map(|p| p.1).fold(f32::NEG_INFINITY, f32::max);
        let mut crossings = core::mem::take(&mut self.crossings);
        for row in self.rows(top * h, bottom * h) {
            let y = (row as f32 + 0.5) / h;
            crossings.clear();
            for (i, a) in points.iter().enumerate() {
                let b = points[(i + 1) % points.len()];
                if (a.1 <= y) != (b.1 <= y) {
                    crossings.push(a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0));
                }
            }
            crossings.sort_unstable_by(f32::total_cmp);
            for pair in crossings.chunks_exact(2) {
                self.span(row, pair[0] * w, pair[1] * w, &paint);
            }
        }
        self.crossings = crossings;
    }

    /// Averages supersampled pixels and passes them through `optics`; a canvas of numbers gives a black picture.
    pub(crate) fn finish(self, optics: &Optics, grain: &mut Rng) -> Picture {
        let (width, height, f) = (self.width / self.factor, self.height / self.factor, self.factor);
        let mut light = vec![[0.0f32; 3]; width * height];
        if let Sheet::Colours(pixels) = &self.sheet {
            let share = 1.0 / (f * f) as f32;
            for (y, rows) in pixels.chunks_exact(self.width * f).enumerate() {
                let out = &mut light[y * width..(y + 1) * width];
                for row in rows.chunks_exact(self.width) {
                    for (sum, group) in out.iter_mut().zip(row.chunks_exact(f)) {
                        for pixel in group {
                            for (s, &c) in sum.iter_mut().zip(pixel) {
                                *s += f32::from(c) * share;
                            }
                        }
                    }
                }
            }
        }
        Picture { width, height, rgb: optics.expose(light, width, height, grain) }
    }
}
