//! An OpenAI-compatible upstream that can be told to misbehave, and remembers every call.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const HEADER_LINES_MAX: usize = 64;
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(10);

/// What the upstream does with a call.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answers with this text.
    Answer(String),
    /// Answers with this text after a while.
    AnswerAfter(Duration, String),
    /// Status 500 with an error body in the usual shape.
    Fails,
    /// Status 200 with a page of HTML.
    Html,
    /// Takes the call and stays silent.
    Silent,
    /// Begins a stream of events and breaks off in the middle of one.
    BreaksOff,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    calls: Mutex<Vec<Value>>,
    stopped: AtomicBool,
}

/// A running upstream on loopback; it stops when dropped.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Upstream {
    /// Starts with this behaviour.
    pub fn start(behaviour: Behaviour) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            calls: Mutex::new(Vec::new()),
            stopped: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if server.stopped.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let server = Arc::clone(&server);
                // A caller that hangs up in the middle is part of the tests.
                thread::spawn(move || drop(server.serve(stream)));
            }
        });
        Ok(Self { address, shared })
    }

    /// What a bridge takes as its base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// From now on does this.
    pub fn behave(&self, behaviour: Behaviour) {
        *lock(&self.shared.behaviour) = behaviour;
    }

    /// The bodies of all calls for a completion so far.
    pub fn calls(&self) -> Vec<Value> {
        lock(&self.shared.calls).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener, so that its thread sees the flag.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let body = read_request(&mut reader)?;
        let request: Value = serde_json::from_slice(&body).context("the call is no JSON")?;
        lock(&self.calls).push(request.clone());
        let behaviour = lock(&self.behaviour).clone();
        match behaviour {
            Behaviour::Answer(text) => answer(stream, &request, &text),
            Behaviour::AnswerAfter(pause, text) => {
                self.pause(pause);
                answer(stream, &request, &text)
            }
            Behaviour::Fails => {
                let body = json!({ "error": { "message": "out of order", "type": "server_error" } }).to_string();
                respond(stream, "500 Internal Server Error", "application/json", &body)
            }
            Behaviour::Html => respond(stream, "200 OK", "text/html", "<html><body>Sign in</body></html>"),
            Behaviour::Silent => {
                self.pause(PATIENCE);
                Ok(())
            }
            Behaviour::BreaksOff => break_off(stream),
        }
    }

    /// Sleeps, but no longer than the upstream lives.
    fn pause(&self, span: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < span && !self.stopped.load(Ordering::Relaxed) {
            thread::sleep(POLL);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_request(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut length = 0;
    for index in 0.. {
        ensure!(index < HEADER_LINES_MAX, "too many header lines");
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    ensure!(length <= BODY_BYTES_MAX, "a body of {length} bytes");
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    Ok(body)
}

fn respond(mut stream: TcpStream, status: &str, kind: &str, body: &str) -> Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    Ok(stream.flush()?)
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 1, "model": "test",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    })
}

fn answer(mut stream: TcpStream, request: &Value, text: &str) -> Result<()> {
    let usage = json!({ "prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25 });
    if request["stream"] != true {
        let body = json!({
            "id": "chatcmpl-test", "object": "chat.completion", "created": 1, "model": "test", "usage": usage,
            "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": text } }],
        });
        return respond(stream, "200 OK", "application/json", &body.to_string());
    }
    let mut events = vec![chunk(&json!({ "role": "assistant", "content": "" }), None)];
    events.extend(text.split_inclusive(' ').map(|piece| chunk(&json!({ "content": piece }), None)));
    events.push(chunk(&json!({}), Some("stop")));
    events.push(json!({
        "id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 1, "model": "test",
        "choices": [], "usage": usage,
    }));
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")?;
    for event in events {
        write!(stream, "data: {event}\n\n")?;
        stream.flush()?;
    }
    write!(stream, "data: [DONE]\n\n")?;
    Ok(stream.flush()?)
}

fn break_off(mut stream: TcpStream) -> Result<()> {
    let event = chunk(&json!({ "content": "It " }), None).to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: {event}\n\ndata: {}",
        &event[..event.len() / 2]
    )?;
    Ok(stream.flush()?)
}
