//! What an application asks, and what it hears back.

use tokio::sync::mpsc;
use trimtab_core::{Action, Millis, Placement, TurnId, ViewSet};
use trimtab_turn::TurnRecord;
use trimtab_wire::Message;

/// News of one turn that may wait for a slow reader; text beyond it is joined to what waits.
pub(super) const NEWS_MAX: usize = 256;

/// A prompt for one turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// The conversation it belongs to, by the application's own name.
    pub conversation: String,
    /// What is asked.
    pub prompt: String,
    /// System and earlier messages, oldest first; what goes beyond the contract's bounds is left out, the oldest first.
    pub context: Vec<Message>,
    /// Turns of this conversation before this one, where the application knows better than the ledger.
    pub turns_before: Option<u16>,
    /// How long it may take; none: the configured time.
    pub time: Option<Millis>,
    /// Longest answer in tokens; none: the configured length.
    pub max_tokens: Option<u32>,
    /// Only these actions may be taken, the first that the shield admits: how data is collected. Empty: any action.
    pub only: Vec<Action>,
}

/// Why a prompt was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// As many turns wait as may.
    #[error("the robot is busy: {TURNS_WAITING_MAX} turns wait already; ask again in a moment")]
    Full,
    /// Memory is so short that nothing new is begun.
    #[error(
        "memory is short: no new turn until there is room; ask again in a moment, or raise [memory] ceiling (`trimtab doctor` says more)"
    )]
    Memory,
    /// The runtime is ending.
    #[error("the runtime is stopping; ask again once it is back")]
    Stopping,
    /// No text.
    #[error("the prompt is empty; write what is asked")]
    Empty,
    /// More text than the contract carries.
    #[error("the prompt has {bytes} bytes; the limit is {limit}")]
    Long {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// Turns that wait for the one that is going on.
pub const TURNS_WAITING_MAX: usize = 8;

/// Where a turn is answered, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Which turn.
    pub turn: TurnId,
    /// Here or there.
    pub placement: Placement,
    /// By whom.
    pub node: String,
    /// The views that go there, by name.
    pub views: Vec<String>,
    /// Short reason.
    pub reason: String,
}

impl Decided {
    /// What a record says of it.
    #[must_use]
    pub fn of(record: &TurnRecord) -> Self {
        Self {
            turn: record.turn,
            placement: record.placement,
            node: record.node.clone(),
            views: view_names(record, record.views_used),
            reason: record.reason.clone(),
        }
    }
}

/// What a record's answer does, as a list of objects; null where it does nothing.
#[must_use]
pub fn action(record: &TurnRecord) -> serde_json::Value {
    record.action.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Names of a set of a record's views, in camera order.
#[must_use]
pub fn view_names(record: &TurnRecord, views: ViewSet) -> Vec<String> {
    views.iter().filter_map(|view| record.views.get(view)).map(|view| view.name.clone()).collect()
}

/// What happens in a turn, for whoever asked.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// It is decided who answers; comes again when the local model has to step in.
    Decided(Decided),
    /// A piece of the answer.
    Text(String),
    /// The pieces so far are void; the answer starts anew.
    Void,
    /// The turn is over; nothing follows.
    Over(Box<TurnRecord>),
}

/// The news of one turn. Dropping it does not end the turn.
#[derive(Debug)]
pub struct TurnStream {
    pub(super) turn: TurnId,
    pub(super) news: mpsc::Receiver<News>,
}

impl TurnStream {
    /// Which turn.
    #[must_use]
    pub const fn turn(&self) -> TurnId {
        self.turn
    }

    /// The next news; none after the last, or where the runtime stopped.
    pub async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }

    /// Waits for the end; none where the runtime stopped before.
    pub async fn record(mut self) -> Option<TurnRecord> {
        while let Some(news) = self.next().await {
            if let News::Over(record) = news {
                return Some(*record);
            }
        }
        None
    }
}
