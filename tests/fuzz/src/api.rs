//! The local API, over a real socket, with a device that has no models: a request that can be read ends in a refusal.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use trimtab_device::api::Api;
use trimtab_device::shell::Device;

use crate::Seed;
use crate::site::{config, device, runtime, scratch};

/// A served device.
struct Served {
    _state: TempDir,
    _device: Device,
    _api: Api,
    address: SocketAddr,
}

fn served() -> SocketAddr {
    static SERVED: LazyLock<Served> = LazyLock::new(|| {
        let state = scratch();
        runtime().block_on(async {
            let config = config(state.path(), None);
            let device = device(config.clone()).await;
            let api = Api::start(device.clone(), &config.api).await.expect("a port is free");
            let address = api.address().expect("TCP is served");
            Served { _state: state, _device: device, _api: api, address }
        })
    });
    SERVED.address
}

const WAIT: Duration = Duration::from_secs(20);

/// All that comes back; `over` says that nothing more will be sent.
fn exchange(request: &[u8], over: bool) -> String {
    let mut stream = TcpStream::connect(served()).expect("the API listens");
    stream.set_read_timeout(Some(WAIT)).expect("a timeout above zero");
    // The other side may have heard enough, and hung up.
    let _ = stream.write_all(request);
    if over {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Ok(_) => {}
        // What was not read any more makes the closing a reset.
        Err(fault) if fault.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(fault) => panic!("no answer and no end: {fault}"),
    }
    String::from_utf8(reply).expect("the API speaks UTF-8")
}

/// The body of a chat completion request.
pub(crate) fn chat(body: &[u8]) {
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let reply = exchange(&[head.as_bytes(), body].concat(), false);
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).expect("a status");
    assert!(["400", "404", "429", "503"].contains(&status), "{head}");
    let value: Value = serde_json::from_str(body).unwrap_or_else(|fault| panic!("{fault}: {body}"));
    let error = &value["error"];
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    assert!(error["type"].is_string(), "{body}");
}

/// A whole HTTP request, and whatever else.
pub(crate) fn http(bytes: &[u8]) {
    let reply = exchange(bytes, true);
    assert!(reply.is_empty() || reply.starts_with("HTTP/1."), "{reply}");
    assert!(!reply.starts_with("HTTP/1.1 500"), "{reply}");
}

pub(crate) fn chat_seeds() -> Vec<Seed> {
    let full = json!({
        "model": "trimtab", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 9, "user": "kim",
        "temperature": 0.3, "n": 1,
        "messages": [
            {"role": "developer", "content": "be kind"},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": null},
            {"role": "user", "content": [{"type": "text", "text": "is the"}, {"type": "text", "text": "stove on?"}]},
        ],
    });
    let picture = json!({"model": "trimtab", "max_completion_tokens": 1, "messages": [
        {"role": "system", "content": ""}, {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]});
    let other = json!({"model": "large", "messages": []});
    let explore = json!({"model": "trimtab", "messages": [{"role": "user", "content": "hi"}],
        "trimtab": {"actions": [{"node": "local"}, {"node": "good", "views": ["wrist"]}]}});
    let seed = |(name, value): (&str, Value)| (name.to_owned(), value.to_string().into_bytes());
    [("full", full), ("picture", picture), ("other", other), ("explore", explore)].map(seed).into()
}

pub(crate) fn http_seeds() -> Vec<Seed> {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let post = |path: &str, body: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: [::1]:8088\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let chat = r#"{"model": "trimtab", "messages": [{"role": "user", "content": "hi"}]}"#;
    let requests = [
        ("models", get("/v1/models")),
        ("model", get("/v1/models/trimtab")),
        ("status", get("/v1/trimtab/status")),
        ("explain", get("/v1/trimtab/explain/1-1")),
        ("health", get("/healthz")),
        ("feedback", post("/v1/trimtab/feedback", r#"{"turn": "1-1", "score": 0.75, "source": "user"}"#)),
        ("chat", post("/v1/chat/completions", chat)),
        (
            "chunked",
            "POST /v1/trimtab/feedback HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost:3000\r\n\
             x-trimtab-conversation: kim\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
                .to_owned(),
        ),
        ("pipelined", get("/healthz").replace("connection: close\r\n", "") + &get("/nowhere")),
    ];
    requests.map(|(name, text)| (name.to_owned(), text.into_bytes())).into()
}
