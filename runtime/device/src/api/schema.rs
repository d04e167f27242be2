//! The request of `/v1/chat/completions`, read with messages that name the offending part.

use serde_json::{Map, Value};
use trimtab_wire::Role;
use trimtab_wire::limits::{MESSAGES_MAX, PROMPT_BYTES_MAX, TOKENS_MAX};

use super::body::Fault;
use super::explore::{self, Named};
use hyper::StatusCode;

/// The one model that is offered: the runtime decides what answers behind it.
pub const MODEL: &str = "trimtab";
/// Longest conversation name, bytes.
pub const CONVERSATION_BYTES_MAX: usize = 256;

/// One message of the conversation so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) role: Role,
    pub(super) text: String,
}

/// A request that can be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChatRequest {
    /// What is asked: the last user message.
    pub(super) prompt: String,
    /// Everything before it, oldest first.
    pub(super) earlier: Vec<Said>,
    pub(super) max_tokens: Option<u32>,
    pub(super) stream: bool,
    /// A last chunk of a stream carries the token counts.
    pub(super) include_usage: bool,
    pub(super) user: Option<String>,
    /// The only actions that may be taken; none: any.
    pub(super) actions: Vec<Named>,
}

impl ChatRequest {
    /// User messages before the prompt.
    pub(super) fn turns_before(&self) -> u16 {
        let users = self.earlier.iter().filter(|said| said.role == Role::User);
        u16::try_from(users.count()).unwrap_or(u16::MAX)
    }

    pub(super) fn parse(body: &[u8]) -> Result<Self, Fault> {
        let value: Value = serde_json::from_slice(body).map_err(|fault| {
            Fault::bad_request(format!("the body is no JSON: {fault}; send a chat completion request"), None)
        })?;
        let Value::Object(fields) = value else {
            return Err(Fault::bad_request("the body is no JSON object; send a chat completion request", None));
        };
        model(&fields)?;
        if fields.get("n").is_some_and(|n| n.as_u64() != Some(1) && !n.is_null()) {
            return Err(Fault::bad_request("one answer is given a turn; leave n out or set it to 1", Some("n")));
        }
        let mut said = messages(&fields)?;
        let last = said.pop();
        let Some(last) = last.filter(|last| last.role == Role::User) else {
            return Err(Fault::bad_request(
                "the last message is not the user's; end with a message of role user",
                Some("messages"),
            ));
        };
        if last.text.trim().is_empty() {
            return Err(Fault::bad_request("the last message is empty; write what is asked", Some("messages")));
        }
        if last.text.len() > PROMPT_BYTES_MAX {
            let message = format!("the last message has {} bytes; the limit is {PROMPT_BYTES_MAX}", last.text.len());
            return Err(Fault::bad_request(message, Some("messages")));
        }
        let flag = |value: Option<&Value>| value.and_then(Value::as_bool).unwrap_or(false);
        let options = fields.get("stream_options").and_then(Value::as_object);
        Ok(Self {
            prompt: last.text,
            earlier: said,
            max_tokens: max_tokens(&fields)?,
            stream: flag(fields.get("stream")),
            include_usage: flag(options.and_then(|options| options.get("include_usage"))),
            user: fields.get("user").and_then(Value::as_str).map(str::to_owned),
            actions: explore::named(&fields)?,
        })
    }
}

fn model(fields: &Map<String, Value>) -> Result<(), Fault> {
    match fields.get("model") {
        Some(Value::String(name)) if name == MODEL => Ok(()),
        Some(Value::String(name)) => Err(Fault::bad_request(
            format!("model {name:?} is not offered here; ask {MODEL:?}, which decides where to answer"),
            Some("model"),
        )
        .with_status(StatusCode::NOT_FOUND)
        .with_code("model_not_found")),
        _ => Err(Fault::bad_request(format!("model is missing; set it to {MODEL:?}"), Some("model"))),
    }
}

