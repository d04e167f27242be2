//! The way to a bridge and back, through a real broker: offers, views in one packet and in chunks, late and repeated
//! answers, a restart in between, and the operator's topics. The bridge's end is played by this test, packet by packet.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt5::broker::config::StorageConfig;
use mqtt5::broker::{BrokerConfig, MqttBroker};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use trimtab_core::{Millis, Placement, Usd};
use trimtab_device::shell::{Ask, Chooser, Device};
use trimtab_mqtt::{Connect, DeliveryError, Inbox, Incoming, Link, Publication, Qos};
use trimtab_turn::TurnRecord;
use trimtab_wire::limits::{CONTENT_TYPE_DOWN, CONTENT_TYPE_JSON};
use trimtab_wire::operator::{Offer, Offers, Payload};
use trimtab_wire::{
    Answer, Assembler, Body, BridgeId, DeviceId, Down, Finish, FleetId, Grant, Message, NodeName, Progress, Request,
    Role, Tokens, Topic, Up, Usage, decode_up, encode_down, filters,
};

use crate::home::{Home, local_first, prefer};

const WAIT: Duration = Duration::from_secs(20);

struct Broker {
    port: u16,
    running: JoinHandle<()>,
    shutdown: mqtt5::broker::BrokerShutdownHandle,
}

impl Broker {
    async fn start() -> Self {
        let config = BrokerConfig::new()
            .with_bind_address(([127, 0, 0, 1], 0))
            .with_max_packet_size(300_000)
            .with_storage(StorageConfig::new().with_persistence(false));
        let mut broker = MqttBroker::with_config(config).await.unwrap();
        let port = broker.local_addr().unwrap().port();
        let shutdown = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let running = tokio::spawn(async move { broker.run().await.unwrap() });
        ready.wait_for(|ready| *ready).await.unwrap();
        Self { port, running, shutdown }
    }

    async fn stop(self) {
        self.shutdown.shutdown();
        tokio::time::timeout(WAIT, self.running).await.unwrap().unwrap();
    }

    fn home(&self) -> Home {
        Home::new().with(&format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n[turn]\ntime = \"6 s\"", self.port))
    }
}

fn fleet() -> FleetId {
    FleetId::new("lab").unwrap()
}

fn robot() -> DeviceId {
    DeviceId::new("robot-7").unwrap()
}

/// The bridge's end.
struct Far {
    link: Link,
    inbox: Inbox,
}

impl Far {
    async fn at(port: u16) -> Self {
        let filters = [
            filters::requests_shared(&fleet()),
            "trimtab/v1/lab/robot-7/req/+/+".to_owned(),
            "trimtab/v1/lab/robot-7/tele/+".to_owned(),
            "trimtab/v1/lab/robot-7/+/reported".to_owned(),
            filters::statuses(&fleet()),
            filters::command_answers(&fleet(), &robot()),
        ];
        let filters: Vec<_> = filters.into_iter().map(|filter| (filter, Qos::AtLeastOnce)).collect();
        let (link, inbox) = Link::start(&Connect::new("far", "127.0.0.1", port), &filters).unwrap();
        assert!(link.up_within(WAIT).await.is_up());
        let far = Self { link, inbox };
        far.offer().await;
        far
    }

    async fn offer(&self) {
        let bridge = BridgeId::new("b1").unwrap();
        let offer = Offer {
            node: NodeName::new("good").unwrap(),
            model: "m".into(),
            available: true,
            price_prompt_nusd: Usd::from_nano(1_000_000_000),
            price_completion_nusd: Usd::from_nano(2_000_000_000),
            price_image_nusd: Usd::from_nano(1_000_000_000_000),
            images_max: 3,
            context_tokens_max: 8192,
            image_tokens: 85,
            latency_p50_ms: Millis::new(300),
            latency_p95_ms: Millis::new(600),
            token_ms: Millis::new(10),
            calls: 0,
            quality: 0.9,
        };
        let offers = Offers { bridge: bridge.clone(), at_unix_ms: 0, valid_ms: 60_000, nodes: vec![offer] };
        let topic = Topic::Offers(fleet(), bridge);
        self.publish(Publication::new(topic, CONTENT_TYPE_JSON, offers.encode().unwrap()).retained()).await;
    }

