//! Any ONNX file on named tensors: for tools that compare models, not for turns.

use std::path::Path;

use crate::folder::Folder;
use crate::network::Network;
use crate::onnx::{Layers, Length, OnnxFile};
use crate::preprocess::Preprocessor;
use crate::{JSON_BYTES_MAX, ModelError, RgbFrame};

/// Name of the length that the caller chooses at each run.
const FREE: &str = "chosen";

/// The values of an input, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 32-bit integers.
    I32(Vec<i32>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// A tensor to feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// The input.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Values,
}

/// A float output of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatOutput {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row-major, all finite.
    pub values: Vec<f32>,
}

/// A loaded ONNX file.
#[derive(Clone, Debug)]
pub struct Runner {
    network: Network,
    inputs: Vec<(String, Vec<Option<usize>>)>,
}

impl Runner {
    /// Loads a file. `pins` gives the shapes of inputs, instead of what the file says of them; `None` is one length that each run
    /// chooses, the same for all inputs.
    pub fn load(path: &Path, pins: &[(&str, Vec<Option<usize>>)]) -> Result<Self, ModelError> {
        let file = OnnxFile::open(path)?;
        let inputs = file.inputs().map(|name| Ok((name.to_owned(), file.shape(name)?)));
        let inputs = inputs.collect::<Result<_, ModelError>>()?;
        let length = |length: &Option<usize>| length.map_or(Length::Free(FREE), Length::Is);
        let pins: Vec<(&str, Vec<Length>)> =
            pins.iter().map(|(name, shape)| (*name, shape.iter().map(length).collect())).collect();
        let pins: Vec<(&str, &[Length])> = pins.iter().map(|(name, shape)| (*name, shape.as_slice())).collect();
        Ok(Self { network: file.plan(Layers::Int8, &pins, None)?, inputs })
    }

    /// Names and declared shapes of what the model asks for; `None` for lengths that the caller chooses.
    pub fn inputs(&self) -> &[(String, Vec<Option<usize>>)] {
        &self.inputs
    }

    /// Runs it once; gives the float outputs of these names.
    pub fn run(&self, feeds: &[Feed], wanted: &[&str]) -> Result<Vec<FloatOutput>, ModelError> {
        let tensor = |feed: &Feed| match &feed.values {
            Values::F32(values) => self.network.tensor(&feed.shape, values),
            Values::I32(values) => self.network.tensor(&feed.shape, values),
            Values::I64(values) => self.network.tensor(&feed.shape, values),
            Values::Bool(values) => self.network.tensor(&feed.shape, values),
        };
        let tensors = feeds.iter().map(|feed| Ok((feed.name.as_str(), tensor(feed)?)));
        let made = self.network.run(tensors.collect::<Result<_, ModelError>>()?)?;
        let output = |name: &&str| {
            let made = &made[self.network.output(name)?];
            let values = self.network.floats(made, made.len())?.to_vec();
            Ok(FloatOutput { shape: made.shape().to_vec(), values })
        };
        wanted.iter().map(output).collect()
    }
}

/// What a folder's preprocessor makes of pictures.
#[derive(Clone, Debug)]
pub struct PictureInput(Preprocessor);

impl PictureInput {
    /// Reads `preprocessor_config.json` of a folder.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let folder = Folder::open(folder, "preprocessor_config.json")?;
        let file = "preprocessor_config.json";
        Ok(Self(Preprocessor::parse(&folder.path(file), &folder.bytes(file, JSON_BYTES_MAX)?)?))
    }

    /// Height and width of what a model sees, in pixels.
    pub fn size(&self) -> (usize, usize) {
        self.0.size()
    }

    /// A picture as `[3, height, width]` numbers.
    pub fn pixels(&self, frame: &RgbFrame) -> Vec<f32> {
        let mut pixels = Vec::new();
        self.0.append(frame, &mut pixels);
        pixels
    }
}
