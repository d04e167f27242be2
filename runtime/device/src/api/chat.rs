//! One turn over HTTP.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use trimtab_core::Placement;
use trimtab_turn::{Finish, TurnRecord};
use trimtab_wire::Message;

use super::body::{Fault, PIECES_WAITING_MAX, Reply, event_reply, json_reply};
use super::explore;
use super::route::body;
use super::schema::{CONVERSATION_BYTES_MAX, ChatRequest, MODEL};
use crate::shell::{Ask, AskError, Decided, Device, News, TurnStream};

const TURN: HeaderName = HeaderName::from_static("x-trimtab-turn");
const PLACEMENT: HeaderName = HeaderName::from_static("x-trimtab-placement");
const NODE: HeaderName = HeaderName::from_static("x-trimtab-node");
const VIEWS: HeaderName = HeaderName::from_static("x-trimtab-views");
const REASON: HeaderName = HeaderName::from_static("x-trimtab-reason");
const CONVERSATION: HeaderName = HeaderName::from_static("x-trimtab-conversation");
/// Tells OpenAI's clients whether to send the same request again by themselves.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Seconds after which a full queue may have room.
const RETRY_SECONDS: u16 = 2;

pub(super) async fn complete(
    request: Request<Incoming>,
    device: &Device,
    connection: &str,
) -> Result<Response<Reply>, Fault> {
    let named = conversation(request.headers())?;
    let chat = ChatRequest::parse(&body(request).await?)?;
    let conversation = named.or_else(|| chat.user.clone()).unwrap_or_else(|| connection.to_owned());
    if conversation.len() > CONVERSATION_BYTES_MAX {
        let message = format!("user has {} bytes; the limit is {CONVERSATION_BYTES_MAX}", conversation.len());
        return Err(Fault::bad_request(message, Some("user")));
    }
    let turns_before = chat.turns_before();
    let only = explore::actions(&chat.actions, device)?;
    let ask = Ask {
        conversation,
        prompt: chat.prompt,
        context: chat.earlier.into_iter().map(|said| Message { role: said.role, text: said.text }).collect(),
        turns_before: Some(turns_before),
        time: None,
        max_tokens: chat.max_tokens,
        only,
    };
    let prompt_tokens = device.tokens_of(&ask.prompt);
    let news = match device.ask(ask) {
        Ok(news) => news,
        Err(fault @ (AskError::Full | AskError::Memory)) => {
            let mut response: Response<Reply> =
                Fault::server(StatusCode::SERVICE_UNAVAILABLE, fault.to_string()).into();
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
            return Ok(response);
        }
        Err(fault) => return Err(Fault::server(StatusCode::SERVICE_UNAVAILABLE, fault.to_string())),
    };
    if chat.stream {
        Ok(streamed(news, prompt_tokens, chat.include_usage).await)
    } else {
        Ok(whole(news, prompt_tokens).await)
    }
}

fn conversation(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get(CONVERSATION) else { return Ok(None) };
    match value.to_str() {
        Ok(name) if (1..=CONVERSATION_BYTES_MAX).contains(&name.len()) => Ok(Some(name.to_owned())),
        _ => Err(Fault::bad_request(
            format!("x-trimtab-conversation takes 1 to {CONVERSATION_BYTES_MAX} visible ASCII characters"),
            Some("x-trimtab-conversation"),
        )),
    }
}

async fn whole(mut news: TurnStream, prompt_tokens: u32) -> Response<Reply> {
    while let Some(item) = news.next().await {
        let News::Over(record) = item else { continue };
        if record.placement == Placement::Refused {
            return refused(&record);
        }
        let mut value = json!({
            "id": completion_id(&record.turn.to_string()),
            "object": "chat.completion",
            "created": unix_seconds(),
            "model": MODEL,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": record.answer, "refusal": null},
                "logprobs": null,
                "finish_reason": record.finish.openai(),
            }],
            "usage": usage(&record, prompt_tokens),
        });
        if let Some(action) = does(&record) {
            value["trimtab"] = action;
        }
        let mut response = json_reply(StatusCode::OK, &value);
        describe(response.headers_mut(), &Decided::of(&record));
        return response;
    }
    lost()
}

