//! Fits a policy file to another encoder than the one it was trained with.
//!
//! Of what a `trimtab-1` policy reads, four things come from the encoder. Each is fitted so that the policy sees, through the
//! new encoder, what it would have seen through the old one:
//!
//! | what | fitted | kept in |
//! |---|---|---|
//! | the prompt's numbers | an affine map from the new embedding, by ridge regression | projection and normaliser of the policy |
//! | association of a set of views | one column of the row, from its neighbours | nodes in front of the policy's normaliser |
//! | probability that a view shows what is asked | scale and bias of a logistic function | `config.json` of the encoder |
//! | task kinds, and what is like none of them | a task head | `task_head.json` of the encoder |
//!
//! The network behind the normaliser is not touched, and an encoder that brings a calibration or a task head of its own keeps
//! it. How alike both decide is measured on prompts and pictures that nothing was fitted to.

mod associations;
mod decisions;
mod folder;
mod head;
mod material;
mod measure;
mod own;
mod prompts;
mod rewrite;
mod scenes;

use std::path::{Path, PathBuf};

use trimtab_core::observation::Layout;
use trimtab_engine::{
    Calibration, Encoder, Fingerprint, ModelError, POLICY_BYTES_MAX, PolicyError, PolicyFile, TaskHeadFile,
};
use trimtab_quant::EditError;

use crate::collect::CollectError;
use crate::dataset::{DatasetError, Table};
use crate::experiment::Progress;
use material::{Encoders, Material};

pub use decisions::{Decisions, SHEETS, Sheet, sheets};
pub use folder::complete;
pub use measure::{Fit, Report};
pub use own::{PICTURE_BYTES_MAX, PICTURES_MAX, PICTURES_MIN, PROMPTS_BYTES_MAX, PROMPTS_MAX, PROMPTS_MIN};
pub use scenes::{SCENES_FITTED, SCENES_HELD_OUT};

/// Share of held-out turns in which the policy must decide alike through both encoders.
pub const AGREEMENT_MIN: f64 = 0.85;
/// Metadata key of a recalibrated policy: from what, and how well.
pub const METADATA_KEY: &str = "recalibrated";

/// Why a policy is not recalibrated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecalibrateError {
    /// An encoder's folder.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The policy file.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The parts whose quotes decisions are compared on.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// The table whose decisions are compared.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A layout that sees no encoder.
    #[error("{path}: layout {layout} reads nothing of an encoder, so it runs with any; load it as it is")]
    Layout {
        /// The file.
        path: PathBuf,
        /// Its layout.
        layout: &'static str,
    },
    /// A policy of another encoder than the one given.
    #[error("{path}: trained with encoder {expected}, but {folder} is {found}; give --from the folder of the first")]
    From {
        /// The policy.
        path: PathBuf,
        /// What it names.
        expected: String,
        /// The folder given.
        folder: PathBuf,
        /// Its fingerprint.
        found: Fingerprint,
    },
    /// The encoder that the policy was trained with.
    #[error("{folder}: is the encoder that the policy was trained with; load the policy as it is")]
    Same {
        /// The folder.
        folder: PathBuf,
    },
    /// A map of a map would lose twice.
    #[error("{path}: was recalibrated already; recalibrate the policy that it was made from")]
    Twice {
        /// The file.
        path: PathBuf,
    },
    /// A graph of another build.
    #[error("{path}: {source}")]
    Edit {
        /// The file.
        path: PathBuf,
        /// What is not there.
        source: EditError,
    },
    /// Prompts, pictures or turns that nothing can be fitted to.
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
    /// The new encoder does not see enough of what the old one saw.
    #[error(
        "old and new decide alike in {have:.3} of {turns} held-out turns, below {limit}: train a policy with the new encoder, \
         give more prompts and pictures, or accept it with --accept {have:.2}"
    )]
    Unlike {
        /// Share of turns decided alike.
        have: f64,
        /// Turns.
        turns: usize,
        /// The least that is accepted.
        limit: f64,
    },
}

/// What to fit to.
#[derive(Clone, PartialEq, Debug)]
pub enum Source {
    /// Rendered scenes, where what each view shows is known.
    Scenes {
        /// Scenes to fit to.
        fitted: usize,
        /// Other scenes, with other phrasings, to measure on.
        held_out: usize,
    },
    /// The owner's own; the old encoder's outputs are what is aimed at.
    Own {
        /// A text file of prompts, one a line.
        prompts: PathBuf,
        /// A folder of pictures.
        pictures: PathBuf,
    },
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// The policy file.
    pub policy: PathBuf,
    /// Folder of the encoder that it was trained with.
    pub from: PathBuf,
    /// Folder of the encoder that it is to run with.
    pub to: PathBuf,
    /// What to fit to.
    pub source: Source,
    /// Fits calibration and task head anew where the folder has them.
    pub replace: bool,
}

/// What came of it. Nothing is written yet.
#[derive(Debug)]
pub struct Recalibrated {
    /// The new policy file.
    pub policy: Vec<u8>,
    /// For the encoder's folder; none where it keeps its own.
    pub calibration: Option<Calibration>,
    /// For the encoder's folder; none where it keeps its own.
    pub head: Option<TaskHeadFile>,
    /// How well it fits.
    pub report: Report,
}

