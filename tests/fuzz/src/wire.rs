//! The packets between device and bridge, their topics, and the joining of chunks.

use std::path::Path;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use trimtab_core::{Millis, TurnId, Usd};
use trimtab_wire::chunks::Question;
use trimtab_wire::limits::{
    CHUNK_BYTES_MIN, CHUNKS_IN_FLIGHT_MAX, CONTENT_TYPE_DOWN, CONTENT_TYPE_UP, ID_BYTES_MAX, PACKET_BYTES_MAX,
    TOPIC_BYTES_MAX,
};
use trimtab_wire::price::{Prices, Size};
use trimtab_wire::{
    Assembler, Body, BridgeId, ChunkError, Chunked, DeviceId, Grant, Message, NodeName, Progress, Request, RequestId,
    Role, Topic, Up, Upload, View, ViewName, WireError, decode_down, decode_up, encode_down, encode_up,
};

use crate::Seed;
use crate::check::told;

/// Any prices will do.
const PRICES: Prices = Prices {
    prompt: Usd::from_nano(2_500_000_000),
    completion: Usd::from_nano(10_000_000_000),
    image: Usd::from_nano(1_000_000_000_000),
};
const IMAGE_TOKENS: u32 = 85;

pub(crate) fn up(bytes: &[u8]) {
    let packet = match decode_up(Some(CONTENT_TYPE_UP), bytes) {
        Ok(packet) => packet,
        Err(fault) => return told(&fault, &[]),
    };
    let again = encode_up(&packet).expect("what was believed is within every bound");
    assert!(again.len() <= bytes.len() && again.len() <= PACKET_BYTES_MAX);
    assert_eq!(decode_up(Some(CONTENT_TYPE_UP), &again).as_ref(), Ok(&packet));
    let Up::Request(request) = packet;
    if let Body::Inline(body) = &request.body {
        let views = request.split(body).expect("sizes were checked");
        assert_eq!(views.concat(), *body);
    }
    let size = Size::of(&request);
    if let Some(tokens) = PRICES.tokens_within(request.max_cost, &size, IMAGE_TOKENS, request.max_tokens) {
        assert!(tokens <= request.max_tokens);
        assert!(PRICES.worst(&size, IMAGE_TOKENS, tokens) <= request.max_cost, "more was planned than is allowed");
    }
}

pub(crate) fn down(bytes: &[u8]) {
    match decode_down(Some(CONTENT_TYPE_DOWN), bytes) {
        Ok(packet) => {
            let again = encode_down(&packet).expect("what was believed is within every bound");
            assert!(again.len() <= bytes.len() && again.len() <= PACKET_BYTES_MAX);
            assert_eq!(decode_down(Some(CONTENT_TYPE_DOWN), &again), Ok(packet));
        }
        Err(fault) => told(&fault, &[]),
    }
    assert!(matches!(decode_down(None, bytes), Err(WireError::ContentType { .. })));
}

pub(crate) fn topic(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Topic::parse(&text) {
        Ok(topic) => {
            assert_eq!(topic.to_string(), text);
            assert!(text.len() <= TOPIC_BYTES_MAX && !text.contains(['+', '#', '\0']));
        }
        Err(fault) => told(&fault, &["topic"]),
    }
    match DeviceId::new(&text) {
        Ok(name) => assert!(name.as_str() == text && text.len() <= ID_BYTES_MAX && !text.contains('/')),
        Err(fault) => told(&fault, &["name"]),
    }
    if let Ok(id) = text.parse::<RequestId>() {
        assert_eq!(id.to_string(), text);
    }
}

/// Two bytes that say how much there is to carry, then a hostile network, two bytes a step: which chunk comes and what is
/// wrong with it; then what the bridges grant. Both ends are held to a model of themselves.
pub(crate) fn chunks(bytes: &[u8]) {
    let (head, steps) = bytes.split_at(bytes.len().min(2));
    let [chunks, tail] = [head.first(), head.get(1)].map(|byte| usize::from(byte.copied().unwrap_or(0)));
    assemble((chunks % PIECES) * CHUNK_BYTES_MIN + 1 + tail, steps);
    grants(steps);
}

