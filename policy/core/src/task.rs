//! Task kinds of a prompt (TMO, section 3), and the honest fifth one.

use serde::{Deserialize, Serialize};

/// What a prompt asks for. The order is the alphabetical one of the published environment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// Do something in the home: switch, play, set.
    Assistive,
    /// Write or change a message.
    Message,
    /// A question about what the cameras see.
    Query,
    /// A suggestion that depends on what the cameras see.
    Recommendation,
    /// Unlike everything seen in training.
    Unknown,
}

impl TaskKind {
    /// The four known kinds, in the order of their index.
    pub const KNOWN: [Self; 4] = [Self::Assistive, Self::Message, Self::Query, Self::Recommendation];

    /// Name as in records and topics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assistive => "assistive",
            Self::Message => "message",
            Self::Query => "query",
            Self::Recommendation => "recommendation",
            Self::Unknown => "unknown",
        }
    }
    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::KNOWN.into_iter().chain([Self::Unknown]).find(|kind| kind.name() == name)
    }
    /// Index among the known kinds, as the published state numbers them; none for `Unknown`.
    #[must_use]
    pub fn index(self) -> Option<usize> {
        Self::KNOWN.iter().position(|kind| *kind == self)
    }
}

/// How likely each known kind is, in the order of [`TaskKind::KNOWN`]; the rest of one is `unknown`.
pub type TaskMix = [f32; 4];
