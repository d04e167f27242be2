//! Does again what a ledger recorded, with the code that runs turns, and compares every verdict byte for byte.

use std::path::Path;

use serde_json::Value;
use trimtab_core::TurnId;
use trimtab_turn::{Found, Replay, ReplayError, TurnRecord};

use super::{LedgerError, Recording};

/// Differences that are told in words.
pub const TOLD_MAX: usize = 20;

/// What a replay came to.
#[derive(Clone, PartialEq, Debug, Default, serde::Serialize)]
pub struct Replayed {
    /// Turns whose record came out as it is stored.
    pub same: u64,
    /// Turns whose record came out differently, or not at all.
    pub different: u64,
    /// States of budgets, nodes and quotes that were compared and found the same.
    pub states: u64,
    /// The same, and found different.
    pub states_different: u64,
    /// Turns that cannot be followed, because what was before them is not recorded.
    pub unfollowed: u64,
    /// Records without anything to replay: of turns that their runtime did not live to close.
    pub without_events: u64,
    /// Records that went because the disk was full; what comes after each gap is not followed until a state is recorded again.
    pub dropped: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
}

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Difference {
    /// In which turn's record, or before which.
    pub turn: String,
    /// Where in it, as a JSON pointer.
    pub at: String,
    /// As it is stored.
    pub recorded: String,
    /// As it came out.
    pub replayed: String,
}

impl Replayed {
    /// Whether everything that could be done again came out as it was.
    #[must_use]
    pub const fn is_same(&self) -> bool {
        self.different == 0 && self.states_different == 0
    }

    fn differs(&mut self, difference: Difference) {
        if self.differences.len() < TOLD_MAX {
            self.differences.push(difference);
        }
    }
}

/// Replays a ledger while it is read.
#[derive(Debug, Default)]
pub struct Player {
    replay: Replay,
    replayed: Replayed,
}

impl Player {
    /// Feeds what was recorded with `turn`, whose record is stored as `record`.
    pub fn feed(&mut self, turn: TurnId, record: Option<&str>, events: &[u8]) {
        let mut found = Vec::new();
        let fed = self.replay.feed(events, |what| found.push(what));
        for what in found {
            self.note(turn, record, what);
        }
        if let Err(fault) = fed {
            match fault {
                ReplayError::Form { .. } => self.replayed.unfollowed += 1,
                ReplayError::Unreadable => self.missing(turn, "/", &fault.to_string()),
            }
        }
    }

    /// What it came to so far.
    #[must_use]
    pub const fn replayed(&self) -> &Replayed {
        &self.replayed
    }

    fn missing(&mut self, turn: TurnId, at: &str, why: &str) {
        self.replayed.different += 1;
        self.replayed.differs(Difference {
            turn: turn.to_string(),
            at: at.to_owned(),
            recorded: "a record".to_owned(),
            replayed: why.to_owned(),
        });
    }

    fn note(&mut self, turn: TurnId, record: Option<&str>, found: Found) {
        match found {
            Found::State { same: true, .. } => self.replayed.states += 1,
            Found::State { now, .. } => {
                self.replayed.states_different += 1;
                self.replayed.differs(Difference {
                    turn: turn.to_string(),
                    at: "the state before it".to_owned(),
                    recorded: format!("as at {now}"),
                    replayed: "another one".to_owned(),
                });
            }
            Found::Unfollowed(_) => self.replayed.unfollowed += 1,
            Found::Unended(turn) => self.missing(turn, "/finish", "the turn does not end"),
            Found::Record { record: again, .. } if again.turn != turn => {
                self.missing(again.turn, "/turn", "it was recorded with another turn");
            }
            Found::Record { record: again, steps } => match record.and_then(|text| difference(text, &again)) {
                Some(difference) => {
                    self.replayed.different += 1;
                    self.replayed.differs(difference);
                }
                None if record.is_none() => self.replayed.unfollowed += 1,
                None if steps => self.replayed.same += 1,
                None => self.missing(turn, "the steps to it", "others"),
            },
        }
    }
}

/// Replays the ledger at `path`.
pub fn replay(path: &Path) -> Result<Replayed, LedgerError> {
    let mut recording = Recording::open(path)?;
    let mut player = Player::default();
    player.replayed.without_events = recording.without_events()?;
    player.replayed.dropped = recording.dropped()?;
    loop {
        let rows = recording.more()?;
        if rows.is_empty() {
            return Ok(player.replayed);
        }
        for row in rows {
            player.feed(row.turn, row.record.as_deref(), &row.events);
        }
    }
}

/// The first difference between a record as it is stored and as it came out again. What others added after the verdict does not
/// count: scores, an answer that came when the turn was over, and how the shell divides what was spent.
fn difference(recorded: &str, again: &TurnRecord) -> Option<Difference> {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    let mut stored = read(recorded);
    let mut replayed = serde_json::to_string(again).map_or(Value::Null, |text| read(&text));
    for value in [&mut stored, &mut replayed] {
        let Some(fields) = value.as_object_mut() else { continue };
        fields.remove("feedback");
        fields.remove("phases");
        if again.late.is_none() {
            fields.remove("late");
        }
    }
    // Both texts are written by the same code from the same numbers, so that values are equal where bytes are.
    let at = pointer(&stored, &replayed)?;
    let show = |value: &Value| value.pointer(&at).map_or_else(|| "nothing".to_owned(), Value::to_string);
    Some(Difference { turn: again.turn.to_string(), recorded: show(&stored), replayed: show(&replayed), at })
}

/// Where two values differ first.
fn pointer(left: &Value, right: &Value) -> Option<String> {
    let inside = |key: &str, left: Option<&Value>, right: Option<&Value>| match (left, right) {
        (Some(left), Some(right)) => pointer(left, right).map(|rest| format!("/{key}{rest}")),
        _ => Some(format!("/{key}")),
    };
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let keys = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key)));
            keys.into_iter().find_map(|key| inside(key, left.get(key), right.get(key)))
        }
        (Value::Array(left), Value::Array(right)) => {
            (0..left.len().max(right.len())).find_map(|at| inside(&at.to_string(), left.get(at), right.get(at)))
        }
        _ => (left != right).then(String::new),
    }
}
