//! The image tower: from a picture of any size to a point.

use std::path::Path;

use crate::folder::{Folder, JSON_BYTES_MAX};
use crate::network::Network;
use crate::onnx::{Layers, Length, OnnxFile};
use crate::preprocess::Preprocessor;
use crate::{ModelError, RgbFrame};

use super::{Config, Embedding, tower_file};

const CONTENTS: &str = "config.json, preprocessor_config.json and onnx/vision_model.onnx";
pub(super) const PREPROCESSOR_FILE: &str = "preprocessor_config.json";
pub(super) const ONNX_FILE: &str = "onnx/vision_model.onnx";

/// The image tower of a dual encoder. Cheap to clone; runs may overlap.
#[derive(Clone, Debug)]
pub struct VisionTower {
    network: Network,
    output: usize,
    preprocessor: Preprocessor,
    dimension: usize,
}

impl VisionTower {
    /// Loads this tower alone.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        let folder = Folder::open(dir, CONTENTS)?;
        let config = Config::load(&folder)?;
        Self::open(&folder, &config)
    }

    pub(super) fn open(folder: &Folder, config: &Config) -> Result<Self, ModelError> {
        let dimension = config.projection_dim;
        let path = folder.path(PREPROCESSOR_FILE);
        let preprocessor = Preprocessor::parse(&path, &folder.bytes(PREPROCESSOR_FILE, JSON_BYTES_MAX)?)?;
        let (height, width) = preprocessor.size();
        if let Some(side) = config.image_size().filter(|&side| (side, side) != (height, width)) {
            let problem = format!("the pictures are {height}×{width}, but image_size of config.json is {side}");
            return Err(ModelError::config(&path, "size", problem));
        }
        let mut onnx = OnnxFile::open(&folder.file(tower_file(folder, ONNX_FILE))?)?;
        onnx.keep(&["image_embeds"]);
        onnx.expect_shape("pixel_values", &[Some(1), Some(3), Some(height), Some(width)])?;
        onnx.expect_shape("image_embeds", &[Some(1), Some(dimension)])?;
        let network = onnx.plan(Layers::Int8, &[("pixel_values", &[1, 3, height, width].map(Length::Is))], None)?;
        Ok(Self { output: network.output("image_embeds")?, network, preprocessor, dimension })
    }

    /// What the tower sees of a picture: `[3, height, width]` numbers, resized, cut and normalised as the folder's
    /// `preprocessor_config.json` says.
    pub fn pixels(&self, frame: &RgbFrame) -> Vec<f32> {
        let (height, width) = self.preprocessor.size();
        let mut pixels = Vec::with_capacity(3 * height * width);
        self.preprocessor.append(frame, &mut pixels);
        pixels
    }

    /// Encodes what [`VisionTower::pixels`] returned.
    pub fn embed_pixels(&self, pixels: &[f32]) -> Result<Embedding, ModelError> {
        let (height, width) = self.preprocessor.size();
        let feeds = vec![("pixel_values", self.network.tensor(&[1, 3, height, width], pixels)?)];
        let outputs = self.network.run(feeds)?;
        Embedding::of(&self.network, self.network.floats(&outputs[self.output], self.dimension)?)
    }

    /// Encodes one picture, of any size.
    pub fn embed(&self, frame: &RgbFrame) -> Result<Embedding, ModelError> {
        self.embed_pixels(&self.pixels(frame))
    }

    /// Estimated bytes of the weights in memory.
    pub fn loaded_bytes(&self) -> u64 {
        self.network.loaded_bytes()
    }
}
