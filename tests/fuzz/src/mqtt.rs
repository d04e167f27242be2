//! What comes over MQTT, and what upstreams answer: a real broker, a real device without models, a real bridge.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use trimtab_bridge::{Bridge, BridgeConfig, RunningBridge, UpstreamConfig};
use trimtab_core::{Millis, TurnId, Usd};
use trimtab_device::config::{Config, MqttConfig};
use trimtab_device::shell::Device;
use trimtab_mqtt::{Connect, Inbox, Link, Publication, Qos};
use trimtab_rig::broker::Broker;
use trimtab_wire::chunks::Question;
use trimtab_wire::limits::{CONTENT_TYPE_DOWN, CONTENT_TYPE_JSON, CONTENT_TYPE_UP};
use trimtab_wire::operator::{CommandAnswer, Payload, StatusCommand};
use trimtab_wire::price::Prices;
use trimtab_wire::{
    Answer, Body, BridgeId, CommandName, DeviceId, Down, FleetId, NodeName, Refusal, RefusalReason, Request, RequestId,
    Subject, Topic, Up, Upload, decode_down, decode_up, encode_down, encode_up, filters,
};

use crate::Seed;
use crate::operator::{ask, budget_desired, explain, offers, preference_desired};
use crate::site::{config, device as start_device, runtime, scratch};

const WAIT: Duration = Duration::from_secs(20);

fn fleet() -> FleetId {
    FleetId::new("home").expect("a name")
}

fn robot() -> DeviceId {
    DeviceId::new("robot-1").expect("a name")
}

async fn connected(name: &str, broker: &Broker, filters: &[String]) -> (Link, Inbox) {
    let address = broker.address();
    let filters: Vec<_> = filters.iter().map(|filter| (filter.clone(), Qos::AtLeastOnce)).collect();
    let connect = Connect::new(name, &address.ip().to_string(), address.port());
    let (link, inbox) = Link::start(&connect, &filters).expect("plain TCP on loopback is allowed");
    assert!(link.up_within(WAIT).await.is_up(), "the broker is not there");
    (link, inbox)
}

/// A device, and an operator and a bridge in one.
struct Home {
    _state: TempDir,
    _broker: Broker,
    _device: Device,
    link: Link,
    inbox: Inbox,
    asked: u64,
}

impl Home {
    async fn start() -> Self {
        let (state, broker) = (scratch(), Broker::start().await.expect("a port is free"));
        let mqtt = MqttConfig {
            host: broker.address().ip().to_string(),
            port: broker.address().port(),
            tls: None,
            allow_plaintext: false,
            keep_alive: Millis::new(60_000),
            session_expiry: Millis::ZERO,
            report_prompts: true,
        };
        let config = Config { id: robot(), fleet: fleet(), ..config(state.path(), Some(mqtt)) };
        let watched = [filters::command_answers(&fleet(), &robot()), filters::statuses(&fleet())];
        let (link, inbox) = connected("operator", &broker, &watched).await;
        let device = start_device(config).await;
        let mut home = Self { _state: state, _broker: broker, _device: device, link, inbox, asked: 0 };
        // Its birth says that it listens.
        home.until(|topic, _| matches!(topic, Topic::Status(..)).then_some(())).await;
        home
    }

    async fn publish(&self, topic: Topic, content_type: &'static str, payload: Vec<u8>) {
        let publication = Publication::new(topic, content_type, payload);
        let delivery = self.link.publish(publication).await.expect("the link is up");
        // Nobody may be subscribed, for instance to a request.
        let _ = delivery.acknowledged().await;
    }

    /// Whether the device still answers, once it has dealt with all that came before.
    async fn still_there(&mut self) {
        self.asked += 1;
        let command = StatusCommand { id: format!("status-{}", self.asked) };
        let payload = command.encode().expect("a command is within every bound");
        self.publish(Topic::Command(fleet(), robot(), CommandName::Status), CONTENT_TYPE_JSON, payload).await;
        let ok = |topic: &Topic, payload: &[u8]| match topic {
            Topic::CommandAnswer(..) => {
                let answer = CommandAnswer::decode(payload).expect("the device writes what it can read");
                assert!(answer.ok || answer.error.is_some_and(|error| !error.is_empty()), "no, without a reason");
                (answer.id == command.id).then_some(answer.ok)
            }
            _ => None,
        };
        assert!(self.until(ok).await, "the device does not say how it is");
    }

