//! Pictures are prepared as the reference prepares them: resized with its filter, cut out of the middle, normalised.

use serde::Deserialize;
use serde_json::Value;
use trimtab_engine::VisionTower;

use crate::{models, seeded, vectors};

#[derive(Deserialize)]
pub(crate) struct Pictures {
    pub(crate) preprocessor: Value,
    pub(crate) pictures: Vec<Picture>,
}

#[derive(Deserialize)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) kind: String,
}

#[derive(Deserialize)]
struct Numbers {
    image_mean: [f32; 3],
    image_std: [f32; 3],
    rescale_factor: f32,
}

#[test]
fn every_byte_of_a_prepared_picture_is_the_reference_s() {
    let Pictures { preprocessor, pictures } = vectors::json("pictures.json");
    let Numbers { image_mean, image_std, rescale_factor } = serde_json::from_value(preprocessor).unwrap();
    let folder = models::encoder(models::Weights::Float);
    let tower = VisionTower::load(folder.path()).unwrap();
    let kept = vectors::bytes("pictures.bin");
    let each = kept.len() / pictures.len();
    for (picture, expected) in pictures.iter().zip(kept.chunks(each)) {
        let pixels = tower.pixels(&seeded::picture(picture.width, picture.height, &picture.kind));
        assert_eq!(pixels.len(), each);
        let plane = each / 3;
        let differing = pixels.iter().zip(expected).enumerate().filter(|(index, (pixel, byte))| {
            let channel = index / plane;
            let number = (f32::from(**byte) * rescale_factor - image_mean[channel]) / image_std[channel];
            (*pixel - number).abs() > 1e-5
        });
        let Picture { width, height, kind } = picture;
        assert_eq!(differing.count(), 0, "{width}×{height} {kind}: of {each} bytes");
    }
}
