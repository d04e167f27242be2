//! What a governor has learnt, kept over a restart.

use crate::calibration::{Calibration, Coverage};
use crate::governor::Governor;
use crate::quoting::CloudTrack;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use trimtab_core::Cost;

/// Tokens of the answer by which two starts are compared.
const TOKENS: u32 = 64;

/// As it is kept. Ratios are of what should have been taken as the start found it, which the next start may find otherwise.
#[derive(Serialize, Deserialize)]
pub(crate) struct Learnt {
    pub(crate) decision: Cost,
    pub(crate) local: Cost,
    pub(crate) deciding: Calibration,
    pub(crate) answering: Calibration,
    pub(crate) speed: Calibration,
    pub(crate) coverage: Coverage,
    pub(crate) nodes: Vec<(String, CloudTrack)>,
}

impl Governor {
    /// What was learnt of latency and energy, as bytes for [`recall`](Self::recall).
    #[must_use]
    pub fn learnt(&self) -> Vec<u8> {
        let learnt = Learnt {
            decision: self.decision,
            local: self.local().map_or(Cost::ZERO, |local| local.longest(TOKENS).cost()),
            deciding: self.deciding,
            answering: self.answering,
            speed: self.speed,
            coverage: self.coverage,
            nodes: self.nodes().iter().map(|node| (node.name.clone(), node.track)).collect(),
        };
        postcard::to_allocvec(&learnt).unwrap_or_default()
    }

    /// Goes on with what an earlier runtime had learnt; false where that cannot be read, and nothing changes. Nodes that are not
    /// offered yet are recalled when they are.
    pub fn recall(&mut self, learnt: &[u8]) -> bool {
        let Ok(learnt) = postcard::from_bytes::<Learnt>(learnt) else { return false };
        let local = self.local().map_or(Cost::ZERO, |local| local.longest(TOKENS).cost());
        self.deciding = learnt.deciding.of_base(&learnt.decision, &self.decision);
        self.answering = learnt.answering.of_base(&learnt.local, &local);
        self.speed = learnt.speed.of_base(&learnt.local, &local);
        self.coverage = learnt.coverage;
        self.recalled = learnt.nodes;
        true
    }
}
