//! Writes a model's folder: configuration, preprocessing, tokenizer, graphs, and the facts of its card.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::module::Module;
use serde_json::{Map, Value, json};
use trimtab_engine::{Calibration, Confidence, TaskHeadFile};

use crate::bpe::{ACTION, END, USER};
use crate::corpus::{CHANNEL_DEVIATION, CHANNEL_MEAN, TEXT_CONTEXT, vocabulary};
use crate::encoder::{self, DualEncoder};
use crate::eye::Eye;
use crate::fit::Run;
use crate::layers::Precision;
use crate::lm::{self, Lm};
use crate::scores::Measured;
use crate::vqa::{self, Grade, Vqa};

/// The folder of one model under the folder of all.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Where folders go, and how their weights are written.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The folder of all model folders.
    pub all: &'a Path,
    /// How weights are written there.
    pub weights: Precision,
}

impl Folder {
    /// Makes the folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(shipped: &Path, name: &str) -> Result<Self> {
        let path = shipped.join(name);
        fs::create_dir_all(path.join("onnx")).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path })
    }

    fn write(&self, file: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(file);
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
    }

    fn write_json(&self, file: &str, value: &Value) -> Result<()> {
        self.write(file, format!("{}\n", serde_json::to_string_pretty(value)?).as_bytes())
    }

    fn write_tokenizer(&self) -> Result<()> {
        self.write("tokenizer.json", serde_json::to_string(&vocabulary().to_json())?.as_bytes())
    }

    fn write_preprocessor(&self, side: usize) -> Result<()> {
        let size = json!({"height": side, "width": side});
        let (mean, deviation) = ([CHANNEL_MEAN; 3], [CHANNEL_DEVIATION; 3]);
        self.write_json(
            "preprocessor_config.json",
            &json!({
                "image_processor_type": "CLIPImageProcessor",
                "do_convert_rgb": true, "do_resize": true, "size": size, "resample": 2, "do_center_crop": false,
                "do_rescale": true, "rescale_factor": 1.0 / 255.0, "do_normalize": true,
                "image_mean": mean, "image_std": deviation
            }),
        )
    }

    /// The card: what the model is, how it was made and how large its files are. Scores join it when they are measured
    /// on the finished folder.
    fn write_card(&self, what: &str, weights: Precision, seed: u64, run: Run, parameters: usize) -> Result<()> {
        let mut files = Map::new();
        for file in
            ["onnx/model.onnx", "onnx/vision_model.onnx", "onnx/text_model.onnx", "tokenizer.json", "task_head.json"]
        {
            if let Ok(facts) = fs::metadata(self.path.join(file)) {
                files.insert(file.to_owned(), json!(facts.len()));
            }
        }
        self.write_json(
            "card.json",
            &json!({
                "what": what,
                "data": "rendered household scenes, prompts and right answers of trimtab-scenes, split train",
                "seed": seed,
                "training": run,
                "parameters": parameters,
                "weights": match weights {
                    Precision::Int8 => "int8 per output channel, biases and norms f32",
                    Precision::Float => "f32",
                },
                "file_bytes": files,
                "licence": "MIT OR Apache-2.0"
            }),
        )
    }

    /// Writes the encoder's task head, which is fitted to the folder.
    ///
    /// # Errors
    /// When the head cannot be written, or the card not be read or written.
    pub fn write_task_head(&self, head: &TaskHeadFile) -> Result<()> {
        let text = format!("{}\n", serde_json::to_string(head)?);
        self.write("task_head.json", text.as_bytes())?;
        self.change_card(|card| card["file_bytes"]["task_head.json"] = json!(text.len()))
    }

    /// Adds to the card what was measured on the finished folder.
    ///
    /// # Errors
    /// When the card cannot be read or written.
    pub fn complete_card(&self, measured: Measured) -> Result<()> {
        self.change_card(|card| {
            card["scores"] = measured.scores;
            for (key, fact) in measured.facts {
                card[key] = fact;
            }
            if let Some(bytes) = measured.peak_memory_bytes {
                card["peak_memory_bytes"] = json!(bytes);
            }
        })
    }

    fn change_card(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let path = self.path.join("card.json");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let mut card: Value = serde_json::from_str(&text).with_context(|| format!("parsing {}", path.display()))?;
        change(&mut card);
        self.write_json("card.json", &card)
    }

    /// Writes the language model's configuration; `confidence` says what its probabilities are worth.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_lm_config(&self, confidence: Confidence) -> Result<()> {
        self.write_json(
            "config.json",
            &json!({
                "model_type": "trimtab-lm", "n_layer": lm::LAYERS, "n_head": lm::HEADS, "head_dim": lm::HEAD_WIDTH,
                "hidden": lm::WIDTH, "vocab_size": vocabulary().len(), "context": lm::CONTEXT, "bos_token_id": USER,
                "eos_token_id": END, "action_token_id": ACTION, "prompt_template": lm::TEMPLATE, "confidence": confidence
            }),
        )
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The graph of the eye in its folder.
pub const EYE: &str = "onnx/model.onnx";

