//! A trained policy in the lab: everything that goes into the file, with float weights, and the same with int8 weights.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use trimtab_core::Preference;
use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::observation::association_gain;
use trimtab_core::observation::utility;
use trimtab_quant::{GraphError, Int8Weight};
use trimtab_scenes::Rng;

use crate::dataset::Turn;
use crate::features::{Normaliser, rows};
use crate::network::{Mlp, sigmoid};
use crate::projection::Projection;

/// Name of the learning method that fits how likely an answer is right.
pub const QUALITY_REGRESSION: &str = "quality-regression";
/// Widths of the hidden layers.
pub const HIDDEN: [usize; 2] = [48, 32];

/// What training makes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// Of the prompt's embedding.
    pub projection: Projection,
    /// Of the rows.
    pub normaliser: Normaliser,
    /// Estimates the logit of a right answer from a normalised row.
    pub network: Mlp,
    /// Views less likely than this to show what is asked are dropped. Calibrated after training.
    pub view_threshold: f32,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a policy comes from.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Origin {
    /// Of the training.
    pub seed: u64,
    /// sha256 of the table.
    pub dataset_sha256: String,
    /// Turns of the table.
    pub turns: usize,
    /// Fingerprint of the encoder.
    pub encoder_sha256: String,
    /// Names of the views.
    pub views: Vec<String>,
    /// Smallest and largest value of each prompt number.
    pub prompt_range: Vec<[f32; 2]>,
    /// Scores on turns kept out of the fit, as JSON.
    pub scores: serde_json::Value,
    /// Name of the learning method.
    #[serde(default = "quality_regression")]
    pub algorithm: String,
    /// What else the file says of itself, by key.
    #[serde(default)]
    pub further: BTreeMap<String, String>,
}

fn quality_regression() -> String {
    QUALITY_REGRESSION.into()
}

/// Why a policy cannot be kept or read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file system.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No checkpoint, or one of another shape.
    #[error("{path}: {what}; write one with trimtab-lab train --checkpoint")]
    Form {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl Policy {
    /// A policy that knows nothing: the same inputs, random weights as large as trained ones.
    #[must_use]
    pub fn random(like: &Self, seed: u64) -> Self {
        let mut rng = Rng::for_purpose(seed, "random weights");
        let mut network = Mlp::random(&widths(), &mut rng);
        // The small start of the last layer would leave the choice to the costs; this one has opinions.
        if let Some(last) = network.layers.last_mut() {
            last.weight.iter_mut().for_each(|w| *w *= 10.0);
        }
        Self { network, ..like.clone() }
    }

    /// Probability of a right answer for each tried action of a turn.
    #[must_use]
    pub fn quality(&self, turn: &Turn) -> Vec<f32> {
        // The estimate does not read the preference: any will do.
        rows(turn, self.prompt(turn), &Preference::default())
            .iter()
            .map(|row| sigmoid(self.network.logit(&self.normaliser.apply(row))))
            .collect()
    }

    /// The score of each tried action of a turn: what the exported file computes.
    #[must_use]
    pub fn scores(&self, turn: &Turn, preference: &Preference) -> Vec<f32> {
        let value = |(tried, quality): (&crate::dataset::Tried, f32)| {
            let gain = association_gain(&turn.views, tried.action.views);
            utility(preference, quality, gain, &tried.quote)
        };
        turn.tried.iter().zip(self.quality(turn)).map(value).collect()
    }

    /// The prompt's numbers in a row.
    #[must_use]
    pub fn prompt(&self, turn: &Turn) -> [f32; PROMPT_FEATURES] {
        self.projection.apply(&turn.embedding)
    }

    /// The same policy with every weight as the int8 file holds it. Fails on a weight that is no number.
    pub fn quantised(&self) -> Result<Self, GraphError> {
        let mut policy = self.clone();
        for layer in &mut policy.network.layers {
            let shape = [layer.inputs, layer.outputs];
            layer.weight = Int8Weight::quantise("layer", &layer.weight, &shape, 1)?.dequantise();
        }
        Ok(policy)
    }

    /// Keeps the float weights as JSON.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let json = serde_json::to_vec(self).map_err(|error| form(path, error.to_string()))?;
        crate::whole::write(path, &json).map_err(|source| CheckpointError::Io { path: path.into(), source })
    }

    /// Reads what [`Policy::save`] wrote.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let json = std::fs::read(path).map_err(|source| CheckpointError::Io { path: path.into(), source })?;
        let policy: Self = serde_json::from_slice(&json).map_err(|error| form(path, error.to_string()))?;
        let widths = widths();
        let right = policy.network.layers.len() + 1 == widths.len()
            && policy.network.layers.iter().zip(widths.windows(2)).all(|(layer, pair)| {
                (layer.inputs, layer.outputs) == (pair[0], pair[1])
                    && layer.weight.len() == pair[0] * pair[1]
                    && layer.bias.len() == pair[1]
            })
            && policy.normaliser.mean.len() == widths[0]
            && policy.normaliser.scale.len() == widths[0]
            && policy.projection.matrix().len() == PROMPT_FEATURES * policy.projection.dimension();
        if right { Ok(policy) } else { Err(form(path, format!("its layers are not {widths:?}"))) }
    }
}

fn form(path: &Path, what: String) -> CheckpointError {
    CheckpointError::Form { path: path.into(), what }
}

/// From the row to the logit.
#[must_use]
pub fn widths() -> [usize; 4] {
    [trimtab_core::observation::TRIMTAB1_WIDTH, HIDDEN[0], HIDDEN[1], 1]
}
