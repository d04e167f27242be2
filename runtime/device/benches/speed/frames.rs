//! From a camera's picture to the numbers that a CLIP-like encoder looks at, step by step and as a whole; beside it the same by
//! the image crate alone.

use std::path::Path;

use anyhow::{Context, Result};
use image::imageops::FilterType;
use image::{DynamicImage, Rgb};
use trimtab_device::camera::{Cover, Mask};
use trimtab_engine::{PictureInput, RgbFrame};
use trimtab_scenes::{Scene, Split};
use trimtab_v4l2::{Layout, PixelFormat};

use super::{Row, Work, whole};

pub(crate) const ROWS: [Row; 12] = [
    Row { name: "frame: 1280×720 JPEG to 224×224 numbers", ready: |_| jpeg(LARGE) },
    Row { name: "frame: the same by the image crate", ready: |_| image_crate(LARGE) },
    Row { name: "frame: 1280×720 JPEG to 64×64 numbers", ready: |_| jpeg(SMALL) },
    Row { name: "frame: the same by the image crate, 64×64", ready: |_| image_crate(SMALL) },
    Row { name: "frame: decode the JPEG", ready: decode },
    Row { name: "frame: decode it by the image crate", ready: decode_by_image_crate },
    Row { name: "frame: mask an eighth", ready: mask },
    Row { name: "frame: resize to 224×224, normalise", ready: |_| input(LARGE) },
    Row { name: "frame: resize to 64×64, normalise", ready: |_| input(SMALL) },
    Row { name: "frame: 1280×720 YUYV to 64×64 numbers", ready: |_| raw(PixelFormat::Yuyv) },
    Row { name: "frame: 1280×720 NV12 to 64×64 numbers", ready: |_| raw(PixelFormat::Nv12) },
    Row { name: "frame: write the JPEG, for upload", ready: encode },
];

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
const QUALITY: u8 = 85;
const SEED: u64 = 7;
/// What is masked: left, top, right and bottom, as shares of the picture.
const MASKED: [f32; 4] = [0.1, 0.25, 0.35, 0.75];
/// Sides of what the models see, with the filter of each.
const LARGE: Input = Input { side: 224, filter: FilterType::CatmullRom };
const SMALL: Input = Input { side: 64, filter: FilterType::Triangle };
const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const DEVIATION: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// What a model sees: CLIP's own at 224, the shorter side bicubic and the middle cut out; the shipped encoder's at 64, stretched.
#[derive(Clone, Copy)]
struct Input {
    side: u32,
    filter: FilterType,
}

impl Input {
    fn load(self) -> Result<PictureInput> {
        let folder = tempfile::tempdir()?;
        let resize = if self.side == LARGE.side {
            r#""size": {"shortest_edge": 224}, "do_center_crop": true, "crop_size": 224, "resample": 3"#
        } else {
            r#""size": {"width": 64, "height": 64}, "resample": 2"#
        };
        let text = format!(r#"{{"image_processor_type": "CLIPImageProcessor", {resize}}}"#);
        std::fs::write(folder.path().join("preprocessor_config.json"), text)?;
        Ok(PictureInput::load(folder.path())?)
    }
}

/// A rendered room, with a camera's noise.
fn picture() -> Result<RgbFrame> {
    let picture = Scene::generate(SEED, Split::HeldOut).render(0, WIDTH as usize, HEIGHT as usize)?;
    Ok(RgbFrame::new(WIDTH, HEIGHT, picture.rgb)?)
}

fn cover() -> Result<Cover> {
    let [left, top, right, bottom] = MASKED;
    let mask = Mask::new(vec![[left, top], [right, top], [right, bottom], [left, bottom]])?;
    Ok(Cover::new(&[mask], WIDTH, HEIGHT))
}

fn masked(frame: RgbFrame, cover: &Cover) -> Result<RgbFrame> {
    let mut pixels = frame.into_pixels();
    cover.blacken(&mut pixels);
    Ok(RgbFrame::new(WIDTH, HEIGHT, pixels)?)
}

fn jpeg(input: Input) -> Result<Work> {
    let (jpeg, cover, input) = (picture()?.to_jpeg(QUALITY)?, cover()?, input.load()?);
    whole(move || Ok(input.pixels(&masked(RgbFrame::decode(&jpeg, "bench")?, &cover)?)))
}

fn image_crate(input: Input) -> Result<Work> {
    let jpeg = picture()?.to_jpeg(QUALITY)?;
    let [left, top, right, bottom] = MASKED;
    let columns = (left * WIDTH as f32) as u32..(right * WIDTH as f32) as u32;
    let rows = (top * HEIGHT as f32) as u32..(bottom * HEIGHT as f32) as u32;
    whole(move || {
        let mut picture = image::load_from_memory(&jpeg)?.into_rgb8();
        for row in rows.clone() {
            columns.clone().for_each(|column| picture.put_pixel(column, row, Rgb([0; 3])));
        }
        let (picture, side) = (DynamicImage::ImageRgb8(picture), input.side);
        let small = if side == LARGE.side {
            picture.resize_to_fill(side, side, input.filter)
        } else {
            picture.resize_exact(side, side, input.filter)
        };
        let small = small.into_rgb8();
        let mut numbers = Vec::with_capacity(3 * (side * side) as usize);
        for channel in 0..3 {
            let number = |pixel: &Rgb<u8>| (f32::from(pixel.0[channel]) / 255.0 - MEAN[channel]) / DEVIATION[channel];
            numbers.extend(small.pixels().map(number));
        }
        Ok(numbers)
    })
}

fn decode(_: &Path) -> Result<Work> {
    let jpeg = picture()?.to_jpeg(QUALITY)?;
    whole(move || Ok(RgbFrame::decode(&jpeg, "bench")?))
}

fn decode_by_image_crate(_: &Path) -> Result<Work> {
    let jpeg = picture()?.to_jpeg(QUALITY)?;
    whole(move || Ok(image::load_from_memory(&jpeg)?.into_rgb8()))
}

fn mask(_: &Path) -> Result<Work> {
    let (mut pixels, cover) = (picture()?.into_pixels(), cover()?);
    whole(move || {
        cover.blacken(std::hint::black_box(&mut pixels));
        Ok(())
    })
}

fn input(input: Input) -> Result<Work> {
    let (frame, input) = (picture()?, input.load()?);
    whole(move || Ok(input.pixels(&frame)))
}

/// Any bytes are a picture; those of a room change gently, as a camera's do.
fn raw(format: PixelFormat) -> Result<Work> {
    let (layout, input, cover) = (Layout::packed(format, WIDTH, HEIGHT)?, SMALL.load()?, cover()?);
    let pixels = picture()?.into_pixels();
    let bytes = pixels.get(..layout.bytes()).context("a raw picture is smaller than RGB")?.to_vec();
    whole(move || {
        let frame = RgbFrame::new(WIDTH, HEIGHT, layout.to_rgb(&bytes)?)?;
        Ok(input.pixels(&masked(frame, &cover)?))
    })
}

fn encode(_: &Path) -> Result<Work> {
    let frame = picture()?;
    whole(move || Ok(frame.to_jpeg(QUALITY)?))
}
