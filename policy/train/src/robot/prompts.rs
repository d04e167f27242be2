//! The file of prompts: one JSON object a line, in the order in which they are said.
//!
//! ```json
//! {"conversation": "kitchen-1", "prompt": "Is the stove on?", "task": "query", "expected": "off"}
//! ```
//!
//! `task` and `expected` may be left out: then the device says what task it takes the prompt for, and nothing is known to be right.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use trimtab_core::TaskKind;
use trimtab_device::api::CONVERSATION_BYTES_MAX;
use trimtab_wire::limits::PROMPT_BYTES_MAX;

use crate::collect::TURNS_MAX;
use crate::dataset::{TABLE_FILES_MAX, TaskCategory};

/// Largest file of prompts in bytes.
pub const PROMPTS_BYTES_MAX: u64 = 64 << 20;
/// Most conversations of one file: each becomes a file of the table.
pub const CONVERSATIONS_MAX: usize = TABLE_FILES_MAX;
/// Longest right answer in bytes.
pub const EXPECTED_BYTES_MAX: usize = 4096;

const FIELDS: [&str; 4] = ["conversation", "prompt", "task", "expected"];

/// Why a file of prompts is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptsError {
    /// It cannot be read.
    #[error("{}: cannot be read: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// There is nothing or too much in it.
    #[error("{}: {what}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// A line that cannot be used.
    #[error("{}: line {line}: {field}{what}", path.display(), field = field.as_ref().map_or_else(String::new, |field| format!("{field}: ")))]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The field, if it is one.
        field: Option<String>,
        /// What is wrong, and what would be right.
        what: String,
    },
}

/// One thing to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// The words.
    pub prompt: String,
    /// The task, where it is known.
    pub task: Option<TaskCategory>,
    /// A right answer, where one is known.
    pub expected: Option<String>,
}

/// What is said in one conversation, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conversation {
    /// Its name, also on the device.
    pub name: String,
    /// At least one, at most [`TURNS_MAX`].
    pub turns: Vec<Said>,
}

/// Reads a file: its conversations in the order in which they begin, at least one.
pub fn read(path: &Path) -> Result<Vec<Conversation>, PromptsError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(PROMPTS_BYTES_MAX + 1).read_to_string(&mut text));
    read.map_err(|cause| PromptsError::Read { path: path.into(), cause })?;
    let size = |what| PromptsError::Size { path: path.into(), what };
    if text.len() as u64 > PROMPTS_BYTES_MAX {
        return Err(size(format!("more than {PROMPTS_BYTES_MAX} bytes; split it")));
    }
    let mut conversations: Vec<Conversation> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = Place { path, line: index + 1 };
        let (name, said) = place.said(line)?;
        let next = conversations.len();
        let at = *places.entry(name.clone()).or_insert(next);
        if at == next {
            conversations.push(Conversation { name, turns: Vec::new() });
        }
        let turns = &mut conversations[at].turns;
        if turns.len() == TURNS_MAX {
            return Err(place.refuse("conversation", format!("has more than {TURNS_MAX} turns; begin another")));
        }
        turns.push(said);
    }
    match conversations.len() {
        0 => Err(size("no prompts in it; write one JSON object a line, with conversation and prompt".into())),
        1..=CONVERSATIONS_MAX => Ok(conversations),
        count => Err(size(format!("{count} conversations; at most {CONVERSATIONS_MAX} make one table: split it"))),
    }
}

/// Where a fault lies.
struct Place<'a> {
    path: &'a Path,
    line: usize,
}

