//! The operator's side at a real broker, with a plain MQTT client in the place of the device.

use std::time::Duration;

use mqtt5::broker::config::StorageConfig;
use mqtt5::broker::{BrokerConfig, MqttBroker};
use serde_json::{Value, json};
use trimtab_core::{Resource, Window};
use trimtab_fleet::{FleetError, Operator, show};
use trimtab_mqtt::{Connect, Inbox, Incoming, Link, Publication, Qos};
use trimtab_wire::operator::{BudgetDesired, Limit, Payload, Status};
use trimtab_wire::{DeviceId, FleetId, Topic, filters};

const WAIT: Duration = Duration::from_secs(10);

fn fleet() -> FleetId {
    FleetId::new("home").unwrap()
}

fn robot() -> DeviceId {
    DeviceId::new("robot-7").unwrap()
}

async fn broker() -> u16 {
    let config = BrokerConfig::new()
        .with_bind_address(([127, 0, 0, 1], 0))
        .with_storage(StorageConfig::new().with_persistence(false));
    let mut broker = MqttBroker::with_config(config).await.unwrap();
    let port = broker.local_addr().unwrap().port();
    let mut ready = broker.ready_receiver();
    tokio::spawn(async move { broker.run().await.unwrap() });
    ready.wait_for(|ready| *ready).await.unwrap();
    port
}

struct Device {
    link: Link,
    inbox: Inbox,
}

impl Device {
    async fn start(port: u16) -> Self {
        let heard = [filters::commands(&fleet(), &robot()), filters::desired(&fleet(), &robot())];
        let filters = heard.map(|filter| (filter, Qos::AtLeastOnce));
        let (link, inbox) = Link::start(&Connect::new("robot-7", "127.0.0.1", port), &filters).unwrap();
        assert!(link.up_within(WAIT).await.is_up());
        Self { link, inbox }
    }

    async fn say(&self, topic: &str, payload: &[u8], retain: bool) {
        let publication = Publication::new(topic, "application/json", payload.to_vec());
        let publication = if retain { publication.retained() } else { publication };
        self.link.publish(publication).await.unwrap().acknowledged().await.unwrap();
    }

    async fn hear(&mut self) -> Incoming {
        let incoming = tokio::time::timeout(WAIT, self.inbox.recv()).await.unwrap().unwrap();
        incoming.acknowledge().await;
        incoming
    }
}

async fn operator(port: u16) -> Operator {
    Operator::connect(fleet(), &Connect::new("operator", "127.0.0.1", port), WAIT).await.unwrap()
}