/// More than may be under way at once.
const PIECES: usize = CHUNKS_IN_FLIGHT_MAX as usize + 2;

fn question() -> Question {
    Question {
        id: RequestId(*b"0123456789abcdef"),
        turn: TurnId { boot: 3, number: 17 },
        node: NodeName::new("good").expect("a name"),
        fallback_allowed: true,
        prompt: "Which fruit could I eat?".into(),
        messages: vec![Message { role: Role::System, text: "You help in a household.".into() }],
        max_tokens: 64,
        max_cost: Usd::from_nano(1_500_000),
        deadline: Millis::new(8_000),
    }
}

fn wrist() -> ViewName {
    ViewName::new("wrist").expect("a name")
}

/// Chunk n of the true body holds n throughout.
fn body(total: usize) -> Vec<u8> {
    (0..total).map(|at| (at / CHUNK_BYTES_MIN) as u8).collect()
}

fn manifest(body: &[u8]) -> Request {
    let mut request = Upload::plan(question(), Vec::new()).expect("a question alone fits").request().clone();
    request.views = vec![View { name: wrist(), bytes: body.len() as u32 }];
    request.body = Body::Chunked(Chunked {
        chunk_bytes: CHUNK_BYTES_MIN as u32,
        chunks: body.len().div_ceil(CHUNK_BYTES_MIN) as u32,
        total: body.len() as u32,
        sha256: Sha256::digest(body).into(),
    });
    encode_up(&Up::Request(request.clone())).expect("the manifest is within every bound");
    request
}

fn assemble(total: usize, steps: &[u8]) {
    let body = body(total);
    let request = manifest(&body);
    let mut assembler = Assembler::new(&request).expect("the body is chunked");
    let chunks = total.div_ceil(CHUNK_BYTES_MIN) as u32;
    let mut held: Vec<Option<bool>> = vec![None; chunks as usize];
    let mut credit = CHUNKS_IN_FLIGHT_MAX.min(chunks);
    assert_eq!(assembler.credit(), credit);
    for step in steps.chunks_exact(2) {
        let n = u32::from(step[0]) % (chunks + 2);
        let start = (n as usize * CHUNK_BYTES_MIN).min(total);
        let mut chunk = body[start..(start + CHUNK_BYTES_MIN).min(total)].to_vec();
        let whole = chunk.len();
        match step[1] % 8 {
            0 => chunk.truncate(whole / 2),
            1 => chunk.push(0),
            2 => chunk.iter_mut().take(1).for_each(|byte| *byte ^= 1),
            _ => {}
        }
        let true_to_body = step[1] % 8 > 2;
        match assembler.on_chunk(n, &chunk) {
            Err(ChunkError::Number { .. }) => assert!(n >= chunks),
            Err(ChunkError::Early { .. }) => assert!(n >= credit && n < chunks),
            Err(ChunkError::Size { found, expected, .. }) => assert!(found != expected && expected == whole),
            Err(ChunkError::Digest) => panic!("a chunk alone has no digest"),
            Ok(progress) => {
                assert!(n < credit && chunk.len() == whole);
                // A repeated chunk changes nothing, also where it differs.
                held[n as usize].get_or_insert(true_to_body);
                let received = held.iter().flatten().count() as u32;
                assert_eq!(progress == Progress::Complete, received == chunks);
                if let Progress::More { credit: raised } = progress {
                    let now = credit.max((received + CHUNKS_IN_FLIGHT_MAX).min(chunks));
                    assert_eq!(raised, (now > credit).then_some(now));
                    credit = now;
                }
            }
        }
        assert!(received_within(&held, assembler.credit()), "a chunk was taken that was never granted");
    }
    let arrived = held.iter().all(|chunk| *chunk == Some(true));
    match assembler.finish() {
        Ok(joined) => assert!(arrived && joined == body),
        Err(fault) => assert!(!arrived && fault == ChunkError::Digest),
    }
}

fn received_within(held: &[Option<bool>], credit: u32) -> bool {
    held.iter().skip(credit as usize).all(Option::is_none)
}

