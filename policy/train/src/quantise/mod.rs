//! Quantises the models of a folder, and measures what that does to their outputs.
//!
//! Every ONNX file of the folder is opened by [`trimtab_quant`] and run by the engine on the owner's material. Four fifths of that
//! decide which layers stay wider; the last fifth, which nothing was chosen by, judges. A folder is written whole or not at all.

mod folder;
mod material;
mod measure;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use trimtab_engine::ModelError;
use trimtab_quant::{QuantiseError, QuantiseOptions, Quantiser, Width, search};

use material::Material;
use measure::{Bench, Reference};

/// Files whose weights have more bytes than this have them in a file of their own.
pub const EXTERNAL_FROM: u64 = 256 << 20;
/// Cosine that is aimed at.
pub const TARGET_COSINE: f64 = 0.99;
/// Most measurements that compare layers; where there are more layers, neighbours are taken together.
const COMPARISONS_MAX: usize = 64;
/// Share of the loss allowed that is kept back when choosing, because other inputs judge.
const MARGIN: f64 = 0.3;

/// Why a folder was not quantised. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuantiseFolderError {
    /// The model.
    #[error(transparent)]
    Quantise(#[from] QuantiseError),
    /// The engine.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A folder or file that cannot be used.
    #[error("{path}: {what}")]
    Material {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// The file system.
    #[error("{path}: cannot be {what}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Read, or written.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A target that cannot be met.
    #[error(
        "{path}: cosine {have:.5} to the float model on {n} inputs that it was not chosen by, below {target}; accept less with \
         --target-cosine, take more bits, or give more material"
    )]
    Target {
        /// The file.
        path: PathBuf,
        /// The best that was found.
        have: f64,
        /// Inputs.
        n: usize,
        /// What was aimed at.
        target: f64,
    },
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The folder of the float models.
    pub folder: PathBuf,
    /// Folders of pictures and files of texts.
    pub calibrate: Vec<PathBuf>,
    /// The new folder.
    pub out: PathBuf,
    /// Least mean cosine of outputs to those of the float model.
    pub target: f64,
    /// Four bits for linear layers, a byte for the rest.
    pub int4: bool,
    /// Folds norms.
    pub fold: bool,
    /// Files with more bytes of weights have them in a file of their own.
    pub external_from: u64,
}

/// What was done.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct Report {
    /// Bits of linear layers, unless they were left wider.
    pub bits: u8,
    /// What was aimed at.
    pub target_cosine: f64,
    /// Of each file, by its name in the folder.
    pub files: BTreeMap<String, FileReport>,
    /// Files of the source that were not taken over.
    pub left_out: Vec<String>,
}

/// What was done to one file.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct FileReport {
    /// Mean cosine to the outputs of the float model, of inputs that nothing was chosen by.
    pub cosine: f64,
    /// The least of them.
    pub cosine_least: f64,
    /// How many they were.
    pub n: usize,
    /// Mean cosine of the inputs that widths were chosen by.
    pub cosine_of_choice: f64,
    /// How many those were.
    pub n_of_choice: usize,
    /// The same with every layer as narrow as it can be.
    pub cosine_narrowest: f64,
    /// Outputs that were compared.
    pub outputs: Vec<String>,
    /// Layers by width.
    pub layers: BTreeMap<&'static str, usize>,
    /// Layers that were left wider than asked for, the worst first.
    pub wider: Vec<Wider>,
    /// Other large constants, which are float, each with the reason.
    pub float: BTreeMap<String, String>,
    /// Norms that were folded into the layers after them.
    pub norms_folded: usize,
    /// Bytes of the file and of its weights, before and after.
    pub bytes: [u64; 2],
    /// Models that were measured to choose.
    pub runs: usize,
    /// Seconds that it took.
    pub seconds: f64,
}

/// A layer that was left wider.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct Wider {
    /// Its weight.
    pub weight: String,
    /// The node that reads it.
    pub node: String,
    /// Its width.
    pub width: &'static str,
    /// Gain in cosine when it alone is left wider.
    pub gain: f64,
}

