//! What the tests of the bridge need around it: a broker, upstreams that fail on demand, and the device's side.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mqtt5::broker::config::StorageConfig;
use mqtt5::broker::{BrokerConfig, BrokerShutdownHandle, MqttBroker};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use trimtab_bridge::{ApiKey, Bridge, BridgeConfig, RunningBridge, UpstreamConfig};
use trimtab_core::{Millis, TurnId, Usd};
use trimtab_mqtt::{Connect, Inbox, Link, Publication, Qos};
pub(crate) use trimtab_wire::chunks::Question;
use trimtab_wire::limits::{CONTENT_TYPE_CHUNK, CONTENT_TYPE_UP};
use trimtab_wire::operator::{Offers, Payload};
use trimtab_wire::price::Prices;
use trimtab_wire::{
    BridgeId, DeviceId, Down, FleetId, Message, NodeName, RequestId, Role, Topic, Up, Upload, ViewName, decode_down,
    encode_up, filters,
};

pub(crate) const WAIT: Duration = Duration::from_secs(20);

pub(crate) fn fleet() -> FleetId {
    FleetId::new("home").unwrap()
}

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

/// A response that needs no further thought.
pub(crate) fn plain(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// An HTTP server that says what it is told to.
pub(crate) struct Upstream {
    port: u16,
    /// Raw response, or none to fall silent, and the pause before it.
    response: Arc<Mutex<(Option<String>, Duration)>>,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
    calls: watch::Sender<usize>,
    serving: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let response = Arc::new(Mutex::new((None, Duration::ZERO)));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let calls = watch::Sender::new(0);
        let serving = {
            let (response, heard, calls) = (Arc::clone(&response), Arc::clone(&heard), calls.clone());
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&response), Arc::clone(&heard), calls.clone()));
                }
            })
        };
        Self { port, response, heard, calls, serving }
    }

    /// A streamed answer, a word an event, with that usage.
    pub(crate) fn answers(&self, text: &str, prompt_tokens: u32, completion_tokens: u32) {
        let words = text.split_inclusive(' ').map(|word| json!({"choices": [{"delta": {"content": word}}]}));
        let stop = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
        let usage = json!({"choices": [], "usage": {
            "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}});
        let events = words.chain([stop, usage]).map(|event| format!("data: {event}\n\n")).collect::<String>();
        self.responds(&plain("200 OK", "text/event-stream", &(events + "data: [DONE]\n\n")));
    }

    pub(crate) fn responds(&self, response: &str) {
        *self.response.lock().unwrap() = (Some(response.to_owned()), Duration::ZERO);
    }

    pub(crate) fn delay(&self, pause: Duration) {
        self.response.lock().unwrap().1 = pause;
    }

    pub(crate) fn never_answers(&self) {
        *self.response.lock().unwrap() = (None, Duration::ZERO);
    }

    pub(crate) fn calls(&self) -> usize {
        *self.calls.borrow()
    }

    pub(crate) async fn called(&self, times: usize) {
        let mut calls = self.calls.subscribe();
        tokio::time::timeout(WAIT, calls.wait_for(|calls| *calls >= times)).await.unwrap().unwrap();
    }

    pub(crate) fn last_body(&self) -> Value {
        self.heard.lock().unwrap().last().unwrap().1.clone()
    }

    pub(crate) fn last_authorization(&self) -> String {
        self.heard.lock().unwrap().last().unwrap().0.clone()
    }
}

async fn serve(
    stream: TcpStream,
    response: Arc<Mutex<(Option<String>, Duration)>>,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
    calls: watch::Sender<usize>,
) {
    let mut stream = BufReader::new(stream);
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let Some((name, value)) = line.trim().split_once(':') else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "authorization" => authorization = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    heard.lock().unwrap().push((authorization, serde_json::from_slice(&body).unwrap()));
    calls.send_modify(|calls| *calls += 1);
    let (response, pause) = response.lock().unwrap().clone();
    tokio::time::sleep(pause).await;
    match response {
        Some(response) => stream.write_all(response.as_bytes()).await.unwrap(),
        None => std::future::pending().await,
    }
}

/// A broker and a bridge, with its state.
pub(crate) struct Stage {
    bridge: Option<RunningBridge>,
    pub(crate) port: u16,
    config: BridgeConfig,
    _state: TempDir,
    broker: JoinHandle<()>,
    shutdown: BrokerShutdownHandle,
}

impl Stage {
    /// With these upstreams; the first is the better and dearer one.
    pub(crate) async fn start(upstreams: &[(&str, &Upstream)]) -> Self {
        let config = BrokerConfig::new()
            .with_bind_address(([127, 0, 0, 1], 0))
            .with_max_packet_size(200_000)
            .with_storage(StorageConfig::new().with_persistence(false));
        let mut broker = MqttBroker::with_config(config).await.unwrap();
        let port = broker.local_addr().unwrap().port();
        let shutdown = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let broker = tokio::spawn(async move { broker.run().await.unwrap() });
        ready.wait_for(|ready| *ready).await.unwrap();
        let state = tempfile::tempdir().unwrap();
        let config = config_of(port, state.path(), upstreams);
        let bridge = Some(start(config.clone()).await);
        Self { bridge, port, config, _state: state, broker, shutdown }
    }

    pub(crate) fn bridge(&self) -> &RunningBridge {
        self.bridge.as_ref().unwrap()
    }

    /// Ends the bridge as a crash would, and starts another on the same state. It has the same client id, so the broker
    /// gives the share of the dead one to it.
    pub(crate) async fn restart(&mut self) {
        drop(self.bridge.take());
        self.bridge = Some(start(self.config.clone()).await);
    }

    pub(crate) async fn stop(self) {
        self.bridge.unwrap().stop().await;
        self.shutdown.shutdown();
        tokio::time::timeout(WAIT, self.broker).await.unwrap().unwrap();
    }
}

async fn start(config: BridgeConfig) -> RunningBridge {
    let bridge = Bridge::start(config).await.unwrap();
    assert!(bridge.up_within(WAIT).await.is_up());
    bridge
}

fn config_of(port: u16, state: &Path, upstreams: &[(&str, &Upstream)]) -> BridgeConfig {
    let upstreams = upstreams.iter().enumerate().map(|(rank, (name, upstream))| {
        let discount = 1 + 9 * rank as u64;
        UpstreamConfig {
            node: node(name),
            base_url: format!("http://127.0.0.1:{}/v1", upstream.port),
            model: (*name).to_owned(),
            api_key: Some(ApiKey(format!("key-of-{name}"))),
            ca: None,
            prices: Prices {
                prompt: Usd::from_nano(2_500_000_000 / discount),
                completion: Usd::from_nano(10_000_000_000 / discount),
                image: Usd::from_nano(1_000_000_000_000 / discount),
            },
            images_max: 4,
            image_tokens: 85,
            context_tokens_max: 4096,
            quality: 0.9 - 0.3 * rank as f32,
            latency_p50: Millis::new(500),
            latency_p95: Millis::new(900),
            token_time: Millis::new(30),
            timeout: Duration::from_secs(10),
            silence_max: Duration::from_secs(5),
        }
    });
    BridgeConfig {
        fleet: fleet(),
        bridge: BridgeId::new("bridge-1").unwrap(),
        broker: Connect::new("replaced by the bridge", "127.0.0.1", port),
        state_dir: state.to_owned(),
        upstreams: upstreams.collect(),
        blind: false,
    }
}

/// What a question about the cup says; `id` makes it this one.
pub(crate) fn question(name: &str, id: u8) -> Question {
    Question {
        id: RequestId([id; 16]),
        turn: TurnId { boot: 1, number: id.into() },
        node: node(name),
        fallback_allowed: false,
        prompt: "What colour is the cup?".into(),
        messages: vec![Message { role: Role::System, text: "Answer in a short sentence.".into() }],
        max_tokens: 64,
        max_cost: Usd::from_nano(50_000_000),
        deadline: Millis::new(10_000),
    }
}

/// Views that begin like a JPEG and go on with noise.
pub(crate) fn upload(question: Question, sizes: &[usize]) -> Upload {
    let noise = |size: &usize| [0xff, 0xd8].into_iter().chain((2..*size).map(|at| (at * 31) as u8)).collect();
    upload_bytes(question, sizes.iter().map(noise).collect())
}

pub(crate) fn upload_bytes(question: Question, views: Vec<Vec<u8>>) -> Upload {
    let named = views.into_iter().enumerate().map(|(n, view)| (ViewName::new(&format!("view-{n}")).unwrap(), view));
    Upload::plan(question, named.collect()).unwrap()
}

/// What came back for a request.
pub(crate) struct Heard {
    pub(crate) outcome: Down,
    pub(crate) streamed: String,
    pub(crate) grants: usize,
}

/// The device's side.
pub(crate) struct Device {
    id: DeviceId,
    link: Link,
    inbox: Inbox,
    offers: Vec<Offers>,
}

impl Device {
    pub(crate) async fn start(stage: &Stage, id: &str) -> Self {
        let id = DeviceId::new(id).unwrap();
        let filters =
            [(filters::responses(&fleet(), &id), Qos::AtLeastOnce), (filters::offers(&fleet()), Qos::AtLeastOnce)];
        let (link, inbox) = Link::start(&Connect::new(id.as_str(), "127.0.0.1", stage.port), &filters).unwrap();
        assert!(link.up_within(WAIT).await.is_up());
        Self { id, link, inbox, offers: Vec::new() }
    }

    pub(crate) async fn ask(&mut self, question: Question, views: &[usize]) -> Heard {
        let mut upload = self.publish(question, views).await;
        self.hear(&mut upload).await
    }

    pub(crate) async fn publish(&self, question: Question, views: &[usize]) -> Upload {
        let upload = upload(question, views);
        self.publish_upload(&upload).await;
        upload
    }

    pub(crate) async fn publish_upload(&self, upload: &Upload) {
        let packet = encode_up(&Up::Request(upload.request().clone())).unwrap();
        self.publish_raw(&packet, upload.request().id).await;
    }

    pub(crate) async fn publish_raw(&self, packet: &[u8], id: RequestId) {
        let publication = Publication::new(Topic::Request(fleet(), self.id.clone()), CONTENT_TYPE_UP, packet.to_vec());
        let publication = publication.correlated(Some(id.0.to_vec().into()));
        self.link.publish(publication).await.unwrap().acknowledged().await.unwrap();
    }

    /// Until the outcome of this request; chunks are sent as they are granted.
    pub(crate) async fn hear(&mut self, upload: &mut Upload) -> Heard {
        let (mut streamed, mut grants) = (String::new(), 0);
        let id = upload.request().id;
        loop {
            let packet = match self.next().await {
                Some((of, packet)) if of == id => packet,
                _ => continue,
            };
            match packet {
                Down::Grant(grant) => {
                    grants += 1;
                    upload.on_grant(&grant);
                    while let Some(chunk) = upload.next_chunk() {
                        let topic = Topic::Chunk(fleet(), self.id.clone(), id, chunk.n);
                        let publication = Publication::new(topic, CONTENT_TYPE_CHUNK, chunk.bytes.to_vec());
                        self.link.publish(publication).await.unwrap().acknowledged().await.unwrap();
                    }
                }
                Down::Tokens(tokens) => streamed.push_str(&tokens.text),
                outcome @ (Down::Answer(_) | Down::Refusal(_)) => return Heard { outcome, streamed, grants },
            }
        }
    }

    pub(crate) async fn wait_for_offers(&mut self, fits: impl Fn(&Offers) -> bool) -> Offers {
        loop {
            if let Some(offers) = self.offers.last().filter(|offers| fits(offers)) {
                return offers.clone();
            }
            self.next().await;
        }
    }

    async fn next(&mut self) -> Option<(RequestId, Down)> {
        let incoming = tokio::time::timeout(WAIT, self.inbox.recv()).await.expect("nothing came").unwrap();
        incoming.acknowledge().await;
        match Topic::parse(&incoming.topic).unwrap() {
            Topic::Response(_, _, id) => {
                Some((id, decode_down(incoming.content_type.as_deref(), &incoming.payload).unwrap()))
            }
            Topic::Offers(..) => {
                self.offers.push(Offers::decode(&incoming.payload).unwrap());
                None
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}
