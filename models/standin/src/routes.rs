//! One request in, one response out.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::answer::{Answer, Loaded};
use crate::config::Pacer;
use crate::error::ApiError;
use crate::request::{BODY_BYTES_MAX, Parsed, check_context};
use crate::stream::{DONE, Events, Head};

/// Events of a stream that wait for a slow client; then the model waits.
const EVENTS_WAITING_MAX: usize = 16;
/// Longest that a client may take to send its request.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(60);

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// What every request shares.
pub(crate) struct Shared<P> {
    pub(crate) models: Vec<Arc<Loaded>>,
    pub(crate) api_key: String,
    pub(crate) pacer: P,
    pub(crate) completions: AtomicU64,
}

impl<P: Pacer> Shared<P> {
    /// Answers one request; refusals are answers too.
    pub(crate) async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let response = match (request.method(), request.uri().path()) {
            (&Method::POST, "/v1/chat/completions") => self.complete(request).await,
            (&Method::GET, "/v1/models") => self.list(&request),
            (_, "/v1/chat/completions") => Ok(not_allowed("POST")),
            (_, "/v1/models") => Ok(not_allowed("GET")),
            (method, path) => Err(ApiError::malformed(format!(
                "unknown address {method} {path}; known are POST /v1/chat/completions and GET /v1/models"
            ))
            .code("unknown_url")
            .status(StatusCode::NOT_FOUND)),
        };
        Ok(response.unwrap_or_else(|error| json_response(error.status, &error.body())))
    }

    fn list(&self, request: &Request<Incoming>) -> Result<Response<Body>, ApiError> {
        self.check_key(request)?;
        let model = |m: &Arc<Loaded>| json!({"id": m.name, "object": "model", "created": 0, "owned_by": "trimtab"});
        let data: Vec<Value> = self.models.iter().map(model).collect();
        Ok(json_response(StatusCode::OK, &json!({"object": "list", "data": data})))
    }

    async fn complete(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, ApiError> {
        self.check_key(&request)?;
        let body = read(request).await?;
        let started = Instant::now();
        let parsed = Parsed::from_json(&body)?;
        let model = self.models.iter().find(|model| model.name == parsed.model());
        let model = Arc::clone(model.ok_or_else(|| self.unknown_model(parsed.model()))?);
        drop(body);

        let run = {
            let model = Arc::clone(&model);
            tokio::task::spawn_blocking(move || {
                let request = parsed.check(&model.profile)?;
                check_context(model.prompt_tokens(&request), &model.profile)?;
                let answer = model.answer(&request).map_err(|error| ApiError::internal(&error))?;
                Ok::<_, ApiError>((request, answer))
            })
        };
        let (request, answer) = run.await.map_err(|error| ApiError::internal(&error))??;
        let number = self.completions.fetch_add(1, Ordering::Relaxed) + 1;
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let head = Head { id: format!("chatcmpl-{number}"), created, model: request.model.clone() };

        // What our own models took counts towards what the pretended server takes.
        let first = model.profile.before_first_token(request.images).saturating_sub(started.elapsed());
        let per_token = model.profile.per_token;
        if request.stream {
            let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
            let include_usage = request.include_usage;
            // Ends by itself: after the last token, or when the client has gone.
            tokio::spawn(async move {
                let pace = Pace { pacer: &self.pacer, first, per_token };
                pace.stream(sender, &head, &answer, include_usage).await;
            });
            return Ok(response(StatusCode::OK, "text/event-stream", Events(events).boxed()));
        }
        let later = u32::try_from(answer.pieces.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.pacer.pause(first + per_token * later).await;
        Ok(json_response(StatusCode::OK, &head.whole(&answer.pieces.concat(), answer.finish, &answer.usage)))
    }

    fn check_key<B>(&self, request: &Request<B>) -> Result<(), ApiError> {
        let presented = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = presented.and_then(|value| value.strip_prefix("Bearer "));
        if key == Some(&self.api_key) { Ok(()) } else { Err(ApiError::key()) }
    }

    fn unknown_model(&self, name: &str) -> ApiError {
        let known: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
        ApiError::invalid("model", format!("model {name:?} does not exist; known are {}", known.join(", ")))
            .code("model_not_found")
            .status(StatusCode::NOT_FOUND)
    }
}

/// Sends the tokens of one answer at the pretended speed.
struct Pace<'a, P> {
    pacer: &'a P,
    first: Duration,
    per_token: Duration,
}

impl<P: Pacer> Pace<'_, P> {
    async fn stream(&self, sender: mpsc::Sender<Bytes>, head: &Head, answer: &Answer, include_usage: bool) {
        self.pacer.pause(self.first).await;
        if sender.send(head.role().into()).await.is_err() {
            return;
        }
        for (index, piece) in answer.pieces.iter().enumerate() {
            if index > 0 {
                self.pacer.pause(self.per_token).await;
            }
            if sender.send(head.piece(piece).into()).await.is_err() {
                return;
            }
        }
        let mut rest = head.finish(answer.finish);
        if include_usage {
            rest.extend(head.usage(&answer.usage));
        }
        rest.extend(DONE);
        // A client that has gone needs no end.
        let _ = sender.send(rest.into()).await;
    }
}

async fn read(request: Request<Incoming>) -> Result<Bytes, ApiError> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect();
    match tokio::time::timeout(UPLOAD_TIME_MAX, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(ApiError::malformed(format!("the body has more than {BODY_BYTES_MAX} bytes"))
                .status(StatusCode::PAYLOAD_TOO_LARGE))
        }
        Ok(Err(error)) => Err(ApiError::malformed(format!("the body broke off: {error}"))),
        Err(_) => Err(ApiError::malformed(format!("the body did not arrive within {} s", UPLOAD_TIME_MAX.as_secs()))
            .status(StatusCode::REQUEST_TIMEOUT)),
    }
}

fn not_allowed(method: &'static str) -> Response<Body> {
    let error = ApiError::malformed(format!("use {method}")).status(StatusCode::METHOD_NOT_ALLOWED);
    let mut response = json_response(error.status, &error.body());
    response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static(method));
    response
}

fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    response(status, "application/json", Full::new(Bytes::from(value.to_string())).boxed())
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}