fn decision() -> Value {
    json!({
        "turn": "3-17", "at_unix_ms": 1, "prompt": "Is the stove on?", "task": "query",
        "association": {"wrist": 0.31}, "node": "good", "placement": "cloud", "views": ["wrist"],
        "reason": "best", "latency_ms": 900, "latency_source": "measured", "energy_uj": 1_500_000,
        "energy_source": "estimated", "money_uusd": 12.5, "price_source": "list", "bytes_up": 30_000,
        "left": [{"resource": "energy", "window": "day", "limit": 9, "spent": 1, "held": 0}], "later_field": true,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_are_listed_and_decisions_followed() {
    let port = broker().await;
    let device = Device::start(port).await;
    device.say("trimtab/v1/home/robot-7/status", br#"{"online":true,"boot":3,"cameras":["wrist"]}"#, true).await;
    device.say("trimtab/v1/home/robot-8/status", &Status::gone(9).encode().unwrap(), true).await;
    device.say("trimtab/v1/home/robot-9/status", b"{}", true).await;
    device.say("trimtab/v1/office/robot-1/status", br#"{"online":true,"boot":1}"#, true).await;
    let mut operator = operator(port).await;
    let devices = operator.list().await.unwrap();
    assert_eq!(devices.len(), 3, "another fleet is not shown");
    let lines: Vec<_> = devices.iter().map(|(device, status)| show::status(device, status)).collect();
    assert!(lines[0].contains("online   boot 3") && lines[0].contains("cameras wrist"), "{}", lines[0]);
    assert!(lines[1].contains("offline  boot 9"), "{}", lines[1]);
    assert!(lines[2].contains("missing field `online`"), "{}", lines[2]);

    operator.follow(None).await.unwrap();
    device.say("trimtab/v1/home/robot-7/tele/decision", decision().to_string().as_bytes(), false).await;
    let (from, heard) = operator.next_decision().await.unwrap();
    let line = show::decision(&from, &heard.unwrap());
    let expect = "robot-7 3-17 query → good (cloud) wrist: best; 900 ms measured, 1.500 J estimated, 12.500 µUSD list, \
                  30000 B up — Is the stove on?";
    assert_eq!(line, expect);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_is_answered_or_declined() {
    let port = broker().await;
    let mut device = Device::start(port).await;
    let asking = tokio::spawn(async move {
        let mut operator = operator(port).await;
        let first = operator.ask(&robot(), "Is the stove on?", None).await;
        (first, operator.ask(&robot(), "And now?", Some("kitchen")).await)
    });
    let asked = device.hear().await;
    assert_eq!(asked.topic, "trimtab/v1/home/robot-7/cmd/ask");
    let command: Value = serde_json::from_slice(&asked.payload).unwrap();
    assert_eq!(command["prompt"], "Is the stove on?");
    let topic = asked.response_topic.unwrap();
    assert_eq!(topic, "trimtab/v1/home/robot-7/cmd/ask/res");
    let stranger = json!({"id": "another", "ok": false, "error": "not for you"});
    device.say(&topic, stranger.to_string().as_bytes(), false).await;
    let answer = json!({"id": command["id"], "ok": true, "result": {"text": "No.", "decision": decision()}});
    device.say(&topic, answer.to_string().as_bytes(), false).await;
    let command: Value = serde_json::from_slice(&device.hear().await.payload).unwrap();
    assert_eq!(command["conversation"], "kitchen");
    let declined = json!({"id": command["id"], "ok": false, "error": "paused; send resume first"});
    device.say(&topic, declined.to_string().as_bytes(), false).await;
    let (first, second) = asking.await.unwrap();
    assert_eq!(first.unwrap().text, "No.");
    let fault = second.unwrap_err().to_string();
    assert_eq!(fault, "device robot-7: paused; send resume first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_are_set_and_a_rejection_is_told() {
    let port = broker().await;
    let mut device = Device::start(port).await;
    let reports = Topic::parse("trimtab/v1/home/robot-7/budget/reported").unwrap().to_string();
    let before = json!({"version": 0, "budgets": [], "overruns": 0});
    device.say(&reports, before.to_string().as_bytes(), true).await;
    let limit = Limit { resource: Resource::Energy, window: Window::Day, limit: 500_000_000 };
    let setting = tokio::spawn(async move {
        let mut operator = operator(port).await;
        let accepted = operator.set_budgets(&robot(), &[limit]).await;
        (accepted, operator.set_budgets(&robot(), &[]).await)
    });
    let desired = BudgetDesired::decode(&device.hear().await.payload).unwrap();
    assert_eq!(desired.limits, [limit]);
    let state = json!({"resource": "energy", "window": "day", "limit": 500_000_000, "spent": 20, "held": 0});
    let after = json!({"version": desired.version, "budgets": [state], "overruns": 0});
    device.say(&reports, after.to_string().as_bytes(), true).await;
    let desired = BudgetDesired::decode(&device.hear().await.payload).unwrap();
    let rejected = json!({"version": desired.version, "rejected": "no meter", "budgets": [state], "overruns": 0});
    device.say(&reports, rejected.to_string().as_bytes(), true).await;
    let (accepted, refused) = setting.await.unwrap();
    let shown = show::budgets(&accepted.unwrap());
    assert_eq!(shown, "energy   per day          0.000 J spent, 0.000 J held, of 500.000 J\n");
    assert!(matches!(refused, Err(FleetError::Declined { said, .. }) if said == "no meter"));
}

#[tokio::test]
async fn silence_and_absence_are_told_apart() {
    let port = broker().await;
    let wait = Duration::from_millis(600);
    let mut operator = Operator::connect(fleet(), &Connect::new("operator", "127.0.0.1", port), wait).await.unwrap();
    let silent = operator.ask(&robot(), "Anybody?", None).await.map(drop).unwrap_err().to_string();
    assert!(silent.contains("robot-7") && silent.contains("trimtab-fleet list"), "{silent}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = Operator::connect(fleet(), &Connect::new("operator", "127.0.0.1", closed), wait).await;
    let away = away.map(drop).unwrap_err().to_string();
    assert!(away.contains(&format!("127.0.0.1:{closed}")) && away.contains("check its address"), "{away}");
}
