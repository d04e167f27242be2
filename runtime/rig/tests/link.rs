//! The shaped link against the profile it was given.

use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use trimtab_rig::link::ShapedLink;
use trimtab_rig::pace::{Pace, ShapedClock};
use trimtab_rig::profile::{CloudProfile, Network};

const REQUEST: usize = 60_000;
const REPLY: usize = 400;
const REPLIES: u32 = 5;
/// Between two pieces of a reply.
const BETWEEN: Duration = Duration::from_millis(10);

fn profile() -> CloudProfile {
    CloudProfile::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/shipped/cloud-profile.toml")))
        .unwrap()
}

/// A publication of exactly `size` bytes; three length digits hold 16 384 and more, two hold 128 and more.
fn publication(topic: &str, size: usize) -> Vec<u8> {
    let digits = if size - 3 < 16_384 { 2 } else { 3 };
    let length = size - 1 - digits;
    let mut packet = vec![0x30];
    packet.extend(
        (0..digits).map(|index| (length >> (7 * index) & 0x7f) as u8 | if index + 1 < digits { 0x80 } else { 0 }),
    );
    packet.extend((topic.len() as u16).to_be_bytes());
    packet.extend(topic.as_bytes());
    packet.resize(size, 0);
    packet
}

/// A far end that answers each request by a stream of replies.
async fn far_end(clock: ShapedClock) -> std::net::SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let clock = clock.clone();
            tokio::spawn(async move {
                let mut request = vec![0; REQUEST];
                while stream.read_exact(&mut request).await.is_ok() {
                    for _ in 0..REPLIES {
                        clock.pass(BETWEEN).await;
                        stream.write_all(&publication("trimtab/v1/f/d/res/00", REPLY)).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

async fn exchange(device: &mut TcpStream, clock: &ShapedClock) -> Duration {
    let before = clock.elapsed();
    device.write_all(&publication("trimtab/v1/f/d/req", REQUEST)).await.unwrap();
    let mut replies = vec![0; REPLY * REPLIES as usize];
    device.read_exact(&mut replies).await.unwrap();
    clock.elapsed() - before
}

/// Upload, propagation both ways, the pauses of the far end, and the last reply's own length.
fn expected(network: Network) -> Duration {
    let up = Duration::from_secs_f64(REQUEST as f64 * 8.0 / network.up_bits_per_s as f64);
    let down = Duration::from_secs_f64(REPLY as f64 * 8.0 / network.down_bits_per_s as f64);
    up + 2 * network.one_way() + REPLIES * BETWEEN + down
}

async fn check(pace: Pace, names: &[&str], slack: Duration) {
    let profile = profile();
    for name in names {
        let network = profile.network(name).unwrap();
        let clock = ShapedClock::start(pace);
        let link = ShapedLink::start(far_end(clock.clone()).await, network, clock.clone()).await.unwrap();
        let mut device = TcpStream::connect(link.address()).await.unwrap();
        exchange(&mut device, &clock).await;
        let (wall, took) = (Instant::now(), exchange(&mut device, &clock).await);
        let wanted = expected(network);
        assert!(took >= wanted.mul_f64(0.99) && took <= wanted + slack, "{name}: {took:?} instead of {wanted:?}");
        if pace == Pace::Skipped {
            assert!(wall.elapsed() < slack, "{name}: skipping waited {:?}", wall.elapsed());
        }
    }
}

#[tokio::test]
async fn waiting_takes_what_the_profile_says() {
    check(Pace::Real, &["wifi", "lte", "congested"], Duration::from_millis(80)).await;
}

#[tokio::test]
async fn skipping_moves_the_clock_by_the_same() {
    check(Pace::Skipped, &["wifi", "lte", "congested"], Duration::from_millis(80)).await;
}

#[tokio::test]
async fn a_cut_breaks_connections_until_it_is_restored() {
    let network = profile().network("wifi").unwrap();
    let clock = ShapedClock::start(Pace::Skipped);
    let link = ShapedLink::start(far_end(clock.clone()).await, network, clock.clone()).await.unwrap();
    let mut device = TcpStream::connect(link.address()).await.unwrap();
    exchange(&mut device, &clock).await;

    link.cut_after_request();
    device.write_all(&publication("trimtab/v1/f/d/req", REQUEST)).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), device.read_to_end(&mut Vec::new())).await.unwrap();
    assert!(ended.is_err() || !link.is_open());
    assert!(link.carried().0 >= 2 * REQUEST as u64, "the request itself has gone up");

    let mut refused = TcpStream::connect(link.address()).await.unwrap();
    let answer = refused.read(&mut [0; 1]).await;
    assert!(matches!(answer, Ok(0) | Err(_)), "{answer:?}");

    link.restore();
    let mut again = TcpStream::connect(link.address()).await.unwrap();
    exchange(&mut again, &clock).await;
}

#[test]
fn a_bad_profile_names_key_and_remedy() {
    let path = Path::new("profile.toml");
    let good = std::fs::read_to_string(profile().path()).unwrap();
    let cases = [
        (good.replace("simulated = true", "simulated = false"), "simulated is false"),
        (good.replace("primary_network = \"lte\"", "primary_network = \"tin cans\""), "primary_network is tin cans"),
        (good.replace("up_bits_per_s = 5_000_000", "up_bits_per_s = 0"), "network.lte.up_bits_per_s is 0"),
        (good.replace("[prices.list.cheap]", "[prices.list.dear]"), "prices.list.cheap is missing"),
        (good.replace("quality = 0.6", "quality = 6.0"), "node.cheap.quality is 6"),
        (good.replace("per_token_s = 0.03", "per_token_s = -1.0"), "node.good.per_token_s is -1"),
    ];
    for (text, fault) in cases {
        let message = CloudProfile::parse(path, &text).unwrap_err().to_string();
        assert!(message.contains("profile.toml") && message.contains(fault), "{message}");
    }
    let unknown = profile().network("moon").unwrap_err().to_string();
    assert!(unknown.contains("moon") && unknown.contains("congested, lte, wifi"), "{unknown}");
    let typo = CloudProfile::parse(path, &good.replace("image_tokens", "image_token")).unwrap_err();
    assert!(std::error::Error::source(&typo).unwrap().to_string().contains("image_token"));
}
