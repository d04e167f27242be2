//! One call of an OpenAI-compatible upstream: chat completions with image parts, streamed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde_json::{Value, json};
use trimtab_wire::limits::ANSWER_BYTES_MAX;
use trimtab_wire::{Finish, Message, RefusalReason, Role};

use crate::config::UpstreamConfig;
use crate::sse::EventStream;
use crate::time::{Now, Stopwatch};

/// Largest body of an answer, bytes.
pub const REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is shown of an upstream's own error message, characters.
const EXCERPT_CHARS_MAX: usize = 200;
/// What is read of an error's body, bytes.
const ERROR_BYTES_MAX: usize = 16 * 1024;
/// Longest wait for a connection.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// Idle connections are closed after this.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Why an upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Certificates cannot be read.
    #[error("upstream {node}: certificates of {place}: {cause}")]
    Certificates {
        /// Which node.
        node: String,
        /// The file, or the system's store.
        place: String,
        /// Why.
        cause: String,
    },
    /// The TLS library refuses.
    #[error("upstream {node}: tls")]
    Tls {
        /// Which node.
        node: String,
        /// Why.
        #[source]
        cause: rustls::Error,
    },
}

/// An answer as the upstream gave it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) text: String,
    pub(crate) finish: Finish,
    /// Prompt and completion tokens, where it counted them.
    pub(crate) counted: Option<(u32, u32)>,
    pub(crate) first_token: Duration,
    pub(crate) total: Duration,
}

/// Why a call gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallError {
    pub(crate) reason: RefusalReason,
    /// Thing and remedy; the caller names the node.
    pub(crate) detail: String,
    /// Whether the upstream may charge for it: it had accepted the request, or nobody knows.
    pub(crate) charged: bool,
    /// Whether it tells something about the node, not only about the request.
    pub(crate) of_node: bool,
}

impl CallError {
    fn of_node(reason: RefusalReason, charged: bool, detail: String) -> Self {
        Self { reason, detail, charged, of_node: true }
    }
}

/// The HTTP side of a node.
pub(crate) struct Upstream {
    pub(crate) config: UpstreamConfig,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    authorization: Option<HeaderValue>,
    now: Now,
}

