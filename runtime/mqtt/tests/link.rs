//! A link at a real broker: round trips, refusals, outages, wills.

use std::time::Duration;

use mqtt5::broker::config::StorageConfig;
use mqtt5::broker::{BrokerConfig, MqttBroker};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use trimtab_mqtt::{
    Connect, ConnectError, DeliveryError, Inbox, Incoming, LastWill, Link, LinkState, Publication, PublishError, Qos,
    TlsFiles,
};

const WAIT: Duration = Duration::from_secs(10);

struct Broker {
    port: u16,
    running: JoinHandle<()>,
    shutdown: mqtt5::broker::BrokerShutdownHandle,
}

impl Broker {
    /// On `port`, or on a free one for zero.
    async fn start(port: u16, packet_max: usize) -> Self {
        let config = BrokerConfig::new()
            .with_bind_address(([127, 0, 0, 1], port))
            .with_max_packet_size(packet_max)
            .with_storage(StorageConfig::new().with_persistence(false));
        let mut broker = MqttBroker::with_config(config).await.unwrap();
        let port = broker.local_addr().unwrap().port();
        let shutdown = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let running = tokio::spawn(async move {
            broker.run().await.unwrap();
        });
        ready.wait_for(|ready| *ready).await.unwrap();
        Self { port, running, shutdown }
    }

    async fn stop(self) -> u16 {
        self.shutdown.shutdown();
        tokio::time::timeout(WAIT, self.running).await.unwrap().unwrap();
        self.port
    }
}

fn start(id: &str, port: u16, filters: &[&str]) -> (Link, Inbox) {
    let filters: Vec<_> = filters.iter().map(|filter| ((*filter).to_owned(), Qos::AtLeastOnce)).collect();
    Link::start(&Connect::new(id, "127.0.0.1", port), &filters).unwrap()
}

