//! A language model in another process of this board, behind an OpenAI-compatible server: llama.cpp's, Ollama, others.
//!
//! Every request has a connection of its own, and closing it is how an answer is stopped. Nothing is waited for without
//! asking the caller, at least every [`WAITING_MAX`], whether to go on; so a hold ends the wait for a silent server too.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use trimtab_engine::{
    Card, Engine, Finish, GenerateOptions, Generation, LocalModel, ModelError, OnProgress, Progress, Reply, WAITING_MAX,
};

use super::address::ServerAddress;
use super::chunk::{Chunk, Lines, refusal, words};

/// How long a connection may take to be made.
pub const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long a server may say nothing before it counts as away. A large model that is loaded on the first request needs long.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long the list of models may take.
const LIST_MAX: Duration = Duration::from_secs(5);
/// Largest streamed answer, bytes.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Largest other body, bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Seeds that every server takes: they differ in the width of the number.
const SEEDS: u64 = 1 << 31;
/// Names of models that an error lists.
const NAMES_MAX: usize = 8;

pub use super::chunk::LINE_BYTES_MAX;

/// A model that a server runs.
#[derive(Clone, Debug)]
pub struct ServerModel {
    address: ServerAddress,
    /// As configured; none: the only one that the server has.
    model: Option<String>,
    card: Card,
}

/// The end of a wait.
enum Waited<T> {
    For(T),
    /// The caller has had enough.
    Stopped,
}

impl ServerModel {
    /// Names the server; nothing is asked of it yet.
    #[must_use]
    pub fn new(address: ServerAddress, model: Option<String>) -> Self {
        Self { address, model, card: Card::default() }
    }

    fn away(&self, problem: impl Into<String>) -> ModelError {
        ModelError::Away { url: self.address.to_string(), problem: problem.into() }
    }

    fn unusable(&self, problem: impl Into<String>) -> ModelError {
        ModelError::Server { url: self.address.to_string(), problem: problem.into() }
    }

    /// An event loop for one request, which takes the connection along when it ends.
    fn event_loop(&self) -> Result<Runtime, ModelError> {
        let built = Builder::new_current_thread().enable_all().build();
        built.map_err(|fault| self.away(format!("no event loop: {fault}")))
    }

    async fn send(&self, method: Method, route: &str, body: Option<&Value>) -> Result<Response<Incoming>, ModelError> {
        let mut sender = self.connect().await?;
        let request = Request::builder()
            .method(method)
            .uri(self.address.route(route))
            .header(HOST, self.address.host())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default()))
            .map_err(|fault| self.unusable(fault.to_string()))?;
        sender.send_request(request).await.map_err(|fault| self.away(format!("it closed the connection: {fault}")))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ModelError> {
        let stream = tokio::time::timeout(CONNECT_MAX, TcpStream::connect(self.address.socket()))
            .await
            .map_err(|_| self.away(format!("no connection within {} s", CONNECT_MAX.as_secs())))?
            .map_err(|fault| self.away(fault.to_string()))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|fault| self.away(fault.to_string()))?;
        // It ends with the event loop; what goes wrong on it is told to whoever reads the response.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// A body that is not a stream of events, as JSON; null where it is none.
    async fn whole(&self, response: Response<Incoming>) -> Result<Value, ModelError> {
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|fault| self.unusable(format!("its body broke off or is too large: {fault}")))?;
        Ok(serde_json::from_slice(&body.to_bytes()).unwrap_or_default())
    }

    async fn refused(&self, response: Response<Incoming>) -> ModelError {
        let status = response.status();
        let said = match self.whole(response).await {
            Ok(body) => body.get("error").map_or_else(String::new, refusal),
            Err(fault) => return fault,
        };
        let problem = format!("status {}, {:?}", status.as_u16(), said);
        // This is how a server says that it is still loading.
        if status == StatusCode::SERVICE_UNAVAILABLE { self.away(problem) } else { self.unusable(problem) }
    }

    /// The name to ask for, which the server must know.
    async fn name(&self) -> Result<String, ModelError> {
        let response = self.send(Method::GET, "/models", None).await?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let body = self.whole(response).await?;
        let listed = body["data"].as_array().map_or(&[][..], Vec::as_slice);
        let names: Vec<&str> = listed.iter().filter_map(|model| model["id"].as_str()).collect();
        let shown = || words(&names[..names.len().min(NAMES_MAX)].join(", "));
        match (&self.model, names.as_slice()) {
            // Ollama's names have a tag, which need not be written.
            (Some(wanted), names)
                if names.iter().any(|name| name == wanted || name.strip_suffix(":latest") == Some(wanted)) =>
            {
                Ok(wanted.clone())
            }
            (Some(wanted), _) => {
                Err(self.unusable(format!("it has no model {wanted:?} but {}; correct [models] lm_model", shown())))
            }
            (None, [only]) => Ok((*only).to_owned()),
            (None, []) => Err(self.unusable("it lists no model; load one there")),
            (None, _) => Err(self.unusable(format!("it has several models ({}); set [models] lm_model", shown()))),
        }
    }

    /// The events of a response that streams them.
    async fn stream(&self, response: Response<Incoming>) -> Result<Incoming, ModelError> {
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            return Ok(response.into_body());
        }
        Err(self.unusable(format!("it is {kind:?} and no stream of events; use a server that streams")))
    }

    /// Waits, and asks the caller meanwhile whether to go on: outside the event loop, because a caller may block.
    fn wait<T>(
        &self,
        event_loop: &Runtime,
        work: impl Future<Output = T>,
        on: OnProgress<'_>,
    ) -> Result<Waited<T>, ModelError> {
        let mut work = std::pin::pin!(work);
        let began = Instant::now();
        loop {
            let waited = event_loop.block_on(async { tokio::time::timeout(WAITING_MAX, &mut work).await });
            if let Ok(value) = waited {
                return Ok(Waited::For(value));
            }
            if on(Progress::Waiting).is_break() {
                return Ok(Waited::Stopped);
            }
            if began.elapsed() > SILENCE_MAX {
                return Err(self.away(format!("it said nothing for {} s", SILENCE_MAX.as_secs())));
            }
        }
    }
}

