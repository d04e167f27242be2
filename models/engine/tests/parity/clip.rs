//! Both towers of a dual encoder equal PyTorch's in float, and stay close to it in int8; ONNX Runtime agrees on the same files.

use serde::Deserialize;
use serde_json::json;
use trimtab_engine::{TextTower, TokenId, VisionTower};

use crate::models::{self, Weights};
use crate::pictures::Pictures;
use crate::{python, seeded, vectors};

const FLOAT_COSINE_MIN: f64 = 0.9999;
const INT8_COSINE_MIN: f64 = 0.99;
/// Of int8 in the engine and in ONNX Runtime, which multiplies in float what the engine multiplies in int8.
const RUNTIMES_COSINE_MIN: f64 = 0.999;

#[derive(Deserialize)]
struct Kept {
    texts: Vec<String>,
    ids: Vec<Vec<TokenId>>,
    text: Vec<Vec<f32>>,
    image: Vec<Vec<f32>>,
}

fn check(weights: Weights, reference_min: f64, runtimes_min: f64) {
    let kept: Kept = vectors::json("clip.json");
    let folder = models::encoder(weights);

    let tower = VisionTower::load(folder.path()).unwrap();
    let pictures = vectors::json::<Pictures>("pictures.json").pictures;
    let pixels: Vec<Vec<f32>> = pictures
        .iter()
        .map(|picture| tower.pixels(&seeded::picture(picture.width, picture.height, &picture.kind)))
        .collect();
    let seen: Vec<Vec<f32>> =
        pixels.iter().map(|pixels| tower.embed_pixels(pixels).unwrap().as_slice().to_vec()).collect();
    let side = ((pixels[0].len() / 3) as f64).sqrt() as usize;
    let file = folder.path().join("onnx/vision_model.onnx");
    let elsewhere: Vec<Vec<f32>> =
        python::ask(&json!({"model": file, "shape": [1, 3, side, side], "pixel_values": pixels}));
    close("pictures", &seen, &kept.image, reference_min);
    close("pictures in ONNX Runtime", &seen, &elsewhere, runtimes_min);

    let tower = TextTower::load(folder.path()).unwrap();
    let read: Vec<Vec<f32>> =
        kept.texts.iter().map(|text| tower.embed(text).unwrap().embedding.as_slice().to_vec()).collect();
    let file = folder.path().join("onnx/text_model.onnx");
    let elsewhere: Vec<Vec<f32>> = python::ask(&json!({"model": file, "input_ids": kept.ids}));
    close("texts", &read, &kept.text, reference_min);
    close("texts in ONNX Runtime", &read, &elsewhere, runtimes_min);
}

fn close(what: &str, ours: &[Vec<f32>], theirs: &[Vec<f32>], least: f64) {
    let cosine = vectors::least_cosine(ours, theirs);
    assert!(cosine >= least, "{what}: cosine {cosine}");
}

#[test]
fn towers_in_float_are_the_originals() {
    check(Weights::Float, FLOAT_COSINE_MIN, FLOAT_COSINE_MIN);
}

#[test]
fn towers_in_int8_stay_close() {
    check(Weights::Int8, INT8_COSINE_MIN, RUNTIMES_COSINE_MIN);
}
