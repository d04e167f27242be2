//! Which request goes where.

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderMap, ORIGIN};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use trimtab_core::TurnId;
use trimtab_ledger::LedgerError;
use trimtab_wire::mcu::{Tag, TripId};

use super::body::{Fault, Reply, json_reply};
use super::{BODY_BYTES_MAX, BODY_TIME, MODEL, chat};
use crate::shell::Device;
use crate::supervisor::ReleaseError;
use crate::supervisor::status::unhex;

/// Answers one request; there is no request without an answer.
pub(super) async fn answer(
    request: Request<Incoming>,
    device: &Device,
    tcp: bool,
    connection: &str,
) -> Response<Reply> {
    if tcp && let Err(fault) = from_this_machine(request.headers()) {
        return fault.into();
    }
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let known: &[Method] = match path.as_str() {
        "/v1/chat/completions" | "/v1/trimtab/feedback" | "/v1/trimtab/supervisor/release" => &[Method::POST],
        "/v1/models" | "/v1/trimtab/status" | "/healthz" => &[Method::GET],
        path if path.starts_with("/v1/trimtab/explain/") || path.starts_with("/v1/models/") => &[Method::GET],
        _ => &[],
    };
    if known.is_empty() {
        let message = format!("{path} is not served here; see /v1/chat/completions, /v1/models and /v1/trimtab/status");
        return Fault::bad_request(message, None).with_status(StatusCode::NOT_FOUND).into();
    }
    if !known.contains(&method) {
        let message = format!("{path} takes {}, not {method}", known[0]);
        return Fault::bad_request(message, None).with_status(StatusCode::METHOD_NOT_ALLOWED).into();
    }
    let reply = match path.as_str() {
        "/v1/chat/completions" => chat::complete(request, device, connection).await,
        "/v1/models" => Ok(json_reply(StatusCode::OK, &json!({"object": "list", "data": [model()]}))),
        "/v1/trimtab/feedback" => feedback(request, device).await,
        "/v1/trimtab/supervisor/release" => release(request, device).await,
        "/v1/trimtab/status" => Ok(json_reply(StatusCode::OK, &device.status().await)),
        "/healthz" => Ok(json_reply(StatusCode::OK, &json!({"ok": true}))),
        path => match path.strip_prefix("/v1/trimtab/explain/") {
            Some(turn) => explain(turn, device).await,
            None if path == format!("/v1/models/{MODEL}") => Ok(json_reply(StatusCode::OK, &model())),
            None => Err(Fault::bad_request(format!("only the model {MODEL:?} is offered here"), Some("model"))
                .with_status(StatusCode::NOT_FOUND)
                .with_code("model_not_found")),
        },
    };
    reply.unwrap_or_else(Response::from)
}

fn model() -> serde_json::Value {
    json!({"id": MODEL, "object": "model", "created": 0, "owned_by": "trimtab"})
}

