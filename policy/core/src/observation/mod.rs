//! Observation layouts: what a policy sees. One implementation, used on the device and in training.
//!
//! | layout | input | output | source |
//! |---|---|---|---|
//! | `tmo-1` | one row of 25 numbers: the last five turns | nine scores | TMO, section 4 |
//! | `tmo-1-rc` | the same, then the seconds and USD that remain, as they are: 27 numbers | nine scores | TMO, section 4 |
//! | `trimtab-1` | one row of 63 numbers for each candidate | one score for each candidate | this module |

mod tmo1;
mod trimtab1;

pub use tmo1::{TMO1_ACTIONS, TMO1_HISTORY, TMO1_RC_WIDTH, TMO1_WIDTH, TmoHistory, TmoTurn};
pub use trimtab1::{
    LinkEstimate, TRIMTAB1_COLUMNS, TRIMTAB1_WIDTH, TurnContext, ViewFacts, association_gain, default_quality, row,
    utility,
};

use serde::{Deserialize, Serialize};

/// A published layout, by the name that policy files carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Layout {
    /// The published 25 numbers and nine outputs.
    #[serde(rename = "tmo-1")]
    Tmo1,
    /// The same with what remains of the conversation's budget.
    #[serde(rename = "tmo-1-rc")]
    Tmo1Rc,
    /// One row and one score for each candidate; sees the prompt.
    #[serde(rename = "trimtab-1")]
    Trimtab1,
}

impl Layout {
    /// Every layout that this build knows.
    pub const KNOWN: [Self; 3] = [Self::Tmo1, Self::Tmo1Rc, Self::Trimtab1];

    /// Name in policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tmo1 => "tmo-1",
            Self::Tmo1Rc => "tmo-1-rc",
            Self::Trimtab1 => "trimtab-1",
        }
    }
    /// The layout of that name, if this build knows it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::KNOWN.into_iter().find(|layout| layout.name() == name)
    }
    /// Numbers in one input row.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Tmo1 => TMO1_WIDTH,
            Self::Tmo1Rc => TMO1_RC_WIDTH,
            Self::Trimtab1 => TRIMTAB1_WIDTH,
        }
    }
}