    async fn publish(&self, publication: Publication) {
        let taken = self.link.publish(publication).await.unwrap().acknowledged().await;
        // A retained message may come before its first reader.
        assert!(matches!(taken, Ok(()) | Err(DeliveryError::NoSubscriber)), "{taken:?}");
    }

    /// The next message that `wanted` takes; the others are dropped.
    async fn next<T>(&mut self, wanted: impl Fn(&Topic, &Incoming) -> Option<T>) -> T {
        let found = async {
            loop {
                let message = self.inbox.recv().await.expect("the link ended");
                message.acknowledge().await;
                let topic = Topic::parse(&message.topic).unwrap();
                if let Some(found) = wanted(&topic, &message) {
                    return found;
                }
            }
        };
        tokio::time::timeout(WAIT, found).await.expect("nothing of that kind came")
    }

    async fn request(&mut self) -> Request {
        self.next(|topic, message| match topic {
            Topic::Request(_, device) => {
                assert_eq!(*device, robot());
                let Up::Request(request) = decode_up(message.content_type.as_deref(), &message.payload).unwrap();
                Some(request)
            }
            _ => None,
        })
        .await
    }

    async fn tell(&self, request: &Request, down: &Down) {
        let topic = Topic::Response(fleet(), robot(), request.id);
        self.publish(Publication::new(topic, CONTENT_TYPE_DOWN, encode_down(down).unwrap())).await;
    }

    async fn answer(&self, request: &Request, text: &str) {
        let answer = Answer {
            text: text.into(),
            node: request.node.clone(),
            usage: Usage {
                prompt_tokens: 100,
                completion_tokens: 5,
                images: u32::try_from(request.views.len()).unwrap(),
                estimated: false,
            },
            cost: Usd::from_nano(1_000_000),
            upstream: Millis::new(40),
            finish: Finish::Stop,
            replayed: false,
        };
        self.tell(request, &Down::Answer(answer)).await;
    }

    async fn json(&mut self, wanted: &Topic) -> Value {
        self.next(|topic, message| (topic == wanted).then(|| serde_json::from_slice(&message.payload).unwrap())).await
    }
}

/// Prefers the node `good` with exactly these views.
fn cloud_with(views: u8) -> Chooser {
    prefer(move |choice| match (choice.node.as_str(), choice.action.views.bits()) {
        ("good", bits) if bits == views => 1.0,
        ("local", _) => 0.5,
        _ => 0.0,
    })
}

async fn ready(home: &Home, chooser: Chooser) -> Device {
    let device = home.device(chooser).await;
    assert!(device.ready_within(1, WAIT).await, "no node is offered");
    device
}