impl Upstream {
    /// Reads certificates and key; connects only when called.
    pub(crate) fn new(config: UpstreamConfig, now: Now) -> Result<Self, UpstreamError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_WAIT_MAX));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(&config)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(https);
        // The configuration let printable ASCII pass only, which is what a header may hold.
        let authorization = config.api_key.as_ref().and_then(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.0)).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Ok(Self { config, client, authorization, now })
    }

    /// Asks; hands every piece of text to `piece` as it comes. Dropping the future ends the call.
    pub(crate) async fn call(
        &self,
        messages: &[Message],
        prompt: &str,
        views: &[Bytes],
        max_tokens: u32,
        mut piece: impl FnMut(&str),
    ) -> Result<Reply, CallError> {
        let begun = Stopwatch::start(&self.now);
        let response = self.send(body(&self.config.model, messages, prompt, views, max_tokens)).await?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(status, response).await);
        }
        let mut draft = Draft::default();
        match kind.as_str() {
            "text/event-stream" => self.read_stream(response.into_body(), &mut draft, &begun, &mut piece).await?,
            "application/json" => {
                let body = self.read_all(response.into_body(), REPLY_BYTES_MAX).await?;
                draft.whole(&body)?;
                draft.first_token.get_or_insert(begun.elapsed());
                piece(&draft.text);
            }
            other => {
                let body = self.read_all(response.into_body(), ERROR_BYTES_MAX).await.unwrap_or_default();
                let detail = format!(
                    "answered with {other:?} instead of JSON or an event stream ({}); check its base_url",
                    excerpt(&String::from_utf8_lossy(&body))
                );
                return Err(CallError::of_node(RefusalReason::UpstreamGarbled, true, detail));
            }
        }
        draft.reply(begun.elapsed())
    }

    async fn send(&self, body: Vec<u8>) -> Result<Response<Incoming>, CallError> {
        let mut builder = hyper::Request::post(format!("{}/chat/completions", self.config.base_url))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream");
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        let http = builder.body(Full::from(body)).map_err(|fault| {
            CallError::of_node(RefusalReason::UpstreamFailed, false, format!("cannot be asked: {fault}"))
        })?;
        let silent = || {
            let detail =
                format!("said nothing for {:?}; raise silence_max_ms or use another node", self.config.silence_max);
            CallError::of_node(RefusalReason::UpstreamSilent, true, detail)
        };
        let sent = tokio::time::timeout(self.config.silence_max, self.client.request(http)).await;
        sent.map_err(|_| silent())?.map_err(|fault| {
            let place = if fault.is_connect() { "cannot be reached" } else { "broke the connection off" };
            let detail = format!("{place} ({}); check that it runs at its base_url", chain(&fault));
            CallError::of_node(RefusalReason::UpstreamFailed, !fault.is_connect(), detail)
        })
    }

    async fn refused(&self, status: StatusCode, response: Response<Incoming>) -> CallError {
        let body = self.read_all(response.into_body(), ERROR_BYTES_MAX).await.unwrap_or_default();
        let said = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|value| value.pointer("/error/message").and_then(Value::as_str).map(excerpt));
        let said = said.unwrap_or_else(|| excerpt(&String::from_utf8_lossy(&body)));
        let remedy = match status.as_u16() {
            401 | 403 => "check its API key",
            404 => "check its base_url and model",
            408 | 429 => "it is overloaded or its quota is used up; try later or another node",
            400..=499 => "the request does not suit it; use another node",
            _ => "try later or another node",
        };
        // A request that does not suit the node says nothing about the next one.
        let of_node = !matches!(status.as_u16(), 400 | 413 | 415 | 422);
        let detail = format!("answered {status} ({said}); {remedy}");
        CallError { reason: RefusalReason::UpstreamFailed, detail, charged: false, of_node }
    }

    async fn read_stream(
        &self,
        mut body: Incoming,
        draft: &mut Draft,
        begun: &Stopwatch<'_>,
        piece: &mut impl FnMut(&str),
    ) -> Result<(), CallError> {
        let mut events = EventStream::default();
        let mut read = 0;
        while !draft.done {
            let Some(bytes) = self.next_bytes(&mut body).await? else { break };
            read += bytes.len();
            if read > REPLY_BYTES_MAX {
                return Err(garbled(&format!("sent more than {REPLY_BYTES_MAX} bytes")));
            }
            let mut fault = None;
            let fed = events.feed(&bytes, |payload| {
                if fault.is_none() && !draft.done {
                    fault = draft.event(payload, begun, piece).err();
                }
            });
            if let Some(fault) = fault {
                return Err(fault);
            }
            fed.map_err(|_| garbled("sent an event without end"))?;
        }
        Ok(())
    }

    async fn next_bytes(&self, body: &mut Incoming) -> Result<Option<Bytes>, CallError> {
        loop {
            let silence = self.config.silence_max;
            let frame = tokio::time::timeout(silence, body.frame()).await.map_err(|_| {
                let detail = format!("fell silent for {silence:?} in the middle of its answer; use another node");
                CallError::of_node(RefusalReason::UpstreamSilent, true, detail)
            })?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(fault)) => {
                    let detail = format!("broke its answer off ({}); try later or another node", chain(&fault));
                    return Err(CallError::of_node(RefusalReason::UpstreamFailed, true, detail));
                }
            }
        }
    }

    /// A whole body, cut at `limit`.
    async fn read_all(&self, mut body: Incoming, limit: usize) -> Result<Vec<u8>, CallError> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next_bytes(&mut body).await? {
            all.extend_from_slice(bytes.get(..bytes.len().min(limit - all.len())).unwrap_or_default());
            if all.len() == limit {
                break;
            }
        }
        Ok(all)
    }
}

/// An answer in the making.
#[derive(Debug, Default)]
struct Draft {
    text: String,
    finish: Option<Finish>,
    counted: Option<(u32, u32)>,
    first_token: Option<Duration>,
    done: bool,
}