async fn receive(inbox: &mut Inbox) -> Incoming {
    let incoming = tokio::time::timeout(WAIT, inbox.recv()).await.expect("nothing came").expect("the link ended");
    incoming.acknowledge().await;
    incoming
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_travel_with_their_properties() {
    let broker = Broker::start(0, 300_000).await;
    let (device, mut inbox) = start("device", broker.port, &["answers/+"]);
    let (other, mut questions) = start("other", broker.port, &[]);
    assert!(device.up_within(WAIT).await.is_up() && other.up_within(WAIT).await.is_up());
    other.subscribe("questions", Qos::AtLeastOnce).await.unwrap();

    let question = Publication::new("questions", "text/plain", vec![7; 100_000])
        .answered_on("answers/1", b"42".to_vec())
        .expiring(Duration::from_millis(1_500));
    device.publish(question).await.unwrap().acknowledged().await.unwrap();
    let asked = receive(&mut questions).await;
    assert_eq!((asked.payload.len(), asked.content_type.as_deref()), (100_000, Some("text/plain")));
    assert_eq!(asked.response_topic.as_deref(), Some("answers/1"));

    let answer = Publication::new(asked.response_topic.unwrap(), "text/plain", "yes").correlated(asked.correlation);
    other.publish(answer).await.unwrap().acknowledged().await.unwrap();
    assert_eq!(receive(&mut inbox).await.correlation.as_deref(), Some(&b"42"[..]));

    other.unsubscribe("questions").await;
    // The broker takes one connection's packets in order: with this acknowledged, the filter is gone.
    other.subscribe("marker", Qos::AtLeastOnce).await.unwrap();
    let nobody = device.publish(Publication::new("questions", "text/plain", "?")).await.unwrap().acknowledged().await;
    assert!(matches!(nobody, Ok(()) | Err(DeliveryError::NoSubscriber)));
    device.publish(Publication::new("marker", "text/plain", "!")).await.unwrap().acknowledged().await.unwrap();
    assert_eq!(receive(&mut questions).await.topic, "marker", "the filter was given up");

    let large = Publication::new("questions", "text/plain", vec![0; 300_000]);
    assert!(matches!(device.publish(large).await, Err(PublishError::TooLarge { limit: 300_000, .. })));
    assert!(device.state().is_up(), "a refused publication leaves the link up");
    device.disconnect(WAIT).await;
    other.disconnect(WAIT).await;
    assert_eq!(device.state(), LinkState::Ended);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_and_survived() {
    let broker = Broker::start(0, 200_000).await;
    let (link, mut inbox) = start("device", broker.port, &["news"]);
    assert!(link.up_within(WAIT).await.is_up());
    let mut state = link.watch();
    let port = broker.stop().await;
    tokio::time::timeout(WAIT, state.wait_for(|state| !state.is_up())).await.unwrap().unwrap();
    let refused = link.publish(Publication::new("news", "text/plain", "lost?")).await.map(drop).unwrap_err();
    assert!(matches!(refused, PublishError::Down { .. }), "{refused}");

    let broker = Broker::start(port, 200_000).await;
    assert!(matches!(link.up_within(WAIT).await, LinkState::Up { epoch: 2, .. }));
    link.publish(Publication::new("news", "text/plain", "back")).await.unwrap().acknowledged().await.unwrap();
    assert_eq!(&receive(&mut inbox).await.payload[..], b"back", "the filter was subscribed again");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goodbye_leaves_no_will_behind() {
    let broker = Broker::start(0, 200_000).await;
    let (watcher, mut inbox) = start("watcher", broker.port, &["status/+"]);
    assert!(watcher.up_within(WAIT).await.is_up());
    let will = LastWill { topic: "status/device".into(), payload: b"{\"online\":false}".to_vec(), retain: true };
    let connect = Connect { last_will: Some(will), ..Connect::new("device", "127.0.0.1", broker.port) };
    let (device, _nothing) = Link::start(&connect, &[]).unwrap();
    assert!(device.up_within(WAIT).await.is_up());
    let birth = Publication::new("status/device", "application/json", "{\"online\":true}").retained();
    device.publish(birth).await.unwrap().acknowledged().await.unwrap();
    assert_eq!(&receive(&mut inbox).await.payload[..], b"{\"online\":true}");
    device.disconnect(WAIT).await;
    let marker = Publication::new("status/marker", "application/json", "{}");
    watcher.publish(marker).await.unwrap().acknowledged().await.unwrap();
    assert_eq!(receive(&mut inbox).await.topic, "status/marker", "no will came before it");
    broker.stop().await;
}

#[tokio::test]
async fn plain_tcp_stays_on_loopback() {
    let fault = Link::start(&Connect::new("device", "broker.example", 1883), &[]).map(drop).unwrap_err();
    assert!(matches!(fault, ConnectError::Plaintext { .. }), "{fault}");
    let tls = Some(TlsFiles { ca: "/nonexistent/ca.pem".into(), identity: None });
    let missing = Connect { tls, ..Connect::new("device", "broker.example", 8883) };
    let fault = Link::start(&missing, &[]).map(drop).unwrap_err();
    assert!(fault.to_string().contains("/nonexistent/ca.pem"), "{fault}");
}

/// Publications whose acknowledgements got lost must not keep a later goodbye from being said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goodbye_is_said_after_an_outage_too() {
    let broker = Broker::start(0, 200_000).await;
    let relay = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (port, to) = (relay.local_addr().unwrap().port(), broker.port);
    // The first connection goes away in the middle of a packet to the broker, the second one stays.
    let relaying = tokio::spawn(async move {
        for bytes_max in [20_000, u64::MAX] {
            let (device, _) = relay.accept().await.unwrap();
            let broker = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let ((from_device, mut to_device), (mut from_broker, mut to_broker)) =
                (device.into_split(), broker.into_split());
            let mut limited = from_device.take(bytes_max);
            tokio::select! {
                _ = tokio::io::copy(&mut limited, &mut to_broker) => {}
                _ = tokio::io::copy(&mut from_broker, &mut to_device) => {}
            }
        }
    });
    let (device, _inbox) = start("device", port, &["news"]);
    assert!(device.up_within(WAIT).await.is_up());
    let mut deliveries = Vec::new();
    for number in 0..16_u8 {
        let news = Publication::new("elsewhere", "text/plain", vec![number; 4_000]);
        deliveries.extend(device.publish(news).await);
    }
    let mut state = device.watch();
    tokio::time::timeout(WAIT, state.wait_for(|state| matches!(state, LinkState::Up { epoch: 2, .. })))
        .await
        .unwrap()
        .unwrap();
    for delivery in deliveries {
        let _ = tokio::time::timeout(WAIT, delivery.acknowledged()).await.expect("its fate is known");
    }
    let began = std::time::Instant::now();
    device.disconnect(WAIT).await;
    assert!(began.elapsed() < WAIT / 2, "the goodbye took {:?}", began.elapsed());
    relaying.await.unwrap();
    broker.stop().await;
}