    async fn until<T>(&mut self, wanted: impl Fn(&Topic, &[u8]) -> Option<T>) -> T {
        let found = async {
            loop {
                let message = self.inbox.recv().await.expect("the link ended");
                message.acknowledge().await;
                let topic = Topic::parse(&message.topic).expect("a device publishes in the tree");
                if let Some(found) = wanted(&topic, &message.payload) {
                    return found;
                }
            }
        };
        tokio::time::timeout(WAIT, found).await.expect("the device fell silent")
    }
}

/// A message to a device: the topic below the fleet in the first line, then the payload.
pub(crate) fn device(bytes: &[u8]) {
    static HOME: Mutex<Option<Home>> = Mutex::new(None);
    let Some((topic, payload)) = headed(bytes, "trimtab/v1/home/").and_then(|(topic, rest)| {
        let topic = Topic::parse(&topic).ok()?;
        Some((topic, rest.to_vec()))
    }) else {
        return;
    };
    let mut home = HOME.lock().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async {
        if home.is_none() {
            *home = Some(Home::start().await);
        }
        let home = home.as_mut().expect("it was just started");
        let kind = if matches!(topic, Topic::Response(..)) { CONTENT_TYPE_DOWN } else { CONTENT_TYPE_JSON };
        home.publish(topic, kind, payload).await;
        home.still_there().await;
    });
}

/// The first line behind `prefix`, and the rest.
fn headed<'a>(bytes: &'a [u8], prefix: &str) -> Option<(String, &'a [u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((format!("{prefix}{}", std::str::from_utf8(&bytes[..end]).ok()?), &bytes[end + 1..]))
}

pub(crate) fn device_seeds() -> Vec<Seed> {
    fn payload(of: &impl Payload) -> Vec<u8> {
        of.encode().expect("a seed is within every bound")
    }
    let id = RequestId(*b"0123456789abcdef");
    let refusal = Refusal { reason: RefusalReason::Overloaded, detail: "full".into(), cost: Usd::ZERO };
    let command = |name| Topic::Command(fleet(), robot(), name);
    let desired = |subject| Topic::Desired(fleet(), robot(), subject);
    let status = StatusCommand { id: "status".into() };
    let refusal = encode_down(&Down::Refusal(refusal)).expect("a refusal is within every bound");
    let messages = [
        ("offers", Topic::Offers(fleet(), offers().bridge), payload(&offers())),
        ("budget", desired(Subject::Budget), payload(&budget_desired())),
        ("preference", desired(Subject::Preference), payload(&preference_desired())),
        ("ask", command(CommandName::Ask), payload(&ask())),
        ("explain", command(CommandName::Explain), payload(&explain())),
        ("status-of-all", Topic::CommandAll(fleet(), CommandName::Status), payload(&status)),
        ("refusal", Topic::Response(fleet(), robot(), id), refusal),
    ];
    let seed = |(name, topic, payload): (&str, Topic, Vec<u8>)| {
        let topic = topic.to_string();
        let below = topic.strip_prefix("trimtab/v1/home/").expect("all of one fleet");
        (name.to_owned(), [below.as_bytes(), b"\n", &payload].concat())
    };
    messages.map(seed).into()
}

/// What the upstream says next: raw HTTP.
type Said = Arc<Mutex<Vec<u8>>>;

/// A bridge with one upstream, and the device's side of it.
struct Site {
    _state: TempDir,
    _broker: Broker,
    _bridge: RunningBridge,
    link: Link,
    inbox: Inbox,
    said: Said,
}

