//! The table on disk: the published M4A1 schema, in which a turn has one logged action, with an extension that holds the
//! outcome of **every** action and all that the decision saw; or, where each turn took one action that was drawn at random, its
//! outcome and how likely every action was. A reader of the plain schema finds what it knows; the extension sits under one
//! key, `trimtab`.

use serde::{Deserialize, Serialize};
use trimtab_core::{Bytes, Cost, Joules, Millis, NodeProfile, Preference, Quote, TaskKind, Usd};

/// Version of the extension that this build writes.
pub const SCHEMA: u32 = 2;
/// Oldest version that it reads: what later ones added may be missing.
pub const SCHEMA_MIN: u32 = 1;
/// Who scored an answer by comparing it with a right one.
pub const KNOWN_ANSWER: &str = "known_answer";

/// One conversation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Dialogue {
    /// Number of the dialogue, unique in a table.
    pub id: u64,
    /// One picture for each view; the extension's turns have their own pictures, named by seed and turn.
    pub image_paths: Vec<String>,
    /// The turns, in order.
    pub interactions: Vec<Interaction>,
    /// For each turn, the cosine of prompt and view, view by view.
    pub association_score: Vec<Vec<f32>>,
    /// What the turns have in common, in a table that was collected by running every action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trimtab: Option<Setting>,
}

impl Dialogue {
    /// Whether the outcome of every action is known, so that it can be part of a table; a log has but one of each turn.
    #[must_use]
    pub fn ran_every_action(&self) -> bool {
        self.trimtab.as_ref().is_some_and(|setting| !setting.one_action)
    }
}

/// One turn with its logged action.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Interaction {
    /// The prompt.
    pub question: String,
    /// The task category.
    pub task_cat: TaskCategory,
    /// 0 local, 1 cloud.
    pub action: u8,
    /// The views uploaded, in the order of upload; none for text only.
    pub image_index: Option<Vec<usize>>,
    /// The answer.
    pub answer: String,
    /// Its score, 0 or more; 0 wrong and 1 right where the right answer is known, and 0 where there is no score yet.
    pub score: f32,
    /// Seconds until the whole answer was there.
    pub interaction_time: f64,
    /// USD paid.
    pub usage_cost: f64,
    /// What every action would have done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trimtab: Option<Measured>,
}

impl Interaction {
    /// Whether its answers have their scores. Only a turn that was taken from a running device can be without.
    #[must_use]
    pub fn is_scored(&self) -> bool {
        self.trimtab.as_ref().is_none_or(|measured| measured.scored_by.is_some())
    }
}

/// The task category, in the words of the published table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum TaskCategory {
    /// Do something in the home.
    #[serde(rename = "Assistive System")]
    Assistive,
    /// Write or change a message.
    #[serde(rename = "Message Editing")]
    Message,
    /// A question about what the cameras see.
    Query,
    /// A suggestion that depends on what the cameras see.
    Recommendation,
}

impl TaskCategory {
    /// The task kind of that category.
    #[must_use]
    pub const fn kind(self) -> TaskKind {
        match self {
            Self::Assistive => TaskKind::Assistive,
            Self::Message => TaskKind::Message,
            Self::Query => TaskKind::Query,
            Self::Recommendation => TaskKind::Recommendation,
        }
    }
    /// The category of a known task kind.
    #[must_use]
    pub const fn of(kind: TaskKind) -> Option<Self> {
        match kind {
            TaskKind::Assistive => Some(Self::Assistive),
            TaskKind::Message => Some(Self::Message),
            TaskKind::Query => Some(Self::Query),
            TaskKind::Recommendation => Some(Self::Recommendation),
            TaskKind::Unknown => None,
        }
    }
}

/// What the turns of a collected dialogue have in common.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The seed that scenes, prompts and the logged actions follow from; of a device's conversation the actions alone.
    pub seed: u64,
    /// Which scenes were drawn: `train` or `held-out`; `device` where a running device was asked.
    pub split: String,
    /// Every turn took one action, drawn at random: a log, which off-policy evaluation can use.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_action: bool,
    /// The conversation's name in the file of prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Fingerprint of the encoder that made the embeddings and associations.
    pub encoder_sha256: String,
    /// Names of the views, in camera order.
    pub views: Vec<String>,
    /// The nodes, the local one first.
    pub nodes: Vec<Node>,
    /// Name of the declared network profile.
    pub network: String,
    /// Name of the declared price table.
    pub prices: String,
    /// Round trip of the link in milliseconds.
    pub round_trip: Millis,
    /// Uplink in bits a second.
    pub uplink_bits_per_s: u64,
    /// The owner's weights during collection.
    pub preference: Preference,
}

