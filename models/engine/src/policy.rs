//! Policy files: one ONNX file whose metadata says which observation it reads, what it was trained on and with which
//! encoder. A file that this build cannot read rightly is refused, never run on the wrong numbers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use trimtab_core::limits::{CANDIDATES_MAX, PROMPT_FEATURES};
use trimtab_core::observation::{Layout, TMO1_ACTIONS, TRIMTAB1_WIDTH};

use crate::ModelError;
use crate::encoder::Embedding;
use crate::folder::{self, Fingerprint};
use crate::network::Network;
use crate::onnx::{Layers, Length, OnnxFile};

/// The version of both layouts that this build writes and reads.
pub const LAYOUT_VERSION: u32 = 1;
/// Largest policy file in bytes.
pub const POLICY_BYTES_MAX: u64 = 16 << 20;
/// Name of the constant that projects the prompt's embedding: f32, `[PROMPT_FEATURES, dimension of the encoder]`.
pub const PROJECTION: &str = "prompt_projection";

/// Why a policy file is refused or cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file or its graph.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A metadata key that every policy carries is not there.
    #[error("{path}: metadata key {key} is missing; export the policy with trimtab-lab")]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
    },
    /// A layout, or a version of one, that this build does not know.
    #[error(
        "{path}: observation layout {found:?} is unknown; this build knows {known}; update trimtab or take a policy for one of these"
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// What the file says.
        found: String,
        /// What this build knows.
        known: String,
    },
    /// Trained with another encoder, so its associations and prompt numbers would mean something else.
    #[error(
        "{path}: trained with encoder {expected}, but {found} is loaded; run `trimtab-lab recalibrate` or load that encoder"
    )]
    Encoder {
        /// The file.
        path: PathBuf,
        /// Fingerprint in the file.
        expected: String,
        /// Fingerprint of the encoder at hand.
        found: String,
    },
    /// Asked for scores in the way of another layout, or for more candidates than there can be.
    #[error("{path}: cannot score {what}")]
    Use {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        what: String,
    },
}

/// What a policy thinks of each candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// One score for each candidate; the highest is the best.
    pub score: Vec<f32>,
    /// The expected quality of each candidate's answer, 0..=1, if the policy estimates it.
    pub quality: Option<Vec<f32>>,
}

/// A loaded policy. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    network: Network,
    layout: Layout,
    metadata: BTreeMap<String, String>,
    projection: Vec<f32>,
    score: usize,
    quality: Option<usize>,
    sha256: Fingerprint,
}