impl Site {
    async fn start() -> Self {
        let (state, broker) = (scratch(), Broker::start().await.expect("a port is free"));
        let said = Said::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(serve(listener, Arc::clone(&said)));
        let upstream = UpstreamConfig {
            node: NodeName::new("good").expect("a name"),
            base_url: format!("http://127.0.0.1:{port}/v1"),
            model: "large".into(),
            api_key: None,
            ca: None,
            prices: Prices {
                prompt: Usd::from_nano(2_500_000_000),
                completion: Usd::from_nano(10_000_000_000),
                image: Usd::from_nano(1_000_000_000_000),
            },
            images_max: 4,
            image_tokens: 85,
            context_tokens_max: 4096,
            quality: 0.9,
            latency_p50: Millis::new(500),
            latency_p95: Millis::new(900),
            token_time: Millis::new(30),
            timeout: WAIT / 2,
            silence_max: WAIT / 4,
        };
        let config = BridgeConfig {
            fleet: fleet(),
            bridge: BridgeId::new("bridge-1").expect("a name"),
            broker: Connect::new("replaced by the bridge", "127.0.0.1", broker.address().port()),
            state_dir: state.path().to_owned(),
            upstreams: vec![upstream],
            // So that the views are decoded.
            blind: true,
        };
        let bridge = Bridge::start(config).await.expect("a bridge starts");
        assert!(bridge.up_within(WAIT).await.is_up(), "the broker is not there");
        let (link, inbox) = connected(robot().as_str(), &broker, &[filters::responses(&fleet(), &robot())]).await;
        Self { _state: state, _broker: broker, _bridge: bridge, link, inbox, said }
    }

    /// The outcome of a packet, and what was streamed before it.
    async fn outcome(&mut self, packet: Vec<u8>, id: RequestId, response: Vec<u8>) -> (Down, String) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = response;
        let topic = Topic::Request(fleet(), robot());
        let publication = Publication::new(topic, CONTENT_TYPE_UP, packet).correlated(Some(id.0.to_vec().into()));
        let delivery = self.link.publish(publication).await.expect("the link is up");
        delivery.acknowledged().await.expect("the bridge is subscribed");
        let heard = async {
            let mut streamed = String::new();
            loop {
                let message = self.inbox.recv().await.expect("the link ended");
                message.acknowledge().await;
                let down = decode_down(message.content_type.as_deref(), &message.payload);
                let down = down.expect("a bridge writes what a device can read");
                match (Topic::parse(&message.topic), down) {
                    (Ok(Topic::Response(_, _, of)), _) if of != id => {}
                    (_, Down::Grant(_)) => {}
                    (_, Down::Tokens(tokens)) => streamed.push_str(&tokens.text),
                    (_, outcome @ (Down::Answer(_) | Down::Refusal(_))) => return (outcome, streamed),
                }
            }
        };
        tokio::time::timeout(WAIT, heard).await.expect("the bridge fell silent")
    }
}

async fn serve(listener: TcpListener, said: Said) {
    while let Ok((stream, _)) = listener.accept().await {
        let said = Arc::clone(&said);
        tokio::spawn(async move {
            // A bridge that hangs up early has heard enough.
            let _ = answer(stream, &said).await;
        });
    }
}

async fn answer(stream: TcpStream, said: &Said) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        match line.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap_or(0);
            }
            Some(_) => {}
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let response = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
    stream.write_all(&response).await?;
    stream.shutdown().await
}

fn response(kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn good_response() -> Vec<u8> {
    let body = json!({
        "choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 2},
    });
    response("application/json", body.to_string().as_bytes())
}

fn question(id: RequestId) -> Request {
    let question = Question {
        id,
        turn: TurnId { boot: 1, number: 1 },
        node: NodeName::new("good").expect("a name"),
        fallback_allowed: false,
        prompt: "What colour is the cup?".into(),
        messages: Vec::new(),
        max_tokens: 64,
        max_cost: Usd::from_nano(50_000_000),
        deadline: Millis::new(10_000),
    };
    Upload::plan(question, Vec::new()).expect("a question is within every bound").request().clone()
}

fn new_id() -> RequestId {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    RequestId(u128::from(COUNT.fetch_add(1, Ordering::Relaxed)).to_be_bytes())
}

fn packet(request: Request) -> Vec<u8> {
    encode_up(&Up::Request(request)).expect("a request is within every bound")
}

fn at_site<T>(act: impl AsyncFnOnce(&mut Site) -> T) -> T {
    static SITE: Mutex<Option<Site>> = Mutex::new(None);
    let mut site = SITE.lock().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async {
        if site.is_none() {
            *site = Some(Site::start().await);
        }
        act(site.as_mut().expect("it was just started")).await
    })
}

