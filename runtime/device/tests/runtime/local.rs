//! A language model behind a server on the same machine: good ones, silent ones, broken ones and none.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trimtab_core::Placement;
use trimtab_device::config::{Config, ConfigError};
use trimtab_device::local::{LINE_BYTES_MAX, ServerAddress, ServerModel};
use trimtab_device::shell::{Device, Parts};
use trimtab_engine::{Engine, Finish, GenerateOptions, Generation, LocalModel, ModelError, Progress};
use trimtab_turn::TurnRecord;

use crate::home::{Home, local_first};

/// How it answers a prompt, after the head of a stream or without it.
type Answer = fn(&Value, &mut TcpStream) -> std::io::Result<()>;

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
/// The connection closes where the client stops reading: nothing else is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server of these models, on a thread that ends with the test.
struct Server {
    url: String,
    closed: Arc<AtomicUsize>,
}

impl Server {
    fn start(models: &'static [&'static str], answer: Answer) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), models, answer)
    }

    fn on(listener: TcpListener, models: &'static [&'static str], answer: Answer) -> Self {
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let closed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&closed);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let count = Arc::clone(&count);
                std::thread::spawn(move || {
                    if serve(stream.unwrap(), models, answer).is_err() {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { url, closed }
    }

    fn model(&self) -> ServerModel {
        ServerModel::new(ServerAddress::parse(&self.url).unwrap(), None)
    }
}

/// Fails when the client goes before the answer's end.
fn serve(mut stream: TcpStream, models: &[&str], answer: Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if header.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if line.starts_with("GET /v1/models ") {
        let list: Vec<Value> = models.iter().map(|id| json!({"id": id})).collect();
        let list = json!({ "data": list }).to_string();
        return write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{list}", list.len());
    }
    assert!(line.starts_with("POST /v1/chat/completions "), "{line}");
    answer(&serde_json::from_slice(&body)?, &mut stream)
}

/// One event.
fn tell(stream: &mut TcpStream, event: &Value) -> std::io::Result<()> {
    write!(stream, "data: {event}\n\n")
}

fn word(text: &str) -> Value {
    json!({"choices": [{"delta": {"content": text}, "logprobs": {"content": [{"token": text, "logprob": -0.25}]}}]})
}

/// Says as many words as it is asked for, then that there would be more.
fn words(asked: &Value, stream: &mut TcpStream) -> std::io::Result<()> {
    let count = asked["max_tokens"].as_u64().unwrap();
    write!(stream, "{STREAM}: hello\n\n")?;
    for number in 0..count {
        tell(stream, &word(&format!("w{number} ")))?;
    }
    tell(stream, &json!({"choices": [{"delta": {}, "finish_reason": "length"}]}))?;
    tell(stream, &json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": count}}))?;
    write!(stream, "data: [DONE]\n\n")
}

/// Speaks until nobody listens.
fn endless(_: &Value, stream: &mut TcpStream) -> std::io::Result<()> {
    write!(stream, "{STREAM}")?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        tell(stream, &word("on "))?;
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Says nothing until the other side goes.
fn silent(_: &Value, stream: &mut TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    match stream.read(&mut [0])? {
        0 => Err(std::io::ErrorKind::ConnectionReset.into()),
        _ => Ok(()),
    }
}

fn options(max_tokens: usize) -> GenerateOptions {
    GenerateOptions { max_tokens, ..GenerateOptions::default() }
}

fn answer(model: &ServerModel, max_tokens: usize) -> Result<Generation, ModelError> {
    model.generate("Hello?", &options(max_tokens), &mut |_| ControlFlow::Continue(()))
}

fn eventually(holds: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

#[test]
fn an_answer_comes_token_by_token() {
    let server = Server::start(&["tiny"], words);
    let model = server.model();
    model.ready().unwrap();
    assert_eq!((model.engine(), model.loaded_bytes()), (Engine::Server, 0));
    let mut told = Vec::new();
    let done = model.generate("Hello?", &options(3), &mut |progress| {
        if let Progress::Token { piece, logprob, .. } = progress {
            told.push((piece.to_owned(), logprob));
        }
        ControlFlow::Continue(())
    });
    let done = done.unwrap();
    assert_eq!(told, ["w0 ", "w1 ", "w2 "].map(|text| (text.to_owned(), Some(-0.25))));
    assert_eq!((done.text.as_str(), done.finish), ("w0 w1 w2 ", Finish::Length));
    assert_eq!((done.prompt_tokens, done.tokens), (9, 3));
    // A text that ends the answer ends it here too.
    let stopped = GenerateOptions { stop: vec!["1 w".into()], ..options(9) };
    let done = model.generate("Hello?", &stopped, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((done.text.as_str(), done.finish), ("w0 w", Finish::Stop));
}

#[test]
fn a_break_closes_the_connection() {
    let server = Server::start(&["tiny"], endless);
    let mut heard = 0;
    let done = server.model().generate("Hello?", &options(1000), &mut |progress| {
        heard += usize::from(matches!(progress, Progress::Token { .. }));
        if heard == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let done = done.unwrap();
    assert_eq!((done.finish, done.tokens), (Finish::Cancelled, 3));
    assert!(eventually(|| server.closed.load(Ordering::SeqCst) == 1), "the server still speaks");
    // One that does not count is stopped at the tokens it was asked for.
    let done = answer(&server.model(), 5).unwrap();
    assert_eq!((done.finish, done.tokens), (Finish::Length, 5));
    assert!(eventually(|| server.closed.load(Ordering::SeqCst) == 2), "the server still speaks");
    // And one that says nothing is left when its caller has waited enough.
    let server = Server::start(&["tiny"], silent);
    let began = Instant::now();
    let done = server.model().generate("Hello?", &options(9), &mut |progress| {
        assert_eq!(progress, Progress::Waiting);
        if began.elapsed() > Duration::from_millis(200) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(done.unwrap().finish, Finish::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(eventually(|| server.closed.load(Ordering::SeqCst) == 1), "the connection is still open");
}

#[test]
fn what_a_server_does_wrong_is_told() {
    let cases: [(&str, Answer); 9] = [
        ("its answer broke off", |_, stream| {
            write!(stream, "{STREAM}")?;
            tell(stream, &word("half "))
        }),
        ("its answer broke off", |_, stream| {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 900\r\n\r\n")?;
            tell(stream, &word("half "))
        }),
        ("it closed the connection", |_, _| Ok(())),
        ("is no JSON", |_, stream| write!(stream, "{STREAM}data: {{\"choices\": [\n\n")),
        ("no slot is free", |_, stream| {
            write!(stream, "{STREAM}")?;
            tell(stream, &json!({"error": {"message": "no slot\nis free"}}))
        }),
        ("longer than 262144 bytes", |_, stream| {
            write!(stream, "{STREAM}data: ")?;
            stream.write_all(&vec![b'x'; 2 * LINE_BYTES_MAX])
        }),
        ("no stream of events", |_, stream| {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}")
        }),
        ("status 503, \"loading\"", |_, stream| {
            write!(stream, "HTTP/1.1 503 Busy\r\ncontent-length: 19\r\n\r\n{{\"error\":\"loading\"}}")
        }),
        ("it closed the connection", |_, stream| write!(stream, "\u{1}\u{2}garbage\r\n\r\n")),
    ];
    for (expected, case) in cases {
        let server = Server::start(&["tiny"], case);
        let fault = answer(&server.model(), 9).unwrap_err();
        let text = fault.to_string();
        assert!(text.contains(expected) && text.starts_with(&server.url), "{expected}: {text}");
        assert!(matches!(fault, ModelError::Away { .. } | ModelError::Server { .. }), "{fault:?}");
    }
}

#[test]
fn the_model_is_the_only_one_or_the_one_that_is_named() {
    let named = |server: &Server, name: &str| {
        ServerModel::new(ServerAddress::parse(&server.url).unwrap(), Some(name.to_owned())).ready()
    };
    let server = Server::start(&["llama3:latest", "qwen"], words);
    let fault = server.model().ready().unwrap_err().to_string();
    assert!(fault.contains("several models (llama3:latest, qwen); set [models] lm_model"), "{fault}");
    named(&server, "qwen").unwrap();
    named(&server, "llama3").unwrap();
    let fault = named(&server, "gpt").unwrap_err().to_string();
    assert!(fault.contains("no model \"gpt\" but llama3:latest, qwen"), "{fault}");
    let fault = Server::start(&[], words).model().ready().unwrap_err().to_string();
    assert!(fault.contains("lists no model"), "{fault}");
}

async fn ask(device: &Device) -> TurnRecord {
    crate::bad_input::ask(device, "Please turn off the lamp.").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_answers_by_a_server_and_goes_on_without_it() {
    // A port that nobody listens on yet.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let home = Home::new().with_lm(format!("http://{address}/v1"));
    let device = home.device(local_first()).await;
    let status = device.status().await;
    assert_eq!((&status["local"], &status["local_engine"]), (&json!(false), &json!("server")));
    let fault = status["faults"][0].as_str().unwrap().to_owned();
    assert!(fault.starts_with(&format!("http://{address}/v1: no language model server answers")), "{fault}");
    let record = ask(&device).await;
    assert_eq!((record.placement, record.reason.as_str()), (Placement::Refused, "model_missing"));

    let server = Server::on(TcpListener::bind(address).unwrap(), &["tiny"], words);
    let back = Instant::now();
    while device.status().await["local"] != json!(true) {
        assert!(back.elapsed() < Duration::from_secs(20), "the server was not noticed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(device.status().await["faults"], json!([]));
    let record = ask(&device).await;
    assert_eq!(record.placement, Placement::Local);
    assert!(record.answer.starts_with("w0 w1 "), "{record:?}");
    assert!(!record.cost.energy.is_zero(), "{record:?}");
    drop(server);
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_ends_the_wait_for_a_silent_server() {
    let server = Server::start(&["tiny"], silent);
    let home = Home::new().with_lm(server.url.clone()).with("[turn]\ntime = \"900 ms\"");
    let mut config = home.config();
    // Measuring would wait for it at the start.
    config.models.measure = false;
    let device = Device::start(config, Parts { chooser: local_first(), ..Parts::default() }).await.unwrap();
    let began = Instant::now();
    let record = ask(&device).await;
    assert_eq!((record.placement, record.finish), (Placement::Local, trimtab_turn::Finish::TimeCut), "{record:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    device.stop().await;
}

#[test]
fn only_a_server_on_this_machine_is_taken() {
    let load = |lm: &str| Config::load(Some(&Home::new().with_lm(lm.to_owned()).write()));
    let fault = load("http://192.168.1.7:8080/v1").unwrap_err();
    assert!(matches!(fault, ConfigError::Value { .. }), "{fault:?}");
    assert!(fault.to_string().contains("models.lm: 192.168.1.7:8080 is not this machine"), "{fault}");
    assert_eq!(load("http://localhost:8080").unwrap().models.lm.unwrap().to_string(), "http://localhost:8080/v1");
}
