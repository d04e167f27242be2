//! What the ledger keeps of a turn: enough to explain it, to replay it and to learn from it.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use trimtab_core::budget::HoldId;
use trimtab_core::{
    ConversationId, Cost, Joules, Millis, Placement, Quote, Reason, Settlement, TaskKind, TaskMix, TurnId, ViewSet,
};

/// How an answer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// At the limit of tokens.
    Length,
    /// The hold's joules were used up.
    EnergyCut,
    /// The turn's time was used up.
    TimeCut,
    /// Nobody answered, and nobody could.
    Lost,
    /// Nothing was allowed.
    Refused,
}

impl Finish {
    /// Name as in the OpenAI schema's `finish_reason`, which knows only these two.
    #[must_use]
    pub const fn openai(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length | Self::EnergyCut | Self::TimeCut | Self::Lost | Self::Refused => "length",
        }
    }
}

/// Where an energy figure comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "by", rename_all = "snake_case")]
pub enum EnergySource {
    /// A sensor, by its name.
    Measured(String),
    /// A model, by its name.
    Estimated(String),
    /// Nothing: an energy figure of zero means unknown.
    Unknown,
}

/// What a turn spends energy on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnergyPhase {
    /// Encoding views and prompt.
    Encode,
    /// Sending to a bridge and waiting for it.
    Offload,
    /// Answering on the device.
    Generate,
}

impl EnergyPhase {
    /// Its name, as in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encode => "encode",
            Self::Offload => "offload",
            Self::Generate => "generate",
        }
    }
}

/// What one phase of a turn took, measured or estimated as the turn's other joules.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PhaseEnergy {
    /// Which.
    pub phase: EnergyPhase,
    /// In all.
    pub total: Joules,
    /// Of it, what the board would not have drawn idle.
    pub above_idle: Joules,
}

/// One view as the turn saw it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RecordedView {
    /// The camera's name.
    pub name: String,
    /// Cosine of prompt and view, -1..=1.
    pub association: f32,
    /// Calibrated probability that it shows what the prompt asks about.
    pub shows: f32,
    /// There was a fresh frame.
    pub available: bool,
}

/// One candidate as it was judged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RecordedCandidate {
    /// The node's name.
    pub node: String,
    /// The views it would get.
    pub views: ViewSet,
    /// Upper bounds of what it would take.
    pub quote: Quote,
    /// Observations that latency and energy of the quote are learnt from; zero: they are a prior, from a card or an offer.
    #[serde(default)]
    pub seen: u16,
    /// The policy's score, or the default rule's.
    pub score: f32,
    /// The policy's probability of a right answer, where it says one.
    pub quality: Option<f32>,
    /// Why it was ruled out, if it was.
    pub ruled_out: Option<Reason>,
}

/// The action that was taken first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Chosen {
    /// Its place among the candidates.
    pub candidate: usize,
    /// Its hold.
    pub hold: HoldId,
    /// What was reserved: quote and guard.
    pub reserved: Cost,
}

/// The local model had to step in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fallback {
    /// `deadline`, `link`, or the bridge's reason.
    pub cause: String,
    /// When, in active time.
    pub at: Millis,
}

/// An answer that came after its turn was over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Late {
    /// When, in active time.
    pub at: Millis,
    /// The node that answered.
    pub node: String,
    /// What it cost.
    pub cost: Cost,
    /// Whether its hold was still open to be settled.
    pub settled: bool,
}

/// A score that somebody gave the answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Feedback {
    /// 0..=1.
    pub score: f32,
    /// Who: `user`, `known_answer`, `judge:<model>`.
    pub source: String,
}

/// One turn, whatever became of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TurnRecord {
    /// Which turn.
    pub turn: TurnId,
    /// Whose.
    pub conversation: ConversationId,
    /// The conversation as the application named it.
    pub conversation_name: String,
    /// What was asked.
    pub prompt: String,
    /// When it began, in active time.
    pub started: Millis,
    /// When it ended, in active time.
    pub ended: Millis,
    /// The most likely task kind.
    pub task: TaskKind,
    /// How likely each known kind is.
    pub task_mix: TaskMix,
    /// The views, in camera order.
    pub views: Vec<RecordedView>,
    /// Everything that could have been done, and why it was not.
    pub candidates: Vec<RecordedCandidate>,
    /// What was done first.
    pub chosen: Option<Chosen>,
    /// Where the answer was made.
    pub placement: Placement,
    /// The node that answered, or that was asked last; empty when nobody was.
    pub node: String,
    /// The views that were uploaded.
    pub views_used: ViewSet,
    /// Views of the best candidate that were dropped as unlikely to add anything.
    pub view_dropped: ViewSet,
    /// Why this action: `best_score`, or what else decided, joined by `+`.
    pub reason: String,
    /// What went wrong, in words, if anything did.
    pub trouble: Option<String>,
    /// What the turn took in all.
    pub cost: Cost,
    /// Where the joules come from.
    pub energy_source: EnergySource,
    /// Of these, what deciding alone took.
    pub decision_energy: Joules,
    /// What each phase took, in the order in which they ended. The shell adds it when the turn is over; no decision depends on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseEnergy>,
    /// The settlements of its holds.
    pub settlements: Vec<(HoldId, Settlement)>,
    /// Holds that are left open because what they will cost is not known yet.
    pub left_open: Vec<HoldId>,
    /// The answer.
    pub answer: String,
    /// What the answer does next to what it says, as JSON; only the local model says that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// How it ended.
    pub finish: Finish,
    /// Tokens of the answer, where they are known.
    pub completion_tokens: Option<u32>,
    /// The local model stepped in.
    pub fallback: Option<Fallback>,
    /// An answer came too late.
    pub late: Option<Late>,
    /// Scores that the answer was given.
    pub feedback: Vec<Feedback>,
}

impl TurnRecord {
    /// A turn that has begun: a refusal without a reason until more is known of it.
    #[must_use]
    pub const fn begun(turn: TurnId, conversation: ConversationId, prompt: String, started: Millis) -> Self {
        Self {
            turn,
            conversation,
            conversation_name: String::new(),
            prompt,
            started,
            ended: started,
            task: TaskKind::Unknown,
            task_mix: [0.0; 4],
            views: Vec::new(),
            candidates: Vec::new(),
            chosen: None,
            placement: Placement::Refused,
            node: String::new(),
            views_used: ViewSet::EMPTY,
            view_dropped: ViewSet::EMPTY,
            reason: String::new(),
            trouble: None,
            cost: Cost::ZERO,
            energy_source: EnergySource::Unknown,
            decision_energy: Joules::ZERO,
            phases: Vec::new(),
            settlements: Vec::new(),
            left_open: Vec::new(),
            answer: String::new(),
            action: None,
            finish: Finish::Refused,
            completion_tokens: None,
            fallback: None,
            late: None,
            feedback: Vec::new(),
        }
    }
}