#[derive(Debug, Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Counted>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    delta: Option<Content>,
    message: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Content {
    content: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Counted {
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
}

impl Draft {
    fn event(&mut self, payload: &[u8], begun: &Stopwatch<'_>, piece: &mut impl FnMut(&str)) -> Result<(), CallError> {
        if payload == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        if payload.is_empty() {
            return Ok(());
        }
        let before = self.text.len();
        self.take(payload, |choice| choice.delta.as_ref())?;
        if self.text.len() > before {
            self.first_token.get_or_insert(begun.elapsed());
            piece(self.text.get(before..).unwrap_or_default());
        }
        Ok(())
    }

    fn whole(&mut self, body: &[u8]) -> Result<(), CallError> {
        self.take(body, |choice| choice.message.as_ref())?;
        if self.finish.is_none() {
            return Err(garbled("sent JSON without choices or finish_reason"));
        }
        Ok(())
    }

    fn take(&mut self, json: &[u8], content: fn(&Choice) -> Option<&Content>) -> Result<(), CallError> {
        let completion: Completion = serde_json::from_slice(json).map_err(|fault| {
            garbled(&format!("sent what is no completion ({fault}: {})", excerpt(&String::from_utf8_lossy(json))))
        })?;
        if let Some(error) = completion.error {
            let said = error.get("message").and_then(Value::as_str).map_or_else(|| error.to_string(), str::to_owned);
            let detail = format!("gave up ({}); try later or another node", excerpt(&said));
            return Err(CallError::of_node(RefusalReason::UpstreamFailed, true, detail));
        }
        if let Some(usage) = completion.usage {
            self.counted = Some((usage.prompt_tokens, usage.completion_tokens));
        }
        let Some(choice) = completion.choices.first() else { return Ok(()) };
        if let Some(text) = content(choice).and_then(|content| content.content.as_deref()) {
            self.append(text);
        }
        if let Some(reason) = &choice.finish_reason {
            self.finish.get_or_insert(match reason.as_str() {
                "length" => Finish::Length,
                "content_filter" => Finish::Filtered,
                _ => Finish::Stop,
            });
        }
        Ok(())
    }

    /// Adds text up to the limit of an answer; what is beyond it is not read any more.
    fn append(&mut self, text: &str) {
        let room = ANSWER_BYTES_MAX - self.text.len();
        let fits = text.floor_char_boundary(room.min(text.len()));
        self.text.push_str(text.get(..fits).unwrap_or_default());
        if fits < text.len() {
            self.finish = Some(Finish::Length);
            self.done = true;
        }
    }

    fn reply(self, total: Duration) -> Result<Reply, CallError> {
        let Some(finish) = self.finish else {
            return Err(garbled("ended its stream before the answer did"));
        };
        let first_token = self.first_token.unwrap_or(total);
        Ok(Reply { text: self.text, finish, counted: self.counted, first_token, total })
    }
}

fn garbled(what: &str) -> CallError {
    let detail = format!("{what}; check that it speaks the chat completions API");
    CallError::of_node(RefusalReason::UpstreamGarbled, true, detail)
}

fn body(model: &str, messages: &[Message], prompt: &str, views: &[Bytes], max_tokens: u32) -> Vec<u8> {
    let mut messages: Vec<Value> = messages
        .iter()
        .map(|message| {
            let role = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            json!({ "role": role, "content": message.text })
        })
        .collect();
    let content = if views.is_empty() {
        json!(prompt)
    } else {
        let images = views.iter().map(|view| {
            let url = format!("data:image/jpeg;base64,{}", STANDARD.encode(view));
            json!({ "type": "image_url", "image_url": { "url": url } })
        });
        let text = std::iter::once(json!({ "type": "text", "text": prompt }));
        Value::Array(text.chain(images).collect())
    };
    messages.push(json!({ "role": "user", "content": content }));
    let body = json!({
        "model": model,
        "messages": messages,
        "max_tokens": max_tokens,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    body.to_string().into_bytes()
}

fn tls(config: &UpstreamConfig) -> Result<ClientConfig, UpstreamError> {
    let node = config.node.to_string();
    let mut roots = RootCertStore::empty();
    if config.base_url.starts_with("https:") {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() && config.ca.is_none() {
            let cause = found
                .errors
                .first()
                .map_or_else(|| "there are none; install ca-certificates, or set ca".to_owned(), ToString::to_string);
            return Err(UpstreamError::Certificates { node, place: "the system".to_owned(), cause });
        }
        roots.add_parsable_certificates(found.certs);
    }
    if let Some(path) = &config.ca {
        let fault = |cause: String| UpstreamError::Certificates {
            node: node.clone(),
            place: PathBuf::from(path).display().to_string(),
            cause,
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|cause| fault(cause.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|cause| fault(cause.to_string()))?;
            roots.add(certificate).map_err(|cause| fault(cause.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| UpstreamError::Tls { node, cause })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// One line of an upstream's own words.
fn excerpt(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = printable.take(EXCERPT_CHARS_MAX).collect();
    short.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An error with its causes.
fn chain(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(fault.source(), |cause| cause.source());
    causes.fold(fault.to_string(), |text, cause| format!("{text}: {cause}"))
}