impl Job {
    /// Does it. `watch` is told what is going on: the file, and how many models were measured.
    pub fn run(&self, watch: &mut dyn FnMut(&str, usize)) -> Result<Report, QuantiseFolderError> {
        let models = folder::models(&self.folder)?;
        folder::check_out(&self.folder, &self.out)?;
        let material = Material::read(&self.folder, &self.calibrate)?;
        let staging = folder::Staging::new(&self.out)?;
        let mut report = Report {
            bits: if self.int4 { 4 } else { 8 },
            target_cosine: self.target,
            files: BTreeMap::new(),
            left_out: folder::copy(&self.folder, staging.path(), &models)?,
        };
        for name in models {
            let file = self.file(&name, &material, &staging, watch)?;
            report.files.insert(name, file);
        }
        folder::card(staging.path(), &report)?;
        staging.publish(&self.out)?;
        Ok(report)
    }

    fn file(
        &self,
        name: &str,
        material: &Material,
        staging: &folder::Staging,
        watch: &mut dyn FnMut(&str, usize),
    ) -> Result<FileReport, QuantiseFolderError> {
        let begun = Instant::now();
        let source = self.folder.join(name);
        watch(name, 0);
        let options = QuantiseOptions { fold: self.fold, int4: self.int4 };
        let quantiser = Quantiser::open(&source, &staging.scratch("weights"), &options)?;
        let reference = |filled| {
            let inputs = material.inputs(&source, &quantiser, filled)?;
            Reference::of(&source, quantiser.outputs(), inputs)
        };
        // Some exports compute their mask in a way that the engine can follow only at a known length.
        let reference = match reference(false) {
            Err(QuantiseFolderError::Model(_)) => reference(true)?,
            other => other?,
        };
        let bench = Bench { quantiser: &quantiser, reference: &reference, trial: staging.scratch("trial.onnx") };
        let layers: Vec<_> = quantiser.layers().collect();
        let narrowest: Vec<Width> = layers.iter().map(|layer| layer.narrowest).collect();
        let goal = self.target + MARGIN * (1.0 - self.target);
        let mut measured = Vec::new();
        let choice = search(&narrowest, goal, COMPARISONS_MAX, &mut |widths, effort| {
            let cosine = bench.choose(widths, effort)?;
            measured.push(cosine);
            watch(name, measured.len());
            Ok::<_, QuantiseFolderError>(cosine)
        })?;
        let (cosine, cosine_least) = bench.judge(&choice.widths)?;
        let n = reference.held_out().len();
        if cosine < self.target || choice.measured < self.target {
            let have = cosine.min(choice.measured);
            return Err(QuantiseFolderError::Target { path: source, have, n, target: self.target });
        }
        let out = staging.path().join(name);
        let written = quantiser.write(&choice.widths, &out, self.external_from)?;
        let mut counts = BTreeMap::new();
        choice.widths.iter().for_each(|width| *counts.entry(name_of(*width)).or_insert(0) += 1);
        let wider = choice.widened.iter().map(|(layer, gain)| Wider {
            weight: layers[*layer].weight.clone(),
            node: layers[*layer].node.clone(),
            width: name_of(choice.widths[*layer]),
            gain: *gain,
        });
        Ok(FileReport {
            cosine,
            cosine_least,
            n,
            cosine_of_choice: choice.measured,
            n_of_choice: reference.chosen().len(),
            cosine_narrowest: measured.first().copied().unwrap_or_default(),
            outputs: reference.outputs.clone(),
            layers: counts,
            wider: wider.collect(),
            float: quantiser.left().iter().cloned().collect(),
            norms_folded: quantiser.folded(),
            bytes: [folder::bytes(&source)?, written.bytes + written.external.map_or(0, |(_, bytes)| bytes)],
            runs: choice.runs,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }
}

fn name_of(width: Width) -> &'static str {
    match width {
        Width::Float => "float",
        Width::Int8 => "int8",
        Width::Int4 => "int4",
    }
}

fn io(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> QuantiseFolderError {
    let path = path.to_owned();
    move |source| QuantiseFolderError::Io { path, what, source }
}
