//! What the shell tells a turn, and what a turn asks of the shell.

use crate::record::{EnergySource, Finish, TurnRecord};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize, Serializer};
use trimtab_core::budget::{HoldId, OpenHold};
use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::observation::TRIMTAB1_WIDTH;
use trimtab_core::{Action, Bytes, ConversationId, Cost, Joules, Millis, TaskMix, TurnId, Usd};

/// A prompt that has arrived.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Opening {
    /// The turn's name.
    pub id: TurnId,
    /// Whose it is.
    pub conversation: ConversationId,
    /// The conversation as the application named it.
    pub conversation_name: String,
    /// What is asked.
    pub prompt: String,
    /// Bytes of system and earlier messages that a bridge gets with the prompt, with at least
    /// [`MESSAGE_TOKENS_MAX`](trimtab_wire::price::MESSAGE_TOKENS_MAX) more for each.
    pub context_bytes: u64,
    /// Turns of this conversation before this one.
    pub turns_before: u16,
    /// How long the turn may take.
    pub time: Millis,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
    /// Only these actions may be taken, the first that the shield admits, as they are: how data is collected and how baselines
    /// are run. Empty: any action, the one that scores best.
    pub only: Vec<Action>,
    /// What the conversation has spent before, from the ledger.
    pub spent_before: Cost,
}

/// One view after encoding.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SeenView {
    /// The camera's name.
    pub name: String,
    /// Cosine of prompt and view, -1..=1.
    pub association: f32,
    /// Calibrated probability that it shows what the prompt asks about, 0..=1.
    pub shows: f32,
    /// There is a fresh frame.
    pub available: bool,
    /// It may leave the device.
    pub upload: bool,
    /// Size as it would be uploaded.
    pub bytes: Bytes,
}

/// What encoding found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// The prompt's embedding, projected by the policy's matrix; zeros without a policy.
    pub prompt: [f32; PROMPT_FEATURES],
    /// How likely each known task kind is.
    pub tasks: TaskMix,
    /// Unlike everything seen in training.
    pub unknown: bool,
    /// The views, in camera order.
    pub views: Vec<SeenView>,
    /// What may still be allocated under the ceiling; the local model's peak counts where it is not resident.
    pub memory_left: Bytes,
    /// The same as a share of the ceiling, 0..=1.
    pub memory_headroom: f32,
    /// What encoding took.
    pub energy: Joules,
    /// Where that figure comes from.
    #[serde(with = "plain")]
    pub energy_source: EnergySource,
}

/// An answer from a bridge.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CloudAnswer {
    /// The whole text; what streamed before is part of it.
    pub text: String,
    /// The node that answered.
    pub node: String,
    /// What the upstream charged.
    pub money: Usd,
    /// What went over the uplink.
    pub bytes_up: Bytes,
    /// Tokens of the answer.
    pub completion_tokens: u32,
    /// The upstream's own time.
    pub upstream: Millis,
    /// How it ended.
    pub finish: Finish,
    /// What the device spent on sending and waiting.
    pub energy: Joules,
}

/// A refusal from a bridge.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CloudRefusal {
    /// Short name of the reason.
    pub reason: String,
    /// The same in words, naming the node and the remedy.
    pub detail: String,
    /// What was or may have been charged all the same.
    pub money: Usd,
    /// What went over the uplink.
    pub bytes_up: Bytes,
    /// What the device spent on sending and waiting.
    pub energy: Joules,
}