fn ask(prompt: &str) -> Ask {
    Ask { conversation: "c".into(), prompt: prompt.into(), ..Ask::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_with_one_view_is_offloaded_and_told() {
    let broker = Broker::start().await;
    let mut far = Far::at(broker.port).await;
    let home = broker.home();
    let device = ready(&home, cloud_with(0b010)).await;
    let said = |role, text: &str| Message { role, text: text.into() };
    let context = vec![said(Role::User, "Hello."), said(Role::Assistant, "Hi.")];
    let turn = device.ask(Ask { context: context.clone(), ..ask("Is the stove on?") }).unwrap();
    let request = far.request().await;
    assert_eq!((request.prompt.as_str(), request.messages.clone()), ("Is the stove on?", context));
    let names: Vec<&str> = request.views.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(names, ["overhead"]);
    let Body::Inline(body) = &request.body else { panic!("a small request travels in one packet") };
    assert!(body.starts_with(&[0xff, 0xd8]));
    for (seq, text) in ["The stove ", "is on."].into_iter().enumerate() {
        let tokens = Tokens { seq: u32::try_from(seq).unwrap(), text: text.into() };
        far.tell(&request, &Down::Tokens(tokens)).await;
    }
    far.answer(&request, "The stove is on.").await;
    let record = turn.record().await.unwrap();
    assert_eq!((record.placement, record.answer.as_str()), (Placement::Cloud, "The stove is on."));
    assert_eq!(record.cost.money, Usd::from_nano(1_000_000));
    assert!(record.cost.bytes.get() > body.len() as u64, "{record:?}");
    let (_, settlement) = record.settlements.last().unwrap();
    assert_eq!(settlement.overrun, trimtab_core::Cost::ZERO, "{record:?}");

    let told = far.json(&Topic::Telemetry(fleet(), robot(), trimtab_wire::Telemetry::Decision)).await;
    assert_eq!(
        (&told["turn"], &told["placement"], &told["views"]),
        (&json!("1-1"), &json!("cloud"), &json!(["overhead"]))
    );
    let association: BTreeMap<String, f64> = serde_json::from_value(told["association"].clone()).unwrap();
    assert_eq!(association.len(), 3);

    // The same answer again changes nothing.
    far.answer(&request, "The stove is on.").await;
    let counted = async {
        while device.status().await["offload"]["duplicates"] != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT, counted).await.expect("the repeated answer is counted");
    device.stop().await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_views_travel_in_granted_chunks() {
    let broker = Broker::start().await;
    let mut far = Far::at(broker.port).await;
    let home = broker.home();
    // Noise does not compress: three frames of more than a packet together.
    for (seed, camera) in crate::home::CAMERAS.iter().enumerate() {
        let mut state = seed as u32 + 1;
        let noise = (0..320 * 240 * 3).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let frame = trimtab_engine::RgbFrame::new(320, 240, noise.collect()).unwrap().to_jpeg(80).unwrap();
        std::fs::write(home.path().join("frames").join(camera).join("000.jpg"), frame).unwrap();
    }
    let device = ready(&home, cloud_with(0b111)).await;
    device.with_governor(|governor| governor.set_shield(trimtab_core::Shield { view_threshold: 0.0 }));
    let turn = device.ask(ask("Is the stove on?")).unwrap();
    let request = far.request().await;
    let mut assembler = Assembler::new(&request).expect("too large for one packet");
    let grant = |credit| Down::Grant(Grant { bridge: BridgeId::new("b1").unwrap(), attempt: request.attempt, credit });
    far.tell(&request, &grant(assembler.credit())).await;
    loop {
        let (n, bytes) = far
            .next(|topic, message| match topic {
                Topic::Chunk(_, _, id, n) if *id == request.id => Some((*n, message.payload.clone())),
                _ => None,
            })
            .await;
        match assembler.on_chunk(n, &bytes).unwrap() {
            Progress::More { credit: Some(credit) } => far.tell(&request, &grant(credit)).await,
            Progress::More { credit: None } => {}
            Progress::Complete => break,
        }
    }
    let body = assembler.finish().unwrap();
    let sent: Vec<Vec<u8>> = request.split(&body).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    for (bytes, camera) in sent.iter().zip(crate::home::CAMERAS) {
        assert_eq!(*bytes, std::fs::read(home.path().join("frames").join(camera).join("000.jpg")).unwrap(), "{camera}");
    }
    far.answer(&request, "I can see noise.").await;
    let record = turn.record().await.unwrap();
    assert_eq!(record.placement, Placement::Cloud, "{record:?}");
    device.stop().await;
    broker.stop().await;
}

/// The turn was answered locally in the end; its cloud hold stays open until the answer comes.
async fn until_late(device: &Device, record: &TurnRecord) -> TurnRecord {
    let late = async {
        loop {
            let now = device.record(record.turn).await.unwrap().unwrap();
            if now.late.is_some() {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT, late).await.expect("the late answer is noted")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_settles_its_hold_also_after_a_restart() {
    let broker = Broker::start().await;
    let mut far = Far::at(broker.port).await;
    let home = broker.home().with("[[budget]]\nresource = \"money\"\nwindow = \"day\"\nlimit = \"1 USD\"");
    let device = ready(&home, cloud_with(0b001)).await;
    let held = |device: &Device| device.with_governor(|governor| governor.budgets().open().len());

    let first = device.ask(Ask { time: Some(Millis::new(2_500)), ..ask("Is the stove on?") }).unwrap();
    let request = far.request().await;
    let record = first.record().await.unwrap();
    assert_eq!(record.placement, Placement::Local, "{record:?}");
    assert_eq!(record.fallback.as_ref().map(|fallback| fallback.cause.as_str()), Some("deadline"));
    assert_eq!((record.left_open.len(), held(&device)), (1, 1));
    far.answer(&request, "The stove is on.").await;
    let late = until_late(&device, &record).await.late.unwrap();
    assert!(late.settled);
    assert_eq!((late.cost.money, held(&device)), (Usd::from_nano(1_000_000), 0));

    let second = device.ask(Ask { time: Some(Millis::new(2_500)), ..ask("Is the door open?") }).unwrap();
    let request = far.request().await;
    let record = second.record().await.unwrap();
    assert_eq!(held(&device), 1);
    device.stop().await;
    drop(device);
    let device = ready(&home, local_first()).await;
    assert_eq!(held(&device), 1, "the open hold is adopted");
    far.answer(&request, "The door is open.").await;
    assert!(until_late(&device, &record).await.late.unwrap().settled);
    let spent = device.with_governor(|governor| governor.budgets().spent().this_day.money);
    assert_eq!((held(&device), spent), (0, Usd::from_nano(2_000_000)));
    device.stop().await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_set_budgets_and_give_commands() {
    let broker = Broker::start().await;
    let mut far = Far::at(broker.port).await;
    let home = broker.home();
    let device = ready(&home, local_first()).await;
    let born = far.json(&Topic::Status(fleet(), robot())).await;
    assert_eq!((&born["online"], &born["boot"]), (&json!(true), &json!(1)));

    let budget = |part| match part {
        "desired" => Topic::Desired(fleet(), robot(), trimtab_wire::topics::Subject::Budget),
        _ => Topic::Reported(fleet(), robot(), trimtab_wire::topics::Subject::Budget),
    };
    let wish = |far: &Far, text: &str| {
        let publication = Publication::new(budget("desired"), CONTENT_TYPE_JSON, text.to_owned()).retained();
        let link = far.link.clone();
        async move { link.publish(publication).await.unwrap().acknowledged().await.unwrap() }
    };
    let reported = |far: Far, version: u64, rejected: Option<&'static str>| async move {
        let mut far = far;
        loop {
            let report = far.json(&budget("reported")).await;
            let why = report["rejected"].as_str().map(str::to_owned);
            let fits = match (rejected, &why) {
                (None, None) => true,
                (Some(part), Some(why)) => why.contains(part),
                _ => false,
            };
            if report["version"] == version && fits {
                return (far, report);
            }
        }
    };
    wish(&far, r#"{"version": 4, "limits": [{"resource": "money", "window": "day", "limit": 7000}]}"#).await;
    let (far, report) = reported(far, 4, None).await;
    assert_eq!(report["budgets"][0]["limit"], 7000);
    wish(&far, r#"{"version": 3, "limits": []}"#).await;
    let (far, _) = reported(far, 4, Some("version 3 is not above 4")).await;
    wish(&far, r#"{"version": 5, "limits": [], "colour": 1}"#).await;
    let (mut far, _) = reported(far, 4, Some("unknown field `colour`")).await;

    let command =
        |name, text: &str| Publication::new(Topic::Command(fleet(), robot(), name), CONTENT_TYPE_JSON, text.to_owned());
    let answered = |name| Topic::CommandAnswer(fleet(), robot(), name);
    use trimtab_wire::CommandName::{Ask as AskIt, Explain, Status};
    far.publish(command(AskIt, r#"{"id": "q1", "prompt": "Please turn off the lamp."}"#)).await;
    let answer = far.json(&answered(AskIt)).await;
    assert_eq!(
        (&answer["id"], &answer["ok"], &answer["result"]["decision"]["placement"]),
        (&json!("q1"), &json!(true), &json!("local"))
    );
    far.publish(command(AskIt, r#"{"id": "q1", "prompt": "Please turn off the lamp."}"#)).await;
    assert!(far.json(&answered(AskIt)).await["error"].as_str().unwrap().contains("carried out already"));
    far.publish(command(Explain, r#"{"id": "e1", "turn": "1-1"}"#)).await;
    assert_eq!(far.json(&answered(Explain)).await["result"]["prompt"], "Please turn off the lamp.");
    far.publish(command(Status, "not json")).await;
    assert!(far.json(&answered(Status)).await["error"].as_str().unwrap().contains("not a command status"));
    device.stop().await;
    let gone = far.json(&Topic::Status(fleet(), robot())).await;
    assert_eq!(gone["online"], false);
    drop(device);

    // What was wished holds after a restart.
    let device = ready(&home, local_first()).await;
    let limit = device.with_governor(|governor| governor.budgets().limits()[0].limit());
    assert_eq!(limit, 7000);
    device.stop().await;
    broker.stop().await;
}
