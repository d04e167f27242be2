//! From a frame to the numbers a model looks at, as `preprocessor_config.json` says.

use std::path::Path;

use serde::Deserialize;

use crate::ModelError;
use crate::frame::{Resample, RgbFrame};

/// Longest side of a model's input in pixels.
const INPUT_SIDE_MAX: u32 = 4096;

#[derive(Deserialize)]
struct File {
    #[serde(default = "on")]
    do_resize: bool,
    #[serde(default)]
    size: Option<Size>,
    #[serde(default)]
    do_center_crop: bool,
    #[serde(default)]
    crop_size: Option<Size>,
    #[serde(default = "on")]
    do_rescale: bool,
    #[serde(default = "one_over_255")]
    rescale_factor: f32,
    #[serde(default = "on")]
    do_normalize: bool,
    #[serde(default)]
    image_mean: Option<[f32; 3]>,
    #[serde(default)]
    image_std: Option<[f32; 3]>,
    #[serde(default)]
    resample: Option<u8>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Size {
    Both { width: u32, height: u32 },
    Shortest { shortest_edge: u32 },
    Square(u32),
}

fn on() -> bool {
    true
}

fn one_over_255() -> f32 {
    1.0 / 255.0
}

/// What to do to a frame before a model sees it.
#[derive(Clone, Debug)]
pub(crate) struct Preprocessor {
    width: u32,
    height: u32,
    /// With a shortest edge the aspect ratio is kept and the middle is cut out; without, the frame is stretched.
    shortest_edge: Option<u32>,
    resample: Resample,
    /// Per channel: value = byte × scale + offset.
    scale: [f32; 3],
    offset: [f32; 3],
}

impl Preprocessor {
    pub(crate) fn parse(path: &Path, json: &[u8]) -> Result<Self, ModelError> {
        let file: File =
            serde_json::from_slice(json).map_err(|source| ModelError::Json { path: path.into(), source })?;
        let bad = |key: &str, problem: &str| Err(ModelError::config(path, key, problem));
        let (shortest_edge, (width, height)) =
            match (file.size.filter(|_| file.do_resize), file.crop_size.filter(|_| file.do_center_crop)) {
                (Some(Size::Both { width, height }), _) => (None, (width, height)),
                (Some(Size::Shortest { shortest_edge: edge } | Size::Square(edge)), Some(crop)) => {
                    (Some(edge), crop.sides())
                }
                (Some(Size::Square(edge)), None) => (None, (edge, edge)),
                (Some(Size::Shortest { shortest_edge: edge }), None) => (Some(edge), (edge, edge)),
                (None, _) => {
                    return bad("size", "missing; give width and height, or a shortest edge with a crop");
                }
            };
        let sides = [width, height, shortest_edge.unwrap_or(width)];
        if sides.iter().any(|side| !(1..=INPUT_SIDE_MAX).contains(side)) {
            return bad("size", "every side must be from 1 to 4096 pixels");
        }
        if shortest_edge.is_some_and(|edge| edge < width.max(height)) {
            return bad("crop_size", "larger than the shortest edge");
        }
        let resample = match file.resample.unwrap_or(2) {
            0 => Resample::Nearest,
            1 => Resample::Lanczos,
            2 => Resample::Bilinear,
            3 => Resample::Bicubic,
            _ => {
                return bad("resample", "known are 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic");
            }
        };
        let factor = if file.do_rescale { file.rescale_factor } else { 1.0 };
        let (mean, deviation) = if file.do_normalize {
            (file.image_mean.unwrap_or([0.0; 3]), file.image_std.unwrap_or([1.0; 3]))
        } else {
            ([0.0; 3], [1.0; 3])
        };
        let numbers = mean.iter().chain(&deviation).chain(std::iter::once(&factor));
        if numbers.clone().any(|v| !v.is_finite()) || deviation.iter().any(|&v| v <= 0.0) {
            return bad("image_std", "mean, deviation and rescale factor must be finite and the deviation positive");
        }
        Ok(Self {
            width,
            height,
            shortest_edge,
            resample,
            scale: std::array::from_fn(|c| factor / deviation[c]),
            offset: std::array::from_fn(|c| -mean[c] / deviation[c]),
        })
    }

    /// Height and width of what the model sees, in pixels.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.height as usize, self.width as usize)
    }

    /// Appends the frame as `[3, height, width]` numbers.
    pub(crate) fn append(&self, frame: &RgbFrame, out: &mut Vec<f32>) {
        let (full_width, full_height) = (f64::from(frame.width()), f64::from(frame.height()));
        let part = match self.shortest_edge {
            None => (0.0, 0.0, full_width, full_height),
            Some(edge) => {
                let source_pixels = full_width.min(full_height) / f64::from(edge);
                let (width, height) = (f64::from(self.width) * source_pixels, f64::from(self.height) * source_pixels);
                (
                    (full_width - width).max(0.0) / 2.0,
                    (full_height - height).max(0.0) / 2.0,
                    width.min(full_width),
                    height.min(full_height),
                )
            }
        };
        let small = frame.resampled(self.resample, part, self.width, self.height);
        for channel in 0..3 {
            let (scale, offset) = (self.scale[channel], self.offset[channel]);
            out.extend(small.pixels().iter().skip(channel).step_by(3).map(|&byte| f32::from(byte) * scale + offset));
        }
    }
}

impl Size {
    fn sides(self) -> (u32, u32) {
        match self {
            Self::Both { width, height } => (width, height),
            Self::Shortest { shortest_edge: edge } | Self::Square(edge) => (edge, edge),
        }
    }
}
