//! One of every message, as frozen in `tests/vectors/mcu`; the firmware's tests and the fuzzer take them from here too.

use trimtab_core::{Joules, Millis};
use trimtab_wire::mcu::{
    BootNumber, BudgetWindow, Budgets, Cause, Challenge, Channel, ChannelCounters, Config, Counters, Encoded, Event,
    FirmwareVersion, FrameCounters, FromMcu, Greeting, Hello, HostStage, Key, LogEnd, LogEntry, Micros, Milliamps,
    Millicelsius, Millivolts, Nack, NackReason, Nonce, Plausibility, Query, Refusal, Stamp, State, Telemetry, ToMcu,
    Trip, TripId, Verdict, Versions, WindowState, encode, encode_greeting,
};

/// The key of the vectors.
pub(crate) fn key() -> Key {
    Key::new(core::array::from_fn(|at| at as u8))
}

/// The nonce of the vectors.
pub(crate) const NONCE: Nonce = Nonce(*b"sixteen bytes ok");
/// The trip of the vectors.
pub(crate) const TRIP: Trip = Trip { id: TripId(7), state: State::CutAccelerator, cause: Cause::BudgetExhausted };

fn hello(name: &str, boot: u32) -> Hello {
    Hello {
        versions: Versions { min: 1, max: 1 },
        name: name.try_into().unwrap(),
        firmware: FirmwareVersion { major: 0, minor: 1, patch: 0 },
        boot: BootNumber(boot),
    }
}

/// Greetings of either end.
pub(crate) fn greetings() -> Vec<(&'static str, Greeting)> {
    let refusal = Refusal { ours: Versions { min: 1, max: 1 }, theirs: Versions { min: 2, max: 3 } };
    vec![
        ("hello-host", Greeting::Hello(hello("trimtab", 41))),
        ("hello-board", Greeting::Hello(hello("mps2-an386", 3))),
        ("refusal", Greeting::Refusal(refusal)),
    ]
}

/// The configuration of the vectors.
pub(crate) fn config() -> Config {
    let mut config = Config::DEFAULT;
    config.budgets.hour = Some(Joules::from_micro(36_000_000_000));
    config.host.resets_max = 2;
    config
}

/// Messages of the host.
pub(crate) fn to_mcu() -> Vec<(&'static str, ToMcu)> {
    let limit = Some(Joules::from_micro(18_000_000_000));
    vec![
        ("heartbeat", ToMcu::Heartbeat { count: 12, uptime_ms: 6_000 }),
        ("set-budget", ToMcu::SetBudget { window: BudgetWindow::Hour, limit }),
        ("set-config", ToMcu::SetConfig { config: config(), tag: key().configure(&NONCE, &config()) }),
        ("release", ToMcu::Release { trip: TRIP.id, tag: key().release(&NONCE, TRIP.id) }),
        ("query-config", ToMcu::Query(Query::Config)),
        ("query-log", ToMcu::Query(Query::Log { from: 5 })),
        ("query-counters", ToMcu::Query(Query::Counters)),
        ("query-challenge", ToMcu::Query(Query::Challenge)),
        ("query-budgets", ToMcu::Query(Query::Budgets)),
        ("farewell", ToMcu::Farewell),
    ]
}

fn entry(number: u32, event: Event) -> LogEntry {
    LogEntry { number, stamp: Stamp { boot: BootNumber(3), at: Micros::new(61_020_000) }, event }
}

/// Counts that all differ, so that two which change places are seen.
fn counters() -> Counters {
    let mut next = 0;
    let mut n = || {
        next += 1;
        next
    };
    let frames = FrameCounters {
        frames: n(),
        garbage_bytes: n(),
        malformed: n(),
        bad_crc: n(),
        oversized: n(),
        unknown_version: n(),
        undecodable: n(),
    };
    let mut channel = || ChannelCounters { missing: n(), stale: n(), range: n(), negative: n(), jump: n(), stuck: n() };
    let (current, voltage, temperature) = (channel(), channel(), channel());
    Counters {
        frames,
        missing: n(),
        repeated: n(),
        late: n(),
        ungreeted: n(),
        refused: n(),
        nacks: n(),
        wrong_seals: n(),
        replayed_seals: n(),
        telemetry_dropped: n(),
        frames_dropped: n(),
        frozen_heartbeats: n(),
        host_restarts: n(),
        host_resets: n(),
        current,
        voltage,
        temperature,
        clock_faults: n(),
        stamp_faults: n(),
        store_faults: n(),
        log_faults: n(),
    }
}

/// Messages of the board.
pub(crate) fn from_mcu() -> Vec<(&'static str, FromMcu)> {
    let telemetry = Telemetry {
        number: 610,
        dropped: 2,
        at: Micros::new(61_020_000),
        energy: Joules::from_micro(585_123_456),
        widened: Joules::from_micro(6_300_000),
        power: Milliamps::new(800).at(Millivolts::new(12_007)),
        current: Milliamps::new(800),
        voltage: Millivolts::new(12_007),
        temperature: Millicelsius::new(-1_250),
        plausibility: Plausibility { temperature: Verdict::Jump, ..all_good() },
        state: State::Throttle,
        cause: Some(Cause::HostLost),
        host: HostStage::HoldOff,
        remaining: Some(Joules::from_micro(17_414_876_544)),
    };
    let window = WindowState {
        limit: Some(Joules::from_micro(18_000_000_000)),
        spent: Joules::from_micro(585_123_456),
        ends_in: Some(Millis::new(3_538_980)),
    };
    let budgets = Budgets { hour: window, day: WindowState { limit: None, ..window }, total: WindowState::default() };
    let sensor = Event::Sensor { channel: Channel::Voltage, verdict: Verdict::Missing };
    vec![
        ("telemetry", FromMcu::Telemetry(telemetry)),
        ("ack", FromMcu::Ack { of: 300 }),
        ("nack", FromMcu::Nack(Nack { of: 301, reason: NackReason::StaleTrip { last: Some(TRIP.id) } })),
        ("event", FromMcu::Event(entry(9, Event::Tripped(TRIP)))),
        ("challenge", FromMcu::Challenge(Challenge { nonce: NONCE, trip: Some(TRIP), has_key: true })),
        ("log", FromMcu::Log(entry(8, sensor))),
        ("log-end", FromMcu::LogEnd(LogEnd { next: 10, damaged: 1 })),
        ("counters", FromMcu::Counters(counters())),
        ("config", FromMcu::Config(config())),
        ("budgets", FromMcu::Budgets(budgets)),
    ]
}

fn all_good() -> Plausibility {
    Plausibility { current: Verdict::Good, voltage: Verdict::Good, temperature: Verdict::Good }
}

/// Every frame of the vectors by its name, numbered from zero in this order.
pub(crate) fn frames() -> Vec<(&'static str, Encoded)> {
    let mut number = 0;
    let mut next = || {
        number += 1;
        number - 1
    };
    let mut frames = Vec::new();
    frames.extend(greetings().iter().map(|(name, said)| (*name, encode_greeting(next(), said).unwrap())));
    frames.extend(to_mcu().iter().map(|(name, said)| (*name, encode(1, next(), said).unwrap())));
    frames.extend(from_mcu().iter().map(|(name, said)| (*name, encode(1, next(), said).unwrap())));
    frames
}