/// What has happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Event {
    /// Views and prompt are encoded.
    Observed(Box<Observation>),
    /// They could not be.
    ObserveFailed {
        /// What went wrong, and what to do.
        detail: String,
        /// What the attempt took.
        energy: Joules,
    },
    /// Scores in the order of the rows, with the policy's probability of a right answer where it says one.
    Scored(Vec<(f32, Option<f32>)>),
    /// There is no usable policy: the default rule decides.
    Unscored {
        /// Why.
        why: String,
    },
    /// A hold could not be made durable, so it does not count and nothing may be done under it.
    LedgerFailed {
        /// What went wrong, and what to do.
        detail: String,
        /// What the attempt took, and what went before it under the same hold.
        energy: Joules,
    },
    /// A piece of the local answer.
    LocalToken {
        /// The piece.
        text: String,
        /// What generating has taken so far.
        energy: Joules,
    },
    /// The local answer is complete or cut.
    LocalDone {
        /// How it ended.
        finish: Finish,
        /// What the answer does next to what it says, as JSON, where the model told it in full.
        action: Option<String>,
        /// What generating took.
        energy: Joules,
    },
    /// The local engine failed.
    LocalFailed {
        /// What went wrong, and what to do.
        detail: String,
        /// What the attempt took.
        energy: Joules,
    },
    /// A piece of the cloud's answer.
    CloudText {
        /// The piece.
        text: String,
    },
    /// The cloud's answer is complete.
    CloudAnswered(Box<CloudAnswer>),
    /// The bridge refused, or its upstream failed.
    CloudRefused(Box<CloudRefusal>),
    /// The broker is gone.
    LinkDown,
    /// The deadline that [`Turn::next_deadline`](crate::Turn::next_deadline) named may have come.
    Tick {
        /// What was spent under the present hold so far.
        energy: Joules,
    },
}

/// What the shell must do, strictly in order. If a step fails, the rest of its batch is dropped and the failure is told.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub enum Step {
    /// Make a hold durable, or what it has become. Fails as [`Event::LedgerFailed`].
    Persist {
        /// The hold.
        hold: OpenHold,
        /// For which turn.
        turn: TurnId,
        /// For which action; none is the decision itself.
        action: Option<Action>,
        /// What was asked, so that a crash leaves a record that can be read.
        prompt: String,
    },
    /// Encode the prompt, and views that changed. A view that is not begun by then is a missing one.
    Observe {
        /// Begin no further view when this much is used up.
        until_energy: Joules,
        /// Nor at this time, in active time.
        until: Millis,
    },
    /// Score candidates.
    Score {
        /// One row a candidate, in layout `trimtab-1`.
        #[serde(serialize_with = "flat")]
        rows: Vec<[f32; TRIMTAB1_WIDTH]>,
    },
    /// Send the prompt and these views to a bridge.
    Offload {
        /// To be answered by this node.
        node: String,
        /// Indices of the views.
        views: Vec<usize>,
        /// The bridge charges no more than this.
        max_cost: Usd,
        /// Nobody waits longer, in active time.
        deadline: Millis,
        /// Longest answer.
        max_tokens: u32,
        /// Under which hold.
        hold: HoldId,
    },
    /// Answer on the device.
    Generate {
        /// Stop when this much is used up.
        until_energy: Joules,
        /// Stop at this time, in active time.
        until: Millis,
        /// Longest answer.
        max_tokens: u32,
    },
    /// Stop generating now; [`Event::LocalDone`] follows.
    StopGenerating,
    /// Hand a piece of the answer to whoever asked.
    Say {
        /// The piece.
        text: String,
    },
    /// What was said so far is void; the answer starts anew.
    Void,
    /// The turn is over: write its record, what is spent and which holds are open, in one transaction.
    Close {
        /// The record.
        record: Box<TurnRecord>,
    },
}

/// Rows one after the other: arrays are longer than the form of data knows.
fn flat<S: Serializer>(rows: &[[f32; TRIMTAB1_WIDTH]], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows.iter().flatten())
}

/// A source as a form of data without names has it; in records it has names.
mod plain {
    use super::EnergySource;
    use alloc::string::String;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    enum Source {
        Measured(String),
        Estimated(String),
        Unknown,
    }

    pub(super) fn serialize<S: Serializer>(source: &EnergySource, serializer: S) -> Result<S::Ok, S::Error> {
        let plain = match source {
            EnergySource::Measured(by) => Source::Measured(by.clone()),
            EnergySource::Estimated(by) => Source::Estimated(by.clone()),
            EnergySource::Unknown => Source::Unknown,
        };
        plain.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EnergySource, D::Error> {
        Ok(match Source::deserialize(deserializer)? {
            Source::Measured(by) => EnergySource::Measured(by),
            Source::Estimated(by) => EnergySource::Estimated(by),
            Source::Unknown => EnergySource::Unknown,
        })
    }
}
