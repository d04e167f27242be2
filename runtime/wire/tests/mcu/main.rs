//! The link with the microcontroller: frozen frames, every kind of bad input, and resynchronisation.

mod frames;

use std::path::PathBuf;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use trimtab_core::{Joules, Millis};
use trimtab_wire::mcu::{
    Arrival, Arrivals, BootNumber, Config, ConfigFault, Counters, Decoder, Encoded, FRAME_BYTES_MAX, FrameCounters,
    FrameError, FromMcu, Greeting, Micros, Milliamps, Millivolts, Nonce, Received, ToMcu, TripId, Versions, encode,
    encode_greeting,
};

/// Compares with the frozen file; `TRIMTAB_FREEZE=1` writes a file that is not there yet, and never changes one that is.
fn frozen(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/vectors/mcu/{name}.bin"));
    if std::env::var_os("TRIMTAB_FREEZE").is_some() && !path.exists() {
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

/// Everything that a decoder makes of some bytes.
fn decoded<M: DeserializeOwned>(bytes: &[u8]) -> (Vec<Result<Received<M>, FrameError>>, FrameCounters) {
    let mut decoder = Decoder::new();
    let found = bytes.iter().filter_map(|byte| decoder.push(*byte)).collect();
    (found, *decoder.seen())
}

/// What one frame holds, of which there must be nothing else.
fn opened<M: DeserializeOwned>(frame: &[u8]) -> Received<M> {
    let (found, _) = decoded(frame);
    let [Ok(received)]: [_; 1] = found.try_into().unwrap_or_else(|_| panic!("not one frame")) else {
        panic!("not a whole frame")
    };
    received
}

fn heartbeat(number: u32) -> Encoded {
    encode(1, number, &ToMcu::Heartbeat { count: number, uptime_ms: 0 }).unwrap()
}

#[test]
fn frozen_frames_encode_and_decode_to_the_same_bytes() {
    let all = frames::frames();
    for (name, frame) in &all {
        assert_eq!(frozen(name, frame), &frame[..], "layout of {name} changed: that is a new version");
        assert!(frame.len() <= FRAME_BYTES_MAX);
        assert!(frame[0] == 0 && frame.ends_with(&[0]) && !frame[1..frame.len() - 1].contains(&0));
    }
    let frame = |name: &str| &all.iter().find(|(found, _)| *found == name).unwrap().1;
    for (name, said) in frames::greetings() {
        assert!(matches!(opened::<ToMcu>(frame(name)), Received::Greeting { greeting, .. } if greeting == said));
        assert!(matches!(opened::<FromMcu>(frame(name)), Received::Greeting { greeting, .. } if greeting == said));
    }
    for (name, said) in frames::to_mcu() {
        assert!(matches!(opened::<ToMcu>(frame(name)), Received::Message { message, .. } if message == said));
    }
    for (name, said) in frames::from_mcu() {
        assert!(matches!(opened::<FromMcu>(frame(name)), Received::Message { message, .. } if message == said));
    }
}

#[test]
fn the_longest_messages_fit_in_a_frame() {
    let long = Joules::from_micro(u64::MAX);
    let mut config = Config::DEFAULT;
    // Longer than any that keeps its rules.
    (config.budgets.hour, config.budgets.day, config.budgets.total) = (Some(long), Some(long), Some(long));
    for span in [&mut config.sample_period, &mut config.sensor_lost, &mut config.sensor_cut] {
        *span = Millis::new(86_400_000);
    }
    let tag = frames::key().configure(&frames::NONCE, &config);
    assert!(encode(1, u32::MAX, &ToMcu::SetConfig { config, tag }).is_ok());
    // All counts at their most, by the layout itself: each is five bytes.
    let counters: Counters = {
        let most: Vec<u8> = [0xff, 0xff, 0xff, 0xff, 0x0f].repeat(64);
        postcard::take_from_bytes(&most).unwrap().0
    };
    assert_eq!((counters.log_faults, counters.frames.frames), (u32::MAX, u32::MAX));
    assert!(encode(1, u32::MAX, &FromMcu::Counters(counters)).is_ok());
}

#[test]
fn every_fault_has_its_counter() {
    let good = heartbeat(1);
    let of = |bytes: &[u8]| decoded::<ToMcu>(bytes).1;
    let none = FrameCounters::default();
    assert_eq!(of(&good), FrameCounters { frames: 1, ..none });
    // Twice is two frames: whether one is repeated is told by its number.
    assert_eq!(of(&[&good[..], &good[..]].concat()), FrameCounters { frames: 2, ..none });

    let inside = &good[1..good.len() - 1];
    let cut = [&inside[..inside.len() - 1], &[0]].concat();
    assert_eq!(of(&cut), FrameCounters { malformed: 1, garbage_bytes: inside.len() as u32 - 1, ..none });
    let mut flipped = good.to_vec();
    flipped[3] ^= 0x40;
    assert_eq!(of(&flipped), FrameCounters { bad_crc: 1, garbage_bytes: inside.len() as u32, ..none });
    let endless = [vec![1; FRAME_BYTES_MAX + 1], vec![0]].concat();
    assert_eq!(of(&endless), FrameCounters { oversized: 1, garbage_bytes: FRAME_BYTES_MAX as u32 + 1, ..none });
    assert_eq!(of(&[0, 0, 0, 2, 7, 0]), FrameCounters { malformed: 1, garbage_bytes: 2, ..none });

    let later = encode(9, 1, &ToMcu::Heartbeat { count: 1, uptime_ms: 0 }).unwrap();
    assert_eq!(of(&later), FrameCounters { unknown_version: 1, ..none });
    assert_eq!(decoded::<ToMcu>(&later).0, [Err(FrameError::Version { found: 9 })]);
    let unknown = encode(1, 1, &250_u8).unwrap();
    assert_eq!(of(&unknown), FrameCounters { undecodable: 1, ..none });
    let more = encode(1, 1, &(ToMcu::Heartbeat { count: 1, uptime_ms: 0 }, 5_u8)).unwrap();
    assert_eq!(of(&more), FrameCounters { undecodable: 1, ..none });
}

#[test]
fn ten_kilobytes_of_garbage_cost_no_frame_after_them() {
    let mut state = 0x9e37_79b9_u32;
    let garbage: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(10_000)
    .collect();
    for garbage in [garbage, vec![0xff; 10_000], vec![1; 10_000], vec![0; 10_000]] {
        let zeros = garbage.iter().filter(|byte| **byte == 0).count() as u32;
        let (found, seen) = decoded::<ToMcu>(&[&garbage[..], &heartbeat(5), &heartbeat(6)].concat());
        let good: Vec<_> = found.into_iter().flatten().collect();
        assert!(matches!(good[..], [Received::Message { number: 5, .. }, Received::Message { number: 6, .. }]));
        assert_eq!((seen.frames, seen.garbage_bytes), (2, 10_000 - zeros));
    }
}

#[test]
fn numbers_tell_what_is_missing_repeated_or_late() {
    let mut arrivals = Arrivals::new();
    let numbers = [u32::MAX - 1, u32::MAX, u32::MAX, 2, 1, 3];
    let found = numbers.map(|number| arrivals.take(number));
    let new = |missing| Arrival::New { missing };
    assert_eq!(found, [new(0), new(0), Arrival::Repeated, new(2), Arrival::Late, new(0)]);
    assert_eq!((arrivals.missing, arrivals.repeated, arrivals.late), (2, 1, 1));
    arrivals.restart(100);
    assert_eq!(arrivals.take(101), new(0));
    assert_eq!(arrivals.missing, 2);
}

#[test]
fn ends_agree_on_the_newest_version_or_name_both() {
    let of = |min, max| Versions { min, max };
    assert_eq!(of(1, 3).agree(of(2, 5)), Ok(3));
    assert_eq!(of(2, 5).agree(of(1, 3)), Ok(3));
    let refusal = of(1, 1).agree(of(2, 3)).unwrap_err();
    assert_eq!(refusal.to_string(), "this end of the link speaks version 1, the other 2 to 3: update the older end");
    // A greeting of the future is understood, with all it has to say besides.
    let (_, greeting) = frames::greetings().swap_remove(0);
    let frame = encode_greeting(0, &greeting).unwrap();
    assert!(matches!(opened::<ToMcu>(&frame), Received::Greeting { greeting: Greeting::Hello(_), .. }));
    #[derive(Serialize)]
    struct Later(Greeting, &'static str);
    let later = encode(0, 4, &Later(greeting.clone(), "and more")).unwrap();
    assert_eq!(opened::<FromMcu>(&later), Received::Greeting { number: 4, greeting });
}

#[test]
fn a_seal_holds_for_one_nonce_one_trip_and_one_use() {
    let key = frames::key();
    let (nonce, trip) = (frames::NONCE, TripId(7));
    let tag = key.release(&nonce, trip);
    assert!(key.releases(&nonce, trip, &tag));
    assert!(!key.releases(&Nonce([0; 16]), trip, &tag) && !key.releases(&nonce, TripId(8), &tag));
    let mut config = Config::DEFAULT;
    let sealed = key.configure(&nonce, &config);
    assert!(key.configures(&nonce, &config, &sealed));
    config.host.resets_max = 9;
    assert!(!key.configures(&nonce, &config, &sealed) && !key.releases(&nonce, trip, &sealed));
    let nonces: Vec<Nonce> = [(1, [0; 16], 0), (1, [0; 16], 1), (2, [0; 16], 0), (1, [1; 16], 0)]
        .map(|(boot, entropy, count)| key.nonce(BootNumber(boot), &entropy, count))
        .to_vec();
    assert!((1..4).all(|at| !nonces[..at].contains(&nonces[at])));
    assert_eq!(format!("{key:?}"), "Key(…)");
}

#[test]
fn the_defaults_keep_their_rules_and_broken_ones_are_named() {
    assert_eq!(Config::DEFAULT.check(), Ok(()));
    assert_eq!(frames::config().check(), Ok(()));
    let broken = |change: fn(&mut Config)| {
        let mut config = Config::DEFAULT;
        change(&mut config);
        config.check().unwrap_err()
    };
    assert_eq!(broken(|c| c.sample_period = Millis::ZERO), ConfigFault::SamplePeriod);
    assert_eq!(broken(|c| c.sensor_cut = Millis::ZERO), ConfigFault::SensorCut);
    assert_eq!(broken(|c| c.current.most = Milliamps::new(-1)), ConfigFault::Current);
    assert_eq!(broken(|c| c.voltage.most = Millivolts::new(i32::MAX)), ConfigFault::Voltage);
    assert_eq!(broken(|c| c.current_limits.soft = c.current_limits.hard), ConfigFault::CurrentLimits);
    assert_eq!(broken(|c| c.temperature_limits.critical = c.temperature_limits.soft), ConfigFault::TemperatureLimits);
    assert_eq!(broken(|c| c.budgets.total = Some(Joules::ZERO)), ConfigFault::Budgets);
    assert_eq!(broken(|c| c.host.reset = Millis::ZERO), ConfigFault::HostReset);
}

#[test]
fn power_is_exact() {
    assert_eq!(Milliamps::new(1_234).at(Millivolts::new(12_007)).micro(), 14_816_638);
    assert_eq!(Milliamps::new(-5).at(Millivolts::new(12_007)).micro(), 0);
    assert_eq!(Micros::new(5).since(Micros::new(7)), Micros::ZERO);
}

proptest! {
    #[test]
    fn after_any_garbage_a_good_frame_is_found(garbage in proptest::collection::vec(any::<u8>(), 0..600), number: u32) {
        let (found, seen) = decoded::<ToMcu>(&[&garbage[..], &heartbeat(number)].concat());
        let last = Ok(Received::Message { number, message: ToMcu::Heartbeat { count: number, uptime_ms: 0 } });
        prop_assert_eq!(found.last(), Some(&last));
        let faults = seen.malformed + seen.bad_crc + seen.oversized + seen.unknown_version + seen.undecodable;
        prop_assert_eq!(seen.frames as usize + faults as usize, found.len());
    }

    #[test]
    fn a_changed_byte_is_never_believed(at in 1_usize..60, flip in 1_u8..=255) {
        for (name, frame) in frames::frames() {
            let mut bytes = frame.to_vec();
            let at = 1 + at % (bytes.len() - 2);
            bytes[at] ^= flip;
            let (found, seen) = decoded::<ToMcu>(&bytes);
            prop_assert!(found.iter().all(Result::is_err), "{}: {:?}", name, found);
            prop_assert_eq!(seen.frames, 0);
        }
    }
}
