//! The packets: frozen layouts, bounds, round trips, and garbage.

use std::path::PathBuf;

use proptest::prelude::*;
use trimtab_core::{Millis, TurnId, Usd};
use trimtab_wire::chunks::Question;
use trimtab_wire::limits::{CONTENT_TYPE_DOWN, CONTENT_TYPE_UP, PACKET_BYTES_MAX, VERSION};
use trimtab_wire::{
    Answer, Assembler, BridgeId, ChunkError, Down, Finish, Grant, Message, NodeName, Progress, Refusal, RefusalReason,
    RequestId, Role, Tokens, Up, Upload, Usage, ViewName, WireError, decode_down, decode_up, encode_down, encode_up,
};

fn question() -> Question {
    Question {
        id: RequestId(*b"0123456789abcdef"),
        turn: TurnId { boot: 3, number: 17 },
        node: NodeName::new("good").unwrap(),
        fallback_allowed: true,
        prompt: "Which fruit could I eat?".into(),
        messages: vec![Message { role: Role::System, text: "You help in a household.".into() }],
        max_tokens: 64,
        max_cost: Usd::from_nano(1_500_000),
        deadline: Millis::new(8_000),
    }
}

fn view(name: &str, bytes: usize, seed: u8) -> (ViewName, Vec<u8>) {
    (ViewName::new(name).unwrap(), (0..bytes).map(|at| (at as u8).wrapping_mul(31) ^ seed).collect())
}

fn upload(sizes: &[usize]) -> Upload {
    let names = ["wrist", "overhead", "doorway"];
    let views = sizes.iter().zip(names).map(|(bytes, name)| view(name, *bytes, *bytes as u8)).collect();
    Upload::plan(question(), views).unwrap()
}

fn downs() -> Vec<(&'static str, Down)> {
    let node = NodeName::new("cheap").unwrap();
    vec![
        ("grant", Down::Grant(Grant { bridge: BridgeId::new("bridge-1").unwrap(), attempt: 2, credit: 4 })),
        ("tokens", Down::Tokens(Tokens { seq: 7, text: "It is ré".into() })),
        (
            "answer",
            Down::Answer(Answer {
                text: "It is red.".into(),
                node,
                usage: Usage { prompt_tokens: 310, completion_tokens: 5, images: 2, estimated: false },
                cost: Usd::from_nano(48_750),
                upstream: Millis::new(1_234),
                finish: Finish::Stop,
                replayed: true,
            }),
        ),
        (
            "refusal",
            Down::Refusal(Refusal {
                reason: RefusalReason::OutcomeUnknown,
                detail: "node good was called and its answer lost".into(),
                cost: Usd::from_nano(1_500_000),
            }),
        ),
    ]
}