/// Writes the folder of the eye that other models start from: its weights alone, in float.
///
/// # Errors
/// When a file cannot be written.
pub fn write_eye(all: &Path, eye: &Eye, seed: u64, run: Run) -> Result<Folder> {
    let folder = Folder::make(all, "eye")?;
    folder.write(EYE, &eye.write_alone()?)?;
    folder.write_card("names what stands in each cell of a view", Precision::Float, seed, run, eye.num_params())?;
    Ok(folder)
}

/// Writes the encoder's folder, without its task head.
///
/// # Errors
/// When a file cannot be written or a weight is not finite.
pub fn write_encoder(
    place: Place<'_>,
    model: &DualEncoder,
    calibration: Calibration,
    seed: u64,
    run: Run,
) -> Result<Folder> {
    let folder = Folder::make(place.all, "encoder")?;
    folder.write("onnx/vision_model.onnx", &model.write_vision(place.weights)?)?;
    folder.write("onnx/text_model.onnx", &model.write_text(place.weights)?)?;
    folder.write_json(
        "config.json",
        &json!({
            "model_type": "trimtab-dual-encoder", "projection_dim": encoder::WIDTH, "context": TEXT_CONTEXT,
            "logit_scale": calibration.scale, "logit_bias": calibration.bias, "vocab_size": vocabulary().len()
        }),
    )?;
    folder.write_preprocessor(encoder::IMAGE_SIDE)?;
    folder.write_tokenizer()?;
    let what = "dual encoder of camera views and prompts, with a task head that also says unknown";
    folder.write_card(what, place.weights, seed, run, model.num_params())?;
    Ok(folder)
}

/// Writes the language model's folder, with raw confidences: how they are to be read is measured on the folder.
///
/// # Errors
/// When a file cannot be written or a weight is not finite.
pub fn write_lm(place: Place<'_>, model: &Lm, seed: u64, run: Run) -> Result<Folder> {
    let folder = Folder::make(place.all, "lm")?;
    folder.write("onnx/model.onnx", &model.write(place.weights)?)?;
    folder.write_tokenizer()?;
    folder.write_lm_config(Confidence::RAW)?;
    let what = "causal language model for commands and messages: says what it does and does it, asks for what is missing, and says what it cannot see";
    folder.write_card(what, place.weights, seed, run, model.num_params())?;
    Ok(folder)
}

/// Writes the folder of a stand-in vision-language model.
///
/// # Errors
/// When a file cannot be written or a weight is not finite.
pub fn write_vqa(place: Place<'_>, grade: Grade, model: &Vqa, seed: u64, run: Run) -> Result<Folder> {
    let folder = Folder::make(place.all, grade.name())?;
    folder.write("onnx/model.onnx", &model.write(place.weights)?)?;
    folder.write_json(
        "config.json",
        &json!({
            "model_type": "trimtab-vqa", "answers": vqa::answers(), "image_size": grade.image_side(), "context": TEXT_CONTEXT,
            "vocab_size": vocabulary().len()
        }),
    )?;
    folder.write_preprocessor(grade.image_side())?;
    folder.write_tokenizer()?;
    let what = "stand-in for a vision-language model in the cloud: short answers from the pixels of one to three views";
    folder.write_card(what, place.weights, seed, run, model.num_params())?;
    Ok(folder)
}