/// Streams from the decision on; a turn that is refused before is an ordinary error.
async fn streamed(mut news: TurnStream, prompt_tokens: u32, include_usage: bool) -> Response<Reply> {
    let decided = loop {
        match news.next().await {
            Some(News::Decided(decided)) => break decided,
            Some(News::Over(record)) => return refused(&record),
            Some(News::Text(_) | News::Void) => {}
            None => return lost(),
        }
    };
    let (pieces, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    let mut response = event_reply(receiver);
    describe(response.headers_mut(), &decided);
    let chunks = Chunks { id: completion_id(&decided.turn.to_string()), created: unix_seconds() };
    tokio::spawn(async move {
        // A reader that went away ends the stream; the turn itself goes on to its record.
        let _ = chunks.relay(&mut news, &pieces, prompt_tokens, include_usage).await;
    });
    response
}

/// What is the same in every chunk of one stream.
struct Chunks {
    id: String,
    created: u64,
}

impl Chunks {
    async fn relay(
        &self,
        news: &mut TurnStream,
        pieces: &mpsc::Sender<Bytes>,
        prompt_tokens: u32,
        include_usage: bool,
    ) -> Result<(), mpsc::error::SendError<Bytes>> {
        pieces.send(self.event(&json!({"role": "assistant", "content": ""}), None, None)).await?;
        while let Some(item) = news.next().await {
            match item {
                News::Decided(_) => {}
                News::Text(text) => pieces.send(self.event(&json!({"content": text}), None, None)).await?,
                // Chat completions have no way to take text back: the new answer begins after an empty line, and a client that
                // knows of it finds the mark.
                News::Void => {
                    let mark = Some(("trimtab", json!({"void": true})));
                    pieces.send(self.event(&json!({"content": "\n\n"}), None, mark)).await?;
                }
                News::Over(record) => {
                    if record.placement == Placement::Refused {
                        pieces.send(data(&refusal(&record).value())).await?;
                    } else {
                        let action = does(&record).map(|action| ("trimtab", action));
                        pieces.send(self.event(&json!({}), Some(record.finish), action)).await?;
                    }
                    if include_usage {
                        let mut value = self.base();
                        value["choices"] = json!([]);
                        value["usage"] = usage(&record, prompt_tokens);
                        pieces.send(data(&value)).await?;
                    }
                    return pieces.send(Bytes::from_static(b"data: [DONE]\n\n")).await;
                }
            }
        }
        Ok(())
    }

    fn base(&self) -> Value {
        json!({"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": MODEL})
    }

    fn event(&self, delta: &Value, finish: Option<Finish>, extra: Option<(&str, Value)>) -> Bytes {
        let mut value = self.base();
        value["choices"] =
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish.map(Finish::openai)}]);
        if let Some((key, extra)) = extra {
            value[key] = extra;
        }
        data(&value)
    }
}

fn data(value: &Value) -> Bytes {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "data: {value}\n\n");
    Bytes::from(text)
}

fn completion_id(turn: &str) -> String {
    format!("chatcmpl-{turn}")
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What chat completions have no place for: the action of an answer of the local model.
fn does(record: &TurnRecord) -> Option<Value> {
    let action = crate::shell::action(record);
    (!action.is_null()).then(|| json!({"action": action}))
}

fn usage(record: &TurnRecord, prompt_tokens: u32) -> Value {
    let completion = record.completion_tokens.unwrap_or(0);
    json!({"prompt_tokens": prompt_tokens, "completion_tokens": completion, "total_tokens": prompt_tokens + completion})
}

/// A refused turn as an error that OpenAI's clients show and do not repeat.
fn refused(record: &TurnRecord) -> Response<Reply> {
    let mut response: Response<Reply> = refusal(record).into();
    let headers = response.headers_mut();
    headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    describe(headers, &Decided::of(record));
    response
}

fn refusal(record: &TurnRecord) -> Fault {
    let budget = record.reason.ends_with("_budget");
    let (status, kind) = match (record.finish, budget) {
        (Finish::Lost, _) => (StatusCode::GATEWAY_TIMEOUT, "server_error"),
        (_, true) => (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota"),
        (_, false) => (StatusCode::SERVICE_UNAVAILABLE, "server_error"),
    };
    let trouble = record.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
    let turn = record.turn;
    Fault {
        status,
        kind,
        message: format!(
            "turn {turn} was refused ({}){trouble}; `trimtab explain {turn}` says what was ruled out and why",
            record.reason
        ),
        param: None,
        code: Some(record.reason.clone()),
    }
}

fn lost() -> Response<Reply> {
    Fault::server(StatusCode::INTERNAL_SERVER_ERROR, "the runtime stopped before the turn was over; ask again").into()
}

fn describe(headers: &mut HeaderMap, decided: &Decided) {
    let mut insert = |name, text: &str| {
        // Names and reasons are ASCII by their types; what is not is left out rather than mangled.
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    insert(TURN, &decided.turn.to_string());
    insert(PLACEMENT, decided.placement.name());
    insert(NODE, &decided.node);
    insert(VIEWS, &decided.views.join(","));
    insert(REASON, &decided.reason);
}