impl Job {
    /// Fits, and measures. Decisions are compared on `table` where there is one, whose scenes are rendered again, or else on
    /// the held-out turns with the quotes of `sheets`.
    ///
    /// # Errors
    /// See [`RecalibrateError`]; the agreement is the caller's to judge, with [`Report::accept`].
    pub fn run(
        &self,
        sheets: &[Sheet],
        table: Option<&Table>,
        watch: &(dyn Fn(Progress) + Sync),
    ) -> Result<Recalibrated, RecalibrateError> {
        let (bytes, policy) = self.policy()?;
        let encoders = self.encoders(&policy)?;
        let (fitted, held_out) = match &self.source {
            Source::Scenes { fitted, held_out } => scenes::both(&encoders, *fitted, *held_out, watch)?,
            Source::Own { prompts, pictures } => own::both(&encoders, prompts, pictures, watch)?,
        };

        let (calibration, head) = self.missing(&encoders, &fitted);
        let mut new = encoders.new.clone();
        if let Some(calibration) = calibration {
            new = new.with_calibration(calibration);
        }
        if let Some(head) = &head {
            new = new.with_task_head(head.clone())?;
        }
        let encoders = Encoders { new, ..encoders };
        let map = prompts::PromptMap::fit(&policy, &fitted)?;
        let column = associations::Column::fit(&encoders, &fitted);
        let fit = Fit::measure(&policy, &encoders, &map, &column, &held_out)?;
        let changed = rewrite::Change { encoders: &encoders, map: &map, column: &column, fitted: &fitted, fit: &fit };
        let bytes = changed.apply(&self.policy, &bytes, &policy)?;
        let recalibrated = PolicyFile::decode(&self.policy, &bytes)?;

        let decided = decisions::Sides { old: &policy, new: &recalibrated, encoders: &encoders };
        let decisions = match table {
            Some(table) => decided.on_table(table, watch)?,
            None => decided.on_material(&held_out, sheets)?,
        };
        let report = Report {
            from: encoders.old.fingerprint().to_string(),
            to: encoders.new.fingerprint().to_string(),
            prompts: fitted.said.len(),
            views: fitted.seen.len(),
            calibration_fitted: calibration.is_some(),
            task_head_fitted: head.is_some(),
            fit,
            decisions,
        };
        Ok(Recalibrated { policy: bytes, calibration, head, report })
    }

    /// Whether policy and encoders can be read and belong together: what is cheap to know before anything is run.
    ///
    /// # Errors
    /// See [`RecalibrateError`].
    pub fn check(&self) -> Result<(), RecalibrateError> {
        self.encoders(&self.policy()?.1)?;
        match &self.source {
            Source::Scenes { .. } => Ok(()),
            Source::Own { prompts, pictures } => own::check(prompts, pictures),
        }
    }

    fn policy(&self) -> Result<(Vec<u8>, PolicyFile), RecalibrateError> {
        let bytes = read(&self.policy, POLICY_BYTES_MAX)?;
        let policy = PolicyFile::decode(&self.policy, &bytes)?;
        Ok((bytes, policy))
    }

    /// Both encoders, checked against the policy.
    fn encoders(&self, policy: &PolicyFile) -> Result<Encoders, RecalibrateError> {
        if policy.layout() != Layout::Trimtab1 {
            return Err(RecalibrateError::Layout { path: self.policy.clone(), layout: policy.layout().name() });
        }
        if policy.metadata(METADATA_KEY).is_some() {
            return Err(RecalibrateError::Twice { path: self.policy.clone() });
        }
        let old = Encoder::load(&self.from)?;
        let expected = policy.metadata("encoder_sha256").unwrap_or_default();
        if old.fingerprint().to_string() != expected {
            return Err(RecalibrateError::From {
                path: self.policy.clone(),
                expected: expected.into(),
                folder: self.from.clone(),
                found: old.fingerprint(),
            });
        }
        let new = Encoder::load(&self.to)?;
        if new.fingerprint() == old.fingerprint() {
            return Err(RecalibrateError::Same { folder: self.to.clone() });
        }
        Ok(Encoders { old, new })
    }

    /// What the new encoder's folder lacks, or is to have anew.
    fn missing(&self, encoders: &Encoders, fitted: &Material) -> (Option<Calibration>, Option<TaskHeadFile>) {
        let calibrated = encoders.new.shows_probability(0.0).is_some();
        let calibration = (self.replace || !calibrated).then(|| associations::calibration(encoders, fitted));
        let head = (self.replace || !encoders.new.classifies_tasks()).then(|| head::fit(fitted));
        (calibration, head)
    }
}

/// Reads a whole file of at most `limit` bytes.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, RecalibrateError> {
    let io = |source| RecalibrateError::Io { path: path.into(), what: "read", source };
    let have = std::fs::metadata(path).map_err(io)?.len();
    if have > limit {
        let what = format!("{have} bytes; at most {limit} are read");
        return Err(RecalibrateError::Material { path: path.into(), what });
    }
    std::fs::read(path).map_err(io)
}