/// A node by name, with what the decision knows of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its profile.
    pub profile: NodeProfile,
}

/// What the decision saw in one turn, and what came of each action.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Whether the right answer depends on what the cameras show.
    pub needs_views: bool,
    /// A right answer.
    pub expected: String,
    /// The prompt's embedding, a unit vector.
    pub embedding: Vec<f32>,
    /// How likely each task kind is, in the order assistive, message, query, recommendation.
    pub tasks: [f32; 4],
    /// The prompt was taken to be unlike everything seen in training.
    pub unknown: bool,
    /// The views, in camera order.
    pub views: Vec<View>,
    /// The actions that were run, each at most once.
    pub outcomes: Vec<Outcome>,
    /// Place of the logged action among the outcomes, where the turn was taken from a running device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logged: Option<usize>,
    /// Who scored the answers: `known_answer`, `user`, `judge:<model>`. None: nobody yet, so training leaves the turn out.
    #[serde(default = "known_answer")]
    pub scored_by: Option<String>,
    /// In a log, every action with how likely it was to be taken; they sum to one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateFacts>,
    /// When it was asked, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_unix_ms: Option<u64>,
    /// Where the joules come from, as in `measured: ina3221`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_source: Option<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn known_answer() -> Option<String> {
    Some(KNOWN_ANSWER.into())
}

/// An action that could have been taken.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandidateFacts {
    /// Name of the node.
    pub node: String,
    /// The views it would get, ascending.
    pub views: Vec<usize>,
    /// The upper bounds that the device quoted.
    pub quote: QuoteFacts,
    /// How likely it was to be taken; 0 where the shield ruled it out.
    pub propensity: f64,
}

/// What was known of one view.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Cosine of prompt and view, -1..=1.
    pub association: f32,
    /// How likely the view shows what the prompt asks about, 0..=1.
    pub shows: f32,
    /// There was a fresh frame.
    pub available: bool,
}

/// What one action promised and did.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Name of the node.
    pub node: String,
    /// The views uploaded, ascending.
    pub views: Vec<usize>,
    /// The upper bounds that the device quoted.
    pub quote: QuoteFacts,
    /// The answer.
    pub answer: String,
    /// Whether it is right.
    pub right: bool,
    /// Milliseconds until the whole answer was there.
    pub latency_ms: u64,
    /// Microjoules on the device.
    pub energy_uj: u64,
    /// Nano-USD paid.
    pub money_nusd: u64,
    /// Bytes over the uplink.
    pub bytes_up: u64,
    /// Its score, 0..=1, where it is finer than right or wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// The local model stepped in: answer and costs are those of both.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fallback: bool,
    /// The turn on the device, as boot-number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
}

/// A quote in whole units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuoteFacts {
    /// Milliseconds.
    pub latency_ms: u64,
    /// Microjoules.
    pub energy_uj: u64,
    /// Nano-USD.
    pub money_nusd: u64,
    /// Bytes over the uplink.
    pub bytes_up: u64,
    /// Bytes of memory on top of what is resident.
    pub memory: u64,
}

impl From<Quote> for QuoteFacts {
    fn from(quote: Quote) -> Self {
        Self {
            latency_ms: quote.latency.get(),
            energy_uj: quote.energy.micro(),
            money_nusd: quote.money.nano(),
            bytes_up: quote.bytes.get(),
            memory: quote.memory.get(),
        }
    }
}

impl From<QuoteFacts> for Quote {
    fn from(facts: QuoteFacts) -> Self {
        Self {
            latency: Millis::new(facts.latency_ms),
            energy: Joules::from_micro(facts.energy_uj),
            money: Usd::from_nano(facts.money_nusd),
            bytes: Bytes::new(facts.bytes_up),
            memory: Bytes::new(facts.memory),
        }
    }
}

impl Outcome {
    /// What the action took.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        Cost {
            latency: Millis::new(self.latency_ms),
            energy: Joules::from_micro(self.energy_uj),
            money: Usd::from_nano(self.money_nusd),
            bytes: Bytes::new(self.bytes_up),
        }
    }
}