/// A packet on the request topic. Whatever it is, its sender hears of it.
pub(crate) fn intake(bytes: &[u8]) {
    let id = new_id();
    let (packet, readable) = match decode_up(Some(CONTENT_TYPE_UP), bytes) {
        Ok(Up::Request(request)) if matches!(request.body, Body::Chunked(_)) => return,
        // A request that is known would only be answered again.
        Ok(Up::Request(request)) => (packet(Request { id, ..request }), true),
        Err(_) => (bytes.to_vec(), false),
    };
    let (outcome, _) = at_site(async |site| site.outcome(packet, id, good_response()).await);
    match outcome {
        Down::Refusal(refusal) => {
            assert!(!refusal.detail.is_empty());
            assert!(readable || refusal.reason == RefusalReason::Malformed, "{refusal:?}");
        }
        Down::Answer(answer) => assert!(readable && answer.text == "Yes." && !answer.replayed),
        Down::Grant(_) | Down::Tokens(_) => panic!("no outcome"),
    }
}

pub(crate) fn intake_seeds() -> Vec<Seed> {
    let view = RgbJpeg::small();
    let with = |views: &[(&str, &[u8])]| {
        let mut request = question(RequestId([7; 16]));
        request.views = views
            .iter()
            .map(|(name, bytes)| trimtab_wire::View {
                name: trimtab_wire::ViewName::new(name).expect("a name"),
                bytes: bytes.len() as u32,
            })
            .collect();
        request.body = Body::Inline(views.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect());
        packet(request)
    };
    vec![
        ("text".into(), with(&[])),
        ("view".into(), with(&[("wrist", &view)])),
        ("no-picture".into(), with(&[("wrist", &view), ("doorway", b"\xff\xd8PNG, perhaps")])),
    ]
}

/// A picture for the bridge.
struct RgbJpeg;

impl RgbJpeg {
    fn small() -> Vec<u8> {
        let frame = trimtab_engine::RgbFrame::new(8, 8, vec![200; 192]).expect("three bytes a pixel");
        frame.to_jpeg(40).expect("a small picture can be written")
    }
}

/// What an upstream answers: its content type in the first line, then the body; or `raw`, then all of HTTP.
pub(crate) fn upstream(bytes: &[u8]) {
    let Some((kind, body)) = headed(bytes, "") else { return };
    if kind.contains(['\r', '\0']) {
        return;
    }
    let said = if kind == "raw" { body.to_vec() } else { response(&kind, body) };
    at_site(async |site| {
        let (id, asked) = (new_id(), Millis::new(10_000));
        match site.outcome(packet(question(id)), id, said).await {
            (Down::Answer(Answer { text, upstream, .. }), streamed) => {
                assert!(text.starts_with(&streamed), "{streamed:?} was streamed, {text:?} is the answer");
                assert!(upstream <= asked);
            }
            (Down::Refusal(refusal), _) => {
                assert!(refusal.detail.starts_with("node good "), "{refusal:?}");
                assert!(refusal.cost <= question(id).max_cost, "{refusal:?}");
                // A good answer, so that the circuit stays closed.
                let id = new_id();
                let (outcome, _) = site.outcome(packet(question(id)), id, good_response()).await;
                assert!(matches!(outcome, Down::Answer(_)), "{outcome:?}");
            }
            (Down::Grant(_) | Down::Tokens(_), _) => panic!("no outcome"),
        }
    });
}

pub(crate) fn upstream_seeds() -> Vec<Seed> {
    static SEEDS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
        let events = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"It \"}}]}\n\n\
            : comment\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"is ré\\u00e9d.\"},\"finish_reason\":\"length\"}]}\r\n\r\n\
            data: {\"choices\":[],\"usage\":{\"prompt_tokens\":310,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n";
        let whole = String::from_utf8(good_response()).expect("it is text");
        let (_, json) = whole.split_once("\r\n\r\n").expect("a head and a body");
        vec![
            ("events", format!("text/event-stream\n{events}")),
            ("broken-off", format!("text/event-stream; charset=utf-8\n{}", &events[..90])),
            ("gave-up", "text/event-stream\ndata: {\"error\":{\"message\":\"overheated\"}}\n\n".to_owned()),
            ("json", format!("application/json\n{json}")),
            ("no-completion", "application/json\n{\"choices\":3}".to_owned()),
            ("html", "text/html\n<html><body>Welcome</body></html>".to_owned()),
            ("raw", format!("raw\n{whole}")),
            (
                "refused",
                "raw\nHTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: 33\r\n\r\n\
                 {\"error\":{\"message\":\"quota used\"}}"
                    .to_owned(),
            ),
        ]
    });
    SEEDS.iter().map(|(name, text)| ((*name).to_owned(), text.clone().into_bytes())).collect()
}