fn grants(steps: &[u8]) {
    static UPLOAD: LazyLock<(Upload, Vec<u8>)> = LazyLock::new(|| {
        let body = body(5 * CHUNK_BYTES_MIN);
        (Upload::plan(question(), vec![(wrist(), body.clone())]).expect("the views fit"), body)
    });
    let (mut upload, body) = UPLOAD.clone();
    let Body::Chunked(manifest) = upload.request().body.clone() else { panic!("too large to travel inline") };
    let bridges = ["a", "b"].map(|name| BridgeId::new(name).expect("a name"));
    let (mut granting, mut credit, mut next) = (None, 0, 0);
    for step in steps.chunks_exact(2) {
        match step[0] % 4 {
            0 => {
                upload.retry(Millis::new(1 + u64::from(step[1])));
                (granting, credit, next) = (None, 0, 0);
            }
            1 => {
                let sent = upload.next_chunk();
                assert_eq!(sent.as_ref().map(|chunk| chunk.n), (next < credit).then_some(next));
                if let Some(chunk) = sent {
                    let start = (next * manifest.chunk_bytes) as usize;
                    assert_eq!(chunk.bytes, &body[start..start + chunk.bytes.len()]);
                    next += 1;
                }
            }
            which => {
                let bridge = bridges[usize::from(which) - 2].clone();
                let attempt = upload.request().attempt.wrapping_add(u16::from(step[1] % 8 == 7));
                let grant = Grant { bridge: bridge.clone(), attempt, credit: u32::from(step[1] / 8) };
                let changed = upload.on_grant(&grant);
                if attempt != upload.request().attempt {
                    assert!(!changed, "a grant for another attempt was taken");
                    continue;
                }
                if granting.as_ref() != Some(&bridge) {
                    (granting, credit, next) = (Some(bridge), 0, 0);
                }
                let now = credit.max(grant.credit.min(manifest.chunks));
                assert_eq!(changed, now > credit);
                credit = now;
            }
        }
    }
}

/// The packets whose layout is frozen.
fn frozen(names: &[&str]) -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/wire");
    let read = |name: &&str| {
        let bytes = std::fs::read(folder.join(format!("{name}.bin"))).expect("the frozen packets are there");
        ((*name).to_owned(), bytes)
    };
    names.iter().map(read).collect()
}

pub(crate) fn up_seeds() -> Vec<Seed> {
    frozen(&["request-text", "request-inline", "manifest"])
}

pub(crate) fn down_seeds() -> Vec<Seed> {
    frozen(&["grant", "tokens", "answer", "refusal"])
}

pub(crate) fn topic_seeds() -> Vec<Seed> {
    let topics = [
        "home/robot-1/status",
        "home/robot-1/tele/decision",
        "home/robot-1/budget/desired",
        "home/robot-1/preference/reported",
        "home/robot-1/cmd/ask",
        "home/robot-1/cmd/explain/res",
        "home/robot-1/req",
        "home/robot-1/req/30313233343536373839616263646566/17",
        "home/robot-1/res/30313233343536373839616263646566",
        "home/_bridge/bridge-1/offers",
        "home/_all/cmd/status",
    ];
    let mut seeds: Vec<Seed> =
        topics.iter().map(|tail| (tail.replace('/', "-"), format!("trimtab/v1/{tail}").into_bytes())).collect();
    seeds.push(("name".into(), b"robot-1.kitchen_a".to_vec()));
    seeds.push(("request".into(), RequestId(*b"0123456789abcdef").to_string().into_bytes()));
    seeds
}

pub(crate) fn chunk_seeds() -> Vec<Seed> {
    let in_order = (0..PIECES as u8).flat_map(|n| [n, 7]);
    let with_faults = [[0, 0], [0, 1], [0, 2], [0, 7], [5, 7], [1, 7], [2, 7], [3, 7], [4, 7], [7, 7]];
    let granted = [[2, 16], [1, 0], [1, 0], [3, 8], [1, 0], [2, 15], [0, 9], [2, 40], [1, 0], [1, 0], [1, 0], [1, 0]];
    let script = |head: [u8; 2], steps: &[[u8; 2]]| [&head[..], steps.as_flattened()].concat();
    vec![
        ("in-order".into(), [5, 200].into_iter().chain(in_order).collect()),
        ("with-faults".into(), script([4, 0], &with_faults)),
        ("granted".into(), script([0, 1], &granted)),
    ]
}
