//! Makes a table from a running device, somebody else's robot: prompts from a file are said to it over its local API, its answers
//! are scored afterwards.
//!
//! | term | meaning |
//! |---|---|
//! | candidate | an action that the device could take with the views that are kept |
//! | every action | each turn is asked once for each candidate, so what the others would have done is known |
//! | one action | each turn takes the first of its candidates, in a random order, that the shield admits: a log |
//! | propensity | how likely an action was to be taken: one over the number of candidates that were admissible |
//! | left out | an action that did not run as it was asked for |
//!
//! What the device does is its own doing: its shield refuses what budgets and privacy forbid, whoever asks. A conversation is
//! written when it is over and never run again; scores are added to what lies in the folder, so that a judge that fails, or a
//! user who scores days later, costs no turn.

pub mod conversation;
pub mod folder;
pub mod judge;
pub mod prompts;
pub mod runtime;
pub mod score;
mod turn;

use std::path::PathBuf;

use trimtab_bridge::EndpointError;
use trimtab_device::client::ClientError;
use trimtab_engine::{Encoder, ModelError};

use crate::dataset::DatasetError;
use prompts::PromptsError;
use runtime::Facts;

/// Why nothing is collected from a device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RobotError {
    /// The file of prompts.
    #[error(transparent)]
    Prompts(#[from] PromptsError),
    /// The device does not answer, or refuses.
    #[error("device {url}: {source}")]
    Device {
        /// Its URL.
        url: String,
        /// What it said.
        source: ClientError,
    },
    /// What the device says cannot be read.
    #[error("device {url}: its {what} cannot be read ({source}); bring runtime and lab to the same version")]
    Version {
        /// Its URL.
        url: String,
        /// What was asked for.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The device lacks a part.
    #[error("device {url}: {what}")]
    Unfit {
        /// Its URL.
        url: String,
        /// What it lacks, and the remedy.
        what: String,
    },
    /// The device has another encoder.
    #[error(
        "--encoder: {folder_sha256} is not the device's, which is {device_sha256}; name the folder of [models] encoder in its configuration"
    )]
    Encoder {
        /// Fingerprint of the folder.
        folder_sha256: String,
        /// Fingerprint of the device's.
        device_sha256: String,
    },
    /// A view that is not there.
    #[error("--cameras: {camera:?} is no camera of the device; it has {known}")]
    Camera {
        /// As asked for.
        camera: String,
        /// What there is.
        known: String,
    },
    /// A turn of which nothing can be kept.
    #[error("conversation {conversation:?}, turn {turn}: {what}; the conversations before it are kept")]
    Turn {
        /// Its name.
        conversation: String,
        /// From 0.
        turn: usize,
        /// What happened, and the remedy.
        what: String,
    },
    /// A table file of another conversation.
    #[error("{}: {what}; give these prompts another --out", path.display())]
    Shard {
        /// The file.
        path: PathBuf,
        /// What it holds.
        what: String,
    },
    /// The encoder cannot embed a prompt.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The table.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The judge cannot be asked at all.
    #[error("--scorer judge: {0}")]
    Judge(#[from] EndpointError),
    /// The judge does not answer.
    #[error("{what}; every turn is kept, so run the same command again to have the rest scored")]
    NoVerdict {
        /// What it said last.
        what: String,
    },
}

/// How to collect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Of every draw of an action.
    pub seed: u64,
    /// Asks for every action of a turn, not for one.
    pub every_action: bool,
    /// Which of the device's views are kept, by their number there, ascending.
    views: Vec<usize>,
}

impl Plan {
    /// Checks that the device allows it and has what it takes. Without `cameras` all views are kept.
    pub fn new(
        facts: &Facts,
        url: &str,
        encoder: &Encoder,
        cameras: &[String],
        seed: u64,
        every_action: bool,
    ) -> Result<Self, RobotError> {
        if !facts.explore {
            let what = "does not let itself be told what to do; set explore = true under [api] of its configuration";
            return Err(RobotError::Unfit { url: url.into(), what: what.into() });
        }
        let fingerprint = encoder.fingerprint().to_string();
        if fingerprint != facts.encoder_sha256 {
            let device_sha256 = facts.encoder_sha256.clone();
            return Err(RobotError::Encoder { folder_sha256: fingerprint, device_sha256 });
        }
        let place = |camera: &String| {
            facts
                .cameras
                .iter()
                .position(|known| known == camera)
                .ok_or_else(|| RobotError::Camera { camera: camera.clone(), known: facts.cameras.join(", ") })
        };
        let mut views = cameras.iter().map(place).collect::<Result<Vec<usize>, _>>()?;
        views.sort_unstable();
        views.dedup();
        if views.is_empty() {
            views = (0..facts.cameras.len()).collect();
        }
        Ok(Self { seed, every_action, views })
    }
}