/// A name of this machine, so that no web page can be made to speak to the API under a name of its own.
fn from_this_machine(headers: &HeaderMap) -> Result<(), Fault> {
    let local = |name: &str| {
        let name = name
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(name, |(name, _)| name);
        name == "localhost"
            || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(host) = text(HOST)
        && !local(host)
    {
        let message = format!("host {host:?} is not this machine; use 127.0.0.1 or localhost");
        return Err(Fault::bad_request(message, None).with_status(StatusCode::FORBIDDEN));
    }
    if let Some(origin) = text(ORIGIN)
        && !origin.split_once("://").is_some_and(|(_, host)| local(host))
    {
        let message = format!("a page of {origin:?} may not use the robot's API");
        return Err(Fault::bad_request(message, None).with_status(StatusCode::FORBIDDEN));
    }
    Ok(())
}

/// The whole body, within its bounds of size and time.
pub(super) async fn body(request: Request<Incoming>) -> Result<bytes::Bytes, Fault> {
    let limited = Limited::new(request.into_body(), BODY_BYTES_MAX);
    match tokio::time::timeout(BODY_TIME, limited.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => {
            let message = format!("the body is larger than {BODY_BYTES_MAX} bytes; leave out old messages");
            Err(Fault::bad_request(message, None).with_status(StatusCode::PAYLOAD_TOO_LARGE))
        }
        Ok(Err(fault)) => Err(Fault::bad_request(format!("the body broke off: {fault}; send it again"), None)),
        Err(_) => {
            Err(Fault::bad_request("the body took too long; send it again", None)
                .with_status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}

async fn explain(turn: &str, device: &Device) -> Result<Response<Reply>, Fault> {
    let turn: TurnId =
        turn.parse().map_err(|fault| Fault::bad_request(format!("{turn:?} is {fault}"), Some("turn")))?;
    match device.explain(turn).await {
        Ok(record) => Ok(json_reply(StatusCode::OK, &record)),
        Err(fault @ (LedgerError::NoTurn { .. } | LedgerError::Dropped { .. })) => Err(no_such_turn(fault.to_string())),
        Err(fault) => Err(Fault::server(StatusCode::SERVICE_UNAVAILABLE, fault.to_string())),
    }
}

fn no_such_turn(message: String) -> Fault {
    Fault::bad_request(message, Some("turn")).with_status(StatusCode::NOT_FOUND).with_code("turn_not_found")
}

/// Longest name of who gave a score, bytes.
const SOURCE_BYTES_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedbackRequest {
    turn: String,
    score: f32,
    #[serde(default = "user")]
    source: String,
}

fn user() -> String {
    "user".to_owned()
}

async fn feedback(request: Request<Incoming>, device: &Device) -> Result<Response<Reply>, Fault> {
    let body = body(request).await?;
    let asked: FeedbackRequest = serde_json::from_slice(&body).map_err(|fault| {
        Fault::bad_request(format!("no feedback: {fault}; send {{\"turn\": \"3-17\", \"score\": 0.8}}"), None)
    })?;
    let turn: TurnId =
        asked.turn.parse().map_err(|fault| Fault::bad_request(format!("{:?} is {fault}", asked.turn), Some("turn")))?;
    if !(0.0..=1.0).contains(&asked.score) {
        return Err(Fault::bad_request(format!("score is {}; it lies in 0..=1", asked.score), Some("score")));
    }
    if asked.source.is_empty() || asked.source.len() > SOURCE_BYTES_MAX {
        let message = format!("source has {} bytes; 1 to {SOURCE_BYTES_MAX} are taken", asked.source.len());
        return Err(Fault::bad_request(message, Some("source")));
    }
    match device.feedback(turn, asked.score, &asked.source).await {
        Ok(true) => Ok(json_reply(
            StatusCode::OK,
            &json!({"turn": turn.to_string(), "score": asked.score, "source": asked.source}),
        )),
        Ok(false) => Err(no_such_turn(format!("turn {turn} is not in the ledger, so nothing can be added to it"))),
        Err(fault) => Err(Fault::server(StatusCode::SERVICE_UNAVAILABLE, fault.to_string())),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseRequest {
    trip: u32,
    tag: String,
}

/// The seal is made by whoever holds the board's key, so nobody needs to be asked here who they are.
async fn release(request: Request<Incoming>, device: &Device) -> Result<Response<Reply>, Fault> {
    let body = body(request).await?;
    let asked: ReleaseRequest = serde_json::from_slice(&body).map_err(|fault| {
        Fault::bad_request(format!("no release: {fault}; `trimtab supervisor release` writes one"), None)
    })?;
    let tag =
        unhex(&asked.tag).ok_or_else(|| Fault::bad_request("tag is not 64 digits of hexadecimal", Some("tag")))?;
    match device.release_trip(TripId(asked.trip), Tag(tag)).await {
        Ok(()) => Ok(json_reply(StatusCode::OK, &json!({"released": asked.trip}))),
        Err(fault @ ReleaseError::Refused(_)) => {
            Err(Fault::bad_request(fault.to_string(), None).with_status(StatusCode::FORBIDDEN))
        }
        Err(fault) => Err(Fault::server(StatusCode::SERVICE_UNAVAILABLE, fault.to_string())),
    }
}