impl PolicyFile {
    /// Loads a policy. Its metadata must name a known `layout` and `layout_version`; a `trimtab-1` policy also names
    /// its encoder (`encoder_sha256`) and holds the projection of the prompt ([`PROJECTION`]).
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        Self::decode(path, &folder::read(path, POLICY_BYTES_MAX)?)
    }

    /// The same from the bytes of the file; `path` is named in errors.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Self, PolicyError> {
        let file = OnnxFile::decode(path, bytes)?;
        let metadata: BTreeMap<String, String> =
            file.metadata().map(|(key, value)| (key.into(), value.into())).collect();
        let required =
            |key: &'static str| metadata.get(key).ok_or_else(|| PolicyError::Metadata { path: path.into(), key });
        let (name, version) = (required("layout")?, required("layout_version")?);
        let known = Layout::from_name(name).filter(|_| version.parse() == Ok(LAYOUT_VERSION));
        let layout = known.ok_or_else(|| PolicyError::Layout {
            path: path.into(),
            found: format!("{name} version {version}"),
            known: Layout::KNOWN.map(|layout| format!("{} version {LAYOUT_VERSION}", layout.name())).join(", "),
        })?;

        let mut projection = Vec::new();
        match layout {
            Layout::Tmo1 | Layout::Tmo1Rc => {
                file.expect_shape("observation", &[None, Some(layout.width())])?;
                file.expect_shape("score", &[None, Some(TMO1_ACTIONS)])?;
            }
            Layout::Trimtab1 => {
                required("encoder_sha256")?;
                file.expect_shape("candidates", &[None, Some(TRIMTAB1_WIDTH)])?;
                file.expect_shape("score", &[None])?;
                projection = file.constant(PROJECTION, PROMPT_FEATURES)?;
            }
        }
        let has_quality = layout == Layout::Trimtab1 && file.has("quality");
        let shape = [1, layout.width()].map(Length::Is);
        let one_row: [(&str, &[Length]); 1] = [("observation", &shape)];
        let network = file.plan(Layers::Float, if layout == Layout::Trimtab1 { &[] } else { &one_row }, None)?;
        Ok(Self {
            score: network.output("score")?,
            quality: if has_quality { Some(network.output("quality")?) } else { None },
            network,
            layout,
            metadata,
            projection,
            sha256: Fingerprint::of(&[("policy", bytes)]),
        })
    }

    /// The layout it reads.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// A metadata value: `views`, `tasks`, `algorithm`, `seed`, `dataset_sha256`, `scores`, `normaliser` and others.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Every metadata pair, by key.
    pub fn metadata_all(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Identity of the policy file.
    pub fn fingerprint(&self) -> Fingerprint {
        self.sha256
    }

    /// Refuses an encoder other than the one the policy was trained with. A policy of a published layout that names none takes any.
    pub fn check_encoder(&self, encoder: &Fingerprint) -> Result<(), PolicyError> {
        let found = encoder.to_string();
        match self.metadata("encoder_sha256") {
            Some(expected) if expected != found => {
                Err(PolicyError::Encoder { path: self.path(), expected: expected.into(), found })
            }
            _ => Ok(()),
        }
    }

    /// The prompt's embedding as the few numbers that a `trimtab-1` row holds.
    pub fn project(&self, prompt: &Embedding) -> Result<[f32; PROMPT_FEATURES], PolicyError> {
        let columns = self.projection.len() / PROMPT_FEATURES;
        let embedding = prompt.as_slice();
        if columns == 0 || columns != embedding.len() {
            return Err(
                self.refuse(format!("an embedding of {} numbers with a projection of {columns}", embedding.len()))
            );
        }
        let row = |index: usize| &self.projection[index * columns..(index + 1) * columns];
        Ok(std::array::from_fn(|index| row(index).iter().zip(embedding).map(|(w, e)| w * e).sum()))
    }

    /// Scores the candidates of one turn, one `trimtab-1` row each.
    pub fn score(&self, rows: &[[f32; TRIMTAB1_WIDTH]]) -> Result<Scores, PolicyError> {
        if self.layout != Layout::Trimtab1 || rows.len() > CANDIDATES_MAX {
            return Err(self.refuse(format!(
                "{} rows of trimtab-1 with a policy for {}",
                rows.len(),
                self.layout.name()
            )));
        }
        if rows.is_empty() {
            return Ok(Scores { score: Vec::new(), quality: self.quality.map(|_| Vec::new()) });
        }
        let candidates = self.network.tensor(&[rows.len(), TRIMTAB1_WIDTH], rows.as_flattened())?;
        let outputs = self.network.run(vec![("candidates", candidates)])?;
        let read = |output: usize| self.network.floats(&outputs[output], rows.len()).map(<[f32]>::to_vec);
        Ok(Scores { score: read(self.score)?, quality: self.quality.map(read).transpose()? })
    }

    /// Scores the nine actions of a published layout, `tmo-1` or `tmo-1-rc`.
    pub fn score_tmo1(&self, observation: &[f32]) -> Result<[f32; TMO1_ACTIONS], PolicyError> {
        let width = self.layout.width();
        if self.layout == Layout::Trimtab1 || observation.len() != width {
            return Err(self.refuse(format!(
                "a published observation of {} numbers with a policy for {}",
                observation.len(),
                self.layout.name()
            )));
        }
        let feed = self.network.tensor(&[1, width], observation)?;
        let outputs = self.network.run(vec![("observation", feed)])?;
        let values = self.network.floats(&outputs[self.score], TMO1_ACTIONS)?;
        Ok(std::array::from_fn(|action| values[action]))
    }

    /// Estimated bytes of the weights in memory.
    pub fn loaded_bytes(&self) -> u64 {
        self.network.loaded_bytes()
    }

    fn path(&self) -> PathBuf {
        self.network.path().into()
    }

    fn refuse(&self, what: String) -> PolicyError {
        PolicyError::Use { path: self.path(), what }
    }
}