/// Compares with the frozen file; `TRIMTAB_FREEZE=1` writes a file that is not there yet, and never changes one that is.
fn frozen(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/vectors/wire/{name}.bin"));
    if std::env::var_os("TRIMTAB_FREEZE").is_some() && !path.exists() {
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

#[test]
fn frozen_packets_encode_and_decode_to_the_same_bytes() {
    for (name, sizes) in [("request-text", vec![]), ("request-inline", vec![40, 9]), ("manifest", vec![200_000, 7])] {
        let packet = Up::Request(upload(&sizes).request().clone());
        let bytes = encode_up(&packet).unwrap();
        assert_eq!(frozen(name, &bytes), bytes, "layout of {name} changed: that is a new version");
        assert_eq!(decode_up(Some(CONTENT_TYPE_UP), &bytes), Ok(packet));
    }
    for (name, packet) in downs() {
        let bytes = encode_down(&packet).unwrap();
        assert_eq!(frozen(name, &bytes), bytes, "layout of {name} changed: that is a new version");
        assert_eq!(decode_down(Some(CONTENT_TYPE_DOWN), &bytes), Ok(packet));
    }
}

#[test]
fn faults_are_named() {
    let good = encode_up(&Up::Request(upload(&[40]).request().clone())).unwrap();
    let decode = |bytes: &[u8]| decode_up(Some(CONTENT_TYPE_UP), bytes);
    assert!(matches!(decode_up(None, &good), Err(WireError::ContentType { .. })));
    assert!(matches!(decode_up(Some(CONTENT_TYPE_DOWN), &good), Err(WireError::ContentType { .. })));
    assert_eq!(decode(&[]), Err(WireError::Empty));
    assert_eq!(decode(&[VERSION + 1, 0]), Err(WireError::Version { found: VERSION + 1 }));
    assert!(matches!(decode(&good[..good.len() - 1]), Err(WireError::Garbled { .. })));
    let longer: Vec<u8> = good.iter().copied().chain([0]).collect();
    assert_eq!(decode(&longer), Err(WireError::Trailing { bytes: 1 }));
    assert!(matches!(
        decode(&vec![VERSION; PACKET_BYTES_MAX + 1]),
        Err(WireError::TooMuch { what: "packet size", .. })
    ));
}

#[test]
fn broken_bounds_are_refused_before_they_travel() {
    let plan = |change: fn(&mut Question)| {
        let mut asked = question();
        change(&mut asked);
        Upload::plan(asked, vec![view("wrist", 10, 1)]).map(|_| ()).unwrap_err()
    };
    assert!(matches!(plan(|q| q.prompt = "x".repeat(32 * 1024 + 1)), WireError::TooMuch { what: "prompt bytes", .. }));
    assert!(matches!(plan(|q| q.max_tokens = 0), WireError::TooLittle { what: "max_tokens", .. }));
    assert!(matches!(plan(|q| q.deadline = Millis::ZERO), WireError::TooLittle { what: "deadline in ms", .. }));
    let twice = Upload::plan(question(), vec![view("wrist", 10, 1), view("wrist", 10, 2)]);
    assert!(matches!(twice, Err(WireError::ViewTwice { .. })));
    let huge = Upload::plan(question(), vec![view("wrist", 4 * 1024 * 1024 + 1, 1)]);
    assert!(matches!(huge, Err(WireError::TooMuch { .. })));
    let mut lied = upload(&[200_000]).request().clone();
    lied.views[0].bytes -= 1;
    assert!(matches!(encode_up(&Up::Request(lied)), Err(WireError::Sizes { .. })));
}

/// Runs a chunk flow to its end; returns the most chunks that were under way at once.
fn carry(upload: &mut Upload, assembler: &mut Assembler, duplicate: bool) -> usize {
    let bridge = BridgeId::new("bridge-1").unwrap();
    let attempt = upload.request().attempt;
    upload.on_grant(&Grant { bridge: bridge.clone(), attempt, credit: assembler.credit() });
    let mut most = 0;
    loop {
        let mut sent = Vec::new();
        while let Some(chunk) = upload.next_chunk() {
            sent.push((chunk.n, chunk.bytes.to_vec()));
        }
        most = most.max(sent.len());
        assert!(!sent.is_empty(), "the flow stalled");
        for (n, bytes) in sent {
            let times = if duplicate { 2 } else { 1 };
            for _ in 0..times {
                match assembler.on_chunk(n, &bytes).unwrap() {
                    Progress::Complete => return most,
                    Progress::More { credit: Some(credit) } => {
                        upload.on_grant(&Grant { bridge: bridge.clone(), attempt, credit });
                    }
                    Progress::More { credit: None } => {}
                }
            }
        }
    }
}

#[test]
fn three_camera_frames_travel_in_chunks() {
    let sizes = [70_000, 68_123, 61_877];
    let mut upload = upload(&sizes);
    let request = upload.request().clone();
    let Ok(Up::Request(read)) = decode_up(Some(CONTENT_TYPE_UP), &encode_up(&Up::Request(request)).unwrap()) else {
        panic!("the manifest does not decode");
    };
    let mut assembler = Assembler::new(&read).unwrap();
    carry(&mut upload, &mut assembler, true);
    let body = assembler.finish().unwrap();
    let views = read.split(&body).unwrap();
    assert_eq!(views.iter().map(|v| v.len()).collect::<Vec<_>>(), sizes);
    assert_eq!(views[1], view("overhead", 68_123, 68_123_usize as u8).1);
}

#[test]
fn chunks_are_bounded_by_credit_and_checked() {
    let mut upload = upload(&[1_000_000]);
    let mut assembler = Assembler::new(upload.request()).unwrap();
    assert!(upload.next_chunk().is_none(), "nothing goes up before a grant");
    assert_eq!(assembler.on_chunk(4, &[0; 96 * 1024]), Err(ChunkError::Early { n: 4, credit: 4 }));
    assert_eq!(assembler.on_chunk(11, &[0]), Err(ChunkError::Number { n: 11, chunks: 11 }));
    assert!(matches!(assembler.on_chunk(0, &[0]), Err(ChunkError::Size { .. })));
    assert!(carry(&mut upload, &mut assembler, false) <= 4);
    assert!(assembler.finish().is_ok());

    let mut forged = Assembler::new(upload.request()).unwrap();
    let last = 1_000_000 - 10 * 96 * 1024;
    for n in 0..11 {
        forged.on_chunk(n, &vec![0; if n == 10 { last } else { 96 * 1024 }]).unwrap();
    }
    assert_eq!(forged.finish(), Err(ChunkError::Digest));
}

#[test]
fn another_bridge_or_another_attempt_starts_over() {
    let mut upload = upload(&[300_000]);
    let grant = |bridge: &str, attempt| Grant { bridge: BridgeId::new(bridge).unwrap(), attempt, credit: 4 };
    upload.on_grant(&grant("a", 1));
    assert_eq!(upload.next_chunk().unwrap().n, 0);
    assert_eq!(upload.next_chunk().unwrap().n, 1);
    upload.on_grant(&grant("a", 1));
    assert_eq!(upload.next_chunk().unwrap().n, 2, "a repeated grant changes nothing");
    upload.on_grant(&grant("b", 1));
    assert_eq!(upload.next_chunk().unwrap().n, 0);
    upload.retry(Millis::new(100));
    assert!(upload.next_chunk().is_none());
    assert!(!upload.on_grant(&grant("b", 1)), "a grant for an earlier attempt is stale");
    assert!(upload.on_grant(&grant("b", 2)));
}

proptest! {
    #[test]
    fn garbage_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..400), versioned: bool) {
        if versioned && !bytes.is_empty() {
            bytes[0] = VERSION;
        }
        let _ = decode_up(Some(CONTENT_TYPE_UP), &bytes);
        let _ = decode_down(Some(CONTENT_TYPE_DOWN), &bytes);
    }

    #[test]
    fn a_damaged_request_is_refused_or_stays_within_bounds(at in 0_usize..300, value: u8) {
        let mut bytes = encode_up(&Up::Request(upload(&[120, 60]).request().clone())).unwrap();
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(packet) = decode_up(Some(CONTENT_TYPE_UP), &bytes) {
            prop_assert!(encode_up(&packet).is_ok());
        }
    }

    #[test]
    fn any_sizes_arrive_as_they_left(sizes in prop::collection::vec(1_usize..400_000, 0..3)) {
        let mut upload = upload(&sizes);
        let request = upload.request().clone();
        prop_assert!(encode_up(&Up::Request(request.clone())).is_ok());
        let body = match Assembler::new(&request) {
            Some(mut assembler) => {
                carry(&mut upload, &mut assembler, false);
                assembler.finish().unwrap()
            }
            None => match &request.body {
                trimtab_wire::Body::Inline(bytes) => bytes.clone(),
                trimtab_wire::Body::Chunked(_) => unreachable!("an assembler exists for chunks"),
            },
        };
        let views = request.split(&body).unwrap();
        prop_assert_eq!(views.iter().map(|v| v.len()).collect::<Vec<_>>(), sizes);
    }
}