fn max_tokens(fields: &Map<String, Value>) -> Result<Option<u32>, Fault> {
    for key in ["max_completion_tokens", "max_tokens"] {
        let Some(value) = fields.get(key).filter(|value| !value.is_null()) else {
            continue;
        };
        let tokens = value.as_u64().and_then(|n| u32::try_from(n).ok());
        return match tokens.filter(|n| (1..=TOKENS_MAX).contains(n)) {
            Some(tokens) => Ok(Some(tokens)),
            None => Err(Fault::bad_request(format!("{key} is {value}; it lies in 1..={TOKENS_MAX}"), Some(key))),
        };
    }
    Ok(None)
}

fn messages(fields: &Map<String, Value>) -> Result<Vec<Said>, Fault> {
    let Some(Value::Array(messages)) = fields.get("messages") else {
        return Err(Fault::bad_request(
            "messages is missing or no list; send at least one of role user",
            Some("messages"),
        ));
    };
    if messages.is_empty() || messages.len() > MESSAGES_MAX {
        let message = format!("{} messages; 1 to {MESSAGES_MAX} are taken: leave out the oldest", messages.len());
        return Err(Fault::bad_request(message, Some("messages")));
    }
    messages.iter().enumerate().map(|(index, message)| said(index, message)).collect()
}

fn said(index: usize, message: &Value) -> Result<Said, Fault> {
    let place = |key: &str| format!("messages[{index}].{key}");
    let role = match message.get("role").and_then(Value::as_str) {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some(role) => {
            let message = format!("role {role:?} is unknown; use system, developer, user or assistant");
            return Err(Fault::bad_request(message, Some(&place("role"))));
        }
        None => return Err(Fault::bad_request("a message has no role; use user", Some(&place("role")))),
    };
    let text = match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .map(|part| match (part.get("type").and_then(Value::as_str), part.get("text").and_then(Value::as_str)) {
                (Some("text"), Some(text)) => Ok(text),
                (Some(kind), _) => Err(Fault::bad_request(
                    format!("a content part of type {kind:?} is not taken: send text, pictures come from the robot's cameras"),
                    Some(&place("content")),
                )),
                (None, _) => Err(Fault::bad_request("a content part has no type; send type text", Some(&place("content")))),
            })
            .collect::<Result<Vec<_>, _>>()?
            .join("\n"),
        // A reply that only called tools has no text.
        Some(Value::Null) | None if role == Role::Assistant => String::new(),
        _ => return Err(Fault::bad_request("content is neither text nor a list of parts", Some(&place("content")))),
    };
    Ok(Said { role, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn fault(body: &Value) -> Fault {
        ChatRequest::parse(body.to_string().as_bytes()).expect_err("refused")
    }

    #[test]
    fn an_ordinary_request_is_read() {
        let body = json!({
            "model": "trimtab", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 9, "user": "kim",
            "temperature": 0.3,
            "messages": [
                {"role": "system", "content": "be kind"},
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": null},
                {"role": "user", "content": [{"type": "text", "text": "is the"}, {"type": "text", "text": "stove on?"}]},
            ],
        });
        let request = ChatRequest::parse(body.to_string().as_bytes()).expect("taken");
        assert_eq!(request.prompt, "is the\nstove on?");
        assert_eq!((request.turns_before(), request.earlier.len()), (1, 3));
        assert!(request.stream && request.include_usage);
        assert_eq!((request.max_tokens, request.user.as_deref()), (Some(9), Some("kim")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let user = |role: &str| json!({"model": "trimtab", "messages": [{"role": role, "content": "hi"}]});
        assert!(fault(&user("wizard")).message.contains("role \"wizard\" is unknown"));
        assert_eq!(fault(&user("wizard")).param.as_deref(), Some("messages[0].role"));
        assert!(fault(&user("assistant")).message.contains("last message is not the user's"));
        let other = fault(&json!({"model": "gpt-4o", "messages": []}));
        assert_eq!((other.status, other.code.as_deref()), (StatusCode::NOT_FOUND, Some("model_not_found")));
        let picture = json!({"model": "trimtab", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]});
        assert!(fault(&picture).message.contains("pictures come from the robot's cameras"));
        let greedy = json!({"model": "trimtab", "max_tokens": 0, "messages": [{"role": "user", "content": "hi"}]});
        assert!(fault(&greedy).message.contains("1..="));
        assert!(ChatRequest::parse(b"{\"model\"").expect_err("refused").message.contains("no JSON"));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ChatRequest::parse(&body);
        }
    }
}
