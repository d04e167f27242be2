//! From a frame to the numbers a model looks at, as `preprocessor_config.json` says.

use std::path::Path;

use serde::Deserialize;

use crate::ModelError;
use crate::frame::RgbFrame;
use crate::resample::{Axis, Filter, resample};

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
    /// The class that reads the file elsewhere, under its newer and its older name: it says what holds where a key is missing.
    #[serde(default)]
    image_processor_type: Option<String>,
    #[serde(default)]
    feature_extractor_type: Option<String>,
}

/// What CLIP's class takes where a file leaves it out: bicubic, and the channels of its training pictures.
const CLIP_RESAMPLE: u8 = 3;
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_DEVIATION: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

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

/// How large a picture becomes before the middle is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// Stretched to this width and height.
    Stretched(u32, u32),
    /// The shorter side this long, the aspect ratio kept.
    Shortest(u32),
}

/// What to do to a frame before a model sees it.
#[derive(Clone, Debug)]
pub(crate) struct Preprocessor {
    width: u32,
    height: u32,
    target: Target,
    resample: Filter,
    /// Per channel: value = byte × scale + offset.
    scale: [f32; 3],
    offset: [f32; 3],
}

impl Preprocessor {
    pub(crate) fn parse(path: &Path, json: &[u8]) -> Result<Self, ModelError> {
        let file: File =
            serde_json::from_slice(json).map_err(|source| ModelError::Json { path: path.into(), source })?;
        let bad = |key: &str, problem: &str| Err(ModelError::config(path, key, problem));
        let (target, (width, height)) =
            match (file.size.filter(|_| file.do_resize), file.crop_size.filter(|_| file.do_center_crop)) {
                (Some(Size::Both { width, height }), crop) => {
                    (Target::Stretched(width, height), crop.map_or((width, height), Size::sides))
                }
                (Some(Size::Shortest { shortest_edge: edge } | Size::Square(edge)), Some(crop)) => {
                    (Target::Shortest(edge), crop.sides())
                }
                (Some(Size::Square(edge)), None) => (Target::Stretched(edge, edge), (edge, edge)),
                (Some(Size::Shortest { shortest_edge: edge }), None) => (Target::Shortest(edge), (edge, edge)),
                (None, _) => {
                    return bad("size", "missing; give width and height, or a shortest edge with a crop");
                }
            };
        let (least_width, least_height) = match target {
            Target::Stretched(width, height) => (width, height),
            Target::Shortest(edge) => (edge, edge),
        };
        if [width, height, least_width, least_height].iter().any(|side| !(1..=INPUT_SIDE_MAX).contains(side)) {
            return bad("size", "every side must be from 1 to 4096 pixels");
        }
        if least_width < width || least_height < height {
            return bad("crop_size", "larger than what the picture is resized to");
        }
        let is_clip = [&file.image_processor_type, &file.feature_extractor_type]
            .into_iter()
            .flatten()
            .any(|class| class.starts_with("CLIP"));
        let resample = match file.resample.unwrap_or(if is_clip { CLIP_RESAMPLE } else { 2 }) {
            0 => Filter::Nearest,
            1 => Filter::Lanczos,
            2 => Filter::Bilinear,
            3 => Filter::Bicubic,
            _ => {
                return bad("resample", "known are 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic");
            }
        };
        let factor = if file.do_rescale { file.rescale_factor } else { 1.0 };
        let (mean, deviation) = if file.do_normalize {
            let (mean, deviation) = if is_clip { (CLIP_MEAN, CLIP_DEVIATION) } else { ([0.0; 3], [1.0; 3]) };
            (file.image_mean.unwrap_or(mean), file.image_std.unwrap_or(deviation))
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
            target,
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
        let (full_width, full_height) = match self.target {
            Target::Stretched(width, height) => (u64::from(width), u64::from(height)),
            Target::Shortest(edge) => {
                let longer = |long: u32, short: u32| u64::from(edge) * u64::from(long) / u64::from(short);
                let (width, height) = (frame.width(), frame.height());
                let edge = u64::from(edge);
                if width <= height { (edge, longer(height, width)) } else { (longer(width, height), edge) }
            }
        };
        let across = axis(frame.width(), full_width, self.width);
        let down = axis(frame.height(), full_height, self.height);
        let small = resample(self.resample, frame.pixels(), across, down);
        for channel in 0..3 {
            let (scale, offset) = (self.scale[channel], self.offset[channel]);
            out.extend(small.iter().skip(channel).step_by(3).map(|&byte| f32::from(byte) * scale + offset));
        }
    }
}

/// Of a side of `have` pixels that is resized to `full`, `seen` pixels from the middle.
fn axis(have: u32, full: u64, seen: u32) -> Axis {
    Axis { have, full, before: (full - u64::from(seen)) / 2, seen }
}

impl Size {
    fn sides(self) -> (u32, u32) {
        match self {
            Self::Both { width, height } => (width, height),
            Self::Shortest { shortest_edge: edge } | Self::Square(edge) => (edge, edge),
        }
    }
}