impl Place<'_> {
    fn fault(&self, field: Option<&str>, what: String) -> PromptsError {
        PromptsError::Line { path: self.path.into(), line: self.line, field: field.map(str::to_owned), what }
    }
    fn refuse(&self, field: &str, what: String) -> PromptsError {
        self.fault(Some(field), what)
    }

    fn said(&self, line: &str) -> Result<(String, Said), PromptsError> {
        let value: Value = serde_json::from_str(line)
            .map_err(|fault| self.fault(None, format!("no JSON ({fault}); write one object a line")))?;
        let Value::Object(fields) = value else {
            return Err(self.fault(None, "no JSON object; write {\"conversation\": …, \"prompt\": …}".into()));
        };
        if let Some(unknown) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(self.refuse(unknown, format!("is unknown; there are {}", FIELDS.join(", "))));
        }
        let name =
            self.text(&fields, "conversation", CONVERSATION_BYTES_MAX)?.ok_or_else(|| self.missing("conversation"))?;
        if !name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(self.refuse("conversation", format!("{name:?}: only visible ASCII characters can be sent")));
        }
        let prompt = self.text(&fields, "prompt", PROMPT_BYTES_MAX)?.ok_or_else(|| self.missing("prompt"))?;
        let task = self.text(&fields, "task", CONVERSATION_BYTES_MAX)?.map(|task| self.task(&task)).transpose()?;
        let expected = self.text(&fields, "expected", EXPECTED_BYTES_MAX)?;
        Ok((name, Said { prompt, task, expected }))
    }

    fn missing(&self, field: &str) -> PromptsError {
        self.refuse(field, "is missing; write it as text".into())
    }

    fn text(&self, fields: &Map<String, Value>, field: &str, limit: usize) -> Result<Option<String>, PromptsError> {
        match fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Err(self.refuse(field, "is empty".into())),
            Some(Value::String(text)) if text.len() > limit => {
                Err(self.refuse(field, format!("{} bytes; at most {limit} can be sent", text.len())))
            }
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.refuse(field, format!("{other} is no text"))),
        }
    }

    fn task(&self, name: &str) -> Result<TaskCategory, PromptsError> {
        let known = TaskKind::KNOWN.into_iter().find(|kind| kind.name() == name);
        known.and_then(TaskCategory::of).ok_or_else(|| {
            let names = TaskKind::KNOWN.map(TaskKind::name).join(", ");
            self.refuse("task", format!("{name:?} is unknown; there are {names}, or leave it out"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Vec<Conversation>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompts.jsonl");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|fault| fault.to_string().split_off(folder.path().to_string_lossy().len() + 1))
    }

    #[test]
    fn conversations_keep_their_order() {
        let read = check(
            r#"{"conversation": "a", "prompt": "Is it on?", "task": "query", "expected": "off"}

            {"conversation": "b", "prompt": "Hello"}
            {"conversation": "a", "prompt": "And now?", "task": null}"#,
        );
        let read = read.unwrap();
        assert_eq!(
            read.iter().map(|one| (one.name.as_str(), one.turns.len())).collect::<Vec<_>>(),
            [("a", 2), ("b", 1)]
        );
        assert_eq!(read[0].turns[0].task, Some(TaskCategory::Query));
        assert_eq!(read[0].turns[1], Said { prompt: "And now?".into(), task: None, expected: None });
    }

    #[test]
    fn file_line_and_field_are_named() {
        let good = r#"{"conversation": "a", "prompt": "Is it on?"}"#;
        for (wrong, expect) in [
            (r#"{"conversation": "a"}"#, "prompts.jsonl: line 2: prompt: is missing"),
            (r#"{"conversation": "a", "prompt": 3}"#, "prompts.jsonl: line 2: prompt: 3 is no text"),
            (
                r#"{"conversation": "a", "promt": "x"}"#,
                "prompts.jsonl: line 2: promt: is unknown; there are conversation",
            ),
            (
                r#"{"conversation": "a", "prompt": "x", "task": "chess"}"#,
                "line 2: task: \"chess\" is unknown; there are assistive",
            ),
            (r#"{"conversation": "ä", "prompt": "x"}"#, "line 2: conversation: \"ä\": only visible ASCII"),
            (r#"{"conversation": "a", "prompt": "  "}"#, "line 2: prompt: is empty"),
            ("[1]", "line 2: no JSON object"),
            ("{", "line 2: no JSON ("),
        ] {
            let fault = check(&format!("{good}\n{wrong}\n")).unwrap_err();
            assert!(fault.contains(expect), "{fault:?} does not say {expect:?}");
        }
        assert!(check("\n").unwrap_err().contains("no prompts in it"));
    }
}
