//! What the cameras of a test see: a rendered scene on disk, one frame for each camera.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use trimtab_scenes::{CAMERA_NAMES, Conversation, Prompt, Rng, Split, TaskKind, Turn};

const WIDTH: usize = 640;
const HEIGHT: usize = 480;
const QUALITY: u8 = 85;

/// Turns of a held-out conversation: each a scene, a prompt and what is right.
pub fn turns(seed: u64, count: usize) -> Vec<Turn> {
    Conversation::generate(seed, Split::HeldOut, count).turns
}

/// The folder of a camera's frames.
pub fn camera_folder(root: &Path, camera: &str) -> PathBuf {
    root.join("cameras").join(camera)
}

/// Replaces what every camera below `root` shows by the scene of `turn`.
pub fn show(root: &Path, turn: &Turn) -> Result<()> {
    for (camera, name) in CAMERA_NAMES.iter().enumerate() {
        let picture = turn.scene.render(camera, WIDTH, HEIGHT)?;
        let mut jpeg = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
        encoder.write_image(&picture.rgb, WIDTH as u32, HEIGHT as u32, ExtendedColorType::Rgb8)?;
        let folder = camera_folder(root, name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("00000.jpg"), jpeg)?;
    }
    Ok(())
}

/// One prompt of every kind about the scene of `turn`, in the order of the task vocabulary.
pub fn prompts(turn: &Turn, seed: u64) -> Vec<Prompt> {
    let mut rng = Rng::new(seed);
    TaskKind::ALL.iter().map(|kind| Prompt::generate(*kind, &turn.scene, Split::HeldOut, &mut rng)).collect()
}