impl LocalModel for ServerModel {
    fn generate(&self, prompt: &str, options: &GenerateOptions, on: OnProgress<'_>) -> Result<Generation, ModelError> {
        let mut reply = Reply::new(options, 0, false);
        if reply.is_full() {
            return Ok(reply.ended());
        }
        let event_loop = self.event_loop()?;
        let asked = async {
            let mut body = json!({
                "model": match &self.model {
                    Some(model) => model.clone(),
                    None => self.name().await?,
                },
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": options.max_tokens,
                "temperature": options.temperature,
                "top_p": options.top_p,
                "seed": options.seed % SEEDS,
                "stream": true,
                "stream_options": {"include_usage": true},
                "logprobs": true,
            });
            if !options.stop.is_empty() {
                body["stop"] = json!(options.stop);
            }
            self.send(Method::POST, "/chat/completions", Some(&body)).await
        };
        let Waited::For(response) = self.wait(&event_loop, asked, on)? else {
            return Ok(reply.finished(Finish::Cancelled));
        };
        let Waited::For(body) = self.wait(&event_loop, self.stream(response?), on)? else {
            return Ok(reply.finished(Finish::Cancelled));
        };
        let mut body = body?;
        let (mut lines, mut received) = (Lines::default(), 0);
        let (mut finish, mut over, mut usage) = (None, false, None);
        loop {
            let Waited::For(frame) = self.wait(&event_loop, body.frame(), on)? else {
                return Ok(reply.finished(Finish::Cancelled));
            };
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|fault| self.away(format!("its answer broke off: {fault}")))?;
            let Some(data) = frame.data_ref() else { continue };
            received += data.len();
            if received > ANSWER_BYTES_MAX {
                return Err(self.unusable(format!("it is longer than {ANSWER_BYTES_MAX} bytes")));
            }
            lines.push(data).map_err(|problem| self.unusable(problem))?;
            while let Some(line) = lines.next() {
                let chunk = Chunk::read(line).map_err(|problem| self.unusable(problem))?;
                for piece in chunk.pieces {
                    // A server that does not count is stopped all the same.
                    if reply.is_full() {
                        return Ok(reply.finished(Finish::Length));
                    }
                    if reply.push(None, piece.text.as_bytes(), piece.logprob, on).is_break() {
                        return Ok(reply.ended());
                    }
                }
                usage = chunk.usage.or(usage);
                finish = chunk.finish.or(finish);
                over |= chunk.done;
            }
            if over {
                break;
            }
        }
        if !over && finish.is_none() {
            return Err(self.away("its answer broke off: the connection was closed"));
        }
        let mut done = reply.finished(finish.unwrap_or(Finish::Stop));
        if let Some((prompt, answer)) = usage {
            (done.prompt_tokens, done.tokens) = (prompt, answer);
        }
        Ok(done)
    }

    fn ready(&self) -> Result<(), ModelError> {
        self.event_loop()?.block_on(async {
            let listed = tokio::time::timeout(LIST_MAX, self.name()).await;
            listed.map_err(|_| self.away(format!("no list of models within {} s", LIST_MAX.as_secs())))?.map(drop)
        })
    }

    fn engine(&self) -> Engine {
        Engine::Server
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn count_tokens(&self, _: &str) -> Option<usize> {
        None
    }

    fn loaded_bytes(&self) -> u64 {
        0
    }

    fn cache_bytes_max(&self) -> u64 {
        (LINE_BYTES_MAX + BODY_BYTES_MAX) as u64
    }

    fn card(&self) -> &Card {
        &self.card
    }
}
