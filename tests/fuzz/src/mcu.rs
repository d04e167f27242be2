//! The link with the microcontroller, and its supervisor: bytes of the line, and whole lives of a board.

use serde::{Serialize, Serializer, ser::SerializeTuple};
use trimtab_core::Joules;
use trimtab_supervisor::wire::{
    BootNumber, Challenge, Config, Decoder, FirmwareVersion, FrameCounters, FrameError, FromMcu, Greeting, Hello, Key,
    Micros, Milliamps, Millicelsius, Millivolts, Query, Received, ResetCause, State, ToMcu, Versions, encode,
    encode_greeting,
};
use trimtab_supervisor::{Boot, Input, MEMORY_BYTES, Memory, Record, Sample, Stored, Supervisor, note_panic};

use crate::Seed;
use crate::frames;

/// Bytes that stand in a frame as they are, behind a checksum that no fuzzer finds.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = to.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|byte| bytes.serialize_element(byte))?;
        bytes.end()
    }
}

/// The input as bytes of the line, then once more inside a whole frame of each version: what is decoded encodes to the same,
/// and whatever it was, the next frame is found.
pub(crate) fn decode(input: &[u8]) {
    both(input);
    for version in 0..=2 {
        if let Ok(frame) = encode(version, 0, &Raw(input)) {
            both(&frame);
        }
    }
}

fn both(bytes: &[u8]) {
    let beat = ToMcu::Heartbeat { count: 9, uptime_ms: 9 };
    let good = encode(1, 9, &beat).expect("a heartbeat fits");
    let line = [bytes, &good].concat();
    let (found, seen) = all::<ToMcu>(&line);
    assert_eq!(found.last(), Some(&Ok(Received::Message { number: 9, message: beat })), "the next frame is lost");
    counted(&found, &seen, &line);
    again(&found);
    let (found, seen) = all::<FromMcu>(bytes);
    counted(&found, &seen, bytes);
    again(&found);
}

type Found<M> = Vec<Result<Received<M>, FrameError>>;

fn all<M: serde::de::DeserializeOwned>(bytes: &[u8]) -> (Found<M>, FrameCounters) {
    let mut decoder = Decoder::new();
    let found = bytes.iter().filter_map(|byte| decoder.push(*byte)).collect();
    (found, *decoder.seen())
}

fn counted<M>(found: &Found<M>, seen: &FrameCounters, bytes: &[u8]) {
    let faults = [seen.malformed, seen.bad_crc, seen.oversized, seen.unknown_version, seen.undecodable];
    assert_eq!(seen.frames as usize, found.iter().flatten().count());
    assert_eq!(faults.iter().sum::<u32>() as usize, found.len() - seen.frames as usize);
    assert!(seen.garbage_bytes as usize <= bytes.len());
}

fn again<M: serde::de::DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(found: &Found<M>) {
    for received in found.iter().flatten() {
        let frame = match received {
            Received::Greeting { number, greeting } => encode_greeting(*number, greeting),
            Received::Message { number, message } => encode(1, *number, message),
        };
        let (once_more, _) = all::<M>(&frame.expect("what came in a frame fits in one"));
        assert_eq!(once_more.first().and_then(|found| found.as_ref().ok()), Some(received));
    }
}

/// Every frozen frame by itself, and all of them one after the other among garbage.
pub(crate) fn frame_seeds() -> Vec<Seed> {
    let frames = frames::frames();
    let names = ["hello-board", "set-config", "release", "telemetry", "counters"];
    let one = |name: &str| frames.iter().find(|(found, _)| *found == name).map(|(_, frame)| frame.to_vec());
    let mut seeds: Vec<Seed> = names.iter().filter_map(|name| Some((name.to_string(), one(name)?))).collect();
    let mut all = Vec::new();
    for (_, frame) in &frames {
        all.extend_from_slice(frame);
        all.extend_from_slice(b"noise");
    }
    seeds.push(("all-with-noise".to_owned(), all));
    // What stands behind the checksum of a heartbeat and of a configuration.
    seeds.push(("inside-heartbeat".to_owned(), vec![0, 12, 0xb0, 0x2e]));
    seeds.push(("oversized".to_owned(), vec![0x31; 300]));
    seeds
}

/// What an input does to a board, a piece at a time.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number of so many bytes, little-endian; what is missing is zero.
    fn number(&mut self, bytes: usize) -> u64 {
        (0..bytes).fold(0, |sum, at| sum | u64::from(self.byte().unwrap_or(0)) << (8 * at))
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or(0)).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// A reading: usual, any, or none.
    fn reading(&mut self, usual: i32) -> Option<i32> {
        match self.byte()? {
            0 => None,
            1 => Some(self.number(4) as u32 as i32),
            other => Some(usual + (i32::from(other) - 128) * usual / 64),
        }
    }
}

const WAIT: u8 = 0;
const WAIT_LONG: u8 = 1;
const BACK: u8 = 2;
const SAMPLE: u8 = 3;
const BYTES: u8 = 4;
const FRAME: u8 = 5;
const HELLO: u8 = 6;
const BEAT: u8 = 7;
const RELEASE: u8 = 8;
const CONFIGURE: u8 = 9;
const SAVED: u8 = 10;
const TAKE: u8 = 11;
const RESET: u8 = 12;
const CALM: u8 = 13;
const OPERATIONS: u8 = 14;

fn key() -> Key {
    Key::new([5; 32])
}

/// What must hold from step to step, over all boots of a board.
struct Life<'m> {
    board: Supervisor<'m>,
    now: u64,
    number: u32,
    beats: u32,
    state: State,
    energy: Joules,
}

impl Life<'_> {
    fn step(&mut self, input: Input<'_>) {
        let outputs = self.board.step(Micros::new(self.now), input);
        let state = self.board.state();
        assert!(state >= self.state, "{state} after {} without a release", self.state);
        assert_eq!((outputs.lines.throttle, outputs.lines.cut), (state > State::Normal, state > State::Throttle));
        assert!(self.board.energy() >= self.energy, "energy runs back");
        assert_eq!(self.board.config().check(), Ok(()));
        (self.state, self.energy) = (state, self.board.energy());
    }

    fn say(&mut self, message: &impl Serialize) {
        self.number = self.number.wrapping_add(1);
        if let Ok(frame) = encode(1, self.number, message) {
            self.step(Input::Serial(&frame));
        }
    }

    fn greet(&mut self, boot: u32) {
        let (versions, firmware) = (Versions::SPOKEN, FirmwareVersion::default());
        let hello = Hello { versions, name: "fuzz".try_into().unwrap_or_default(), firmware, boot: BootNumber(boot) };
        self.number = self.number.wrapping_add(1);
        let frame = encode_greeting(self.number, &Greeting::Hello(hello)).expect("a greeting fits");
        self.step(Input::Serial(&frame));
    }

    /// Everything that waits on the line, as messages.
    fn hear(&mut self) -> Vec<FromMcu> {
        let (mut bytes, mut decoder) = ([0; 2048], Decoder::new());
        let said = self.board.transmit(&mut bytes);
        let messages = bytes[..said].iter().filter_map(|byte| match decoder.push(*byte)? {
            Ok(Received::Message { message, .. }) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    fn challenge(&mut self) -> Challenge {
        self.greet(0);
        self.hear();
        self.say(&ToMcu::Query(Query::Challenge));
        let challenge = self.hear().into_iter().find_map(|said| match said {
            FromMcu::Challenge(challenge) => Some(challenge),
            _ => None,
        });
        challenge.expect("the challenge is told")
    }

    fn release(&mut self) {
        let challenge = self.challenge();
        // Time has its say first, so that what is released is what was asked for.
        self.step(Input::Tick);
        let Some(trip) = challenge.trip else { return };
        if self.board.record().trip == Some(trip) {
            self.state = State::Normal;
        }
        self.say(&ToMcu::Release { trip: trip.id, tag: key().release(&challenge.nonce, trip.id) });
    }

    fn sample(&mut self, script: &mut Script<'_>) {
        let off = script.byte().unwrap_or(0);
        let off = if off == 255 { script.number(4) as u32 } else { 0 };
        let sample = Sample {
            at: (self.now as u32).wrapping_sub(off),
            current: script.reading(1_000).map(Milliamps::new),
            voltage: script.reading(12_000).map(Millivolts::new),
            temperature: script.reading(40_000).map(Millicelsius::new),
        };
        self.step(Input::Sample(sample));
    }

    /// So many seconds as they should be.
    fn calm(&mut self, seconds: u8) {
        let [current, voltage, temperature] = [1_000, 12_000, 40_000];
        for _ in 0..u16::from(seconds % 16) * 10 {
            self.now = self.now.saturating_add(100_000);
            self.step(Input::Sample(Sample {
                at: self.now as u32,
                current: Some(Milliamps::new(current)),
                voltage: Some(Millivolts::new(voltage)),
                temperature: Some(Millicelsius::new(temperature)),
            }));
            self.beat();
        }
    }

    fn beat(&mut self) {
        self.beats = self.beats.wrapping_add(1);
        self.say(&ToMcu::Heartbeat { count: self.beats, uptime_ms: self.now as u32 });
    }

    /// Plays on until the board is reset: how, or nothing where the script ends.
    fn play(&mut self, script: &mut Script<'_>) -> Option<u8> {
        loop {
            match script.byte()? % OPERATIONS {
                WAIT => {
                    self.now = self.now.saturating_add(1_000 * script.number(2));
                    self.step(Input::Tick);
                }
                WAIT_LONG => {
                    self.now = self.now.saturating_add(script.number(8));
                    self.step(Input::Tick);
                }
                BACK => {
                    let now = self.now;
                    self.now = now.saturating_sub(script.number(8));
                    self.step(Input::Tick);
                    self.now = now;
                }
                SAMPLE => self.sample(script),
                BYTES => self.step(Input::Serial(script.bytes())),
                FRAME => self.say(&Raw(script.bytes())),
                HELLO => self.greet(script.number(1) as u32),
                BEAT => self.beat(),
                RELEASE => self.release(),
                CONFIGURE => {
                    if let Ok(config) = postcard::from_bytes::<Config>(script.bytes()) {
                        let tag = key().configure(&self.challenge().nonce, &config);
                        self.say(&ToMcu::SetConfig { config, tag });
                        assert!(config.check().is_err() || *self.board.config() == config, "sealed, and not taken");
                    }
                }
                SAVED => self.step(Input::Saved { stored: script.number(1) & 1 == 0 }),
                TAKE => {
                    let bytes = script.number(2) as usize % 2048;
                    self.board.transmit(&mut vec![0; bytes]);
                }
                RESET => return script.byte(),
                CALM => self.calm(script.byte()?),
                _ => {}
            }
        }
    }
}

/// The input as what happens to a board over all its boots: it only gets safer but by a release, and energy only grows.
pub(crate) fn live(input: &[u8]) {
    let mut script = Script(input);
    let noise: Memory = [0xa7; MEMORY_BYTES];
    let (mut memory, mut stored, mut reset) = (noise, Stored::Empty, ResetCause::Power);
    let (mut state, mut energy) = (State::Normal, Joules::ZERO);
    loop {
        let boot = Boot {
            name: "fuzz",
            firmware: FirmwareVersion::default(),
            reset,
            entropy: [1; 16],
            key: Some(key()),
            stored,
        };
        let board = Supervisor::new(&mut memory, &boot);
        let mut life = Life { board, now: 0, number: 0, beats: 0, state, energy };
        life.step(Input::Tick);
        let Some(how) = life.play(&mut script) else { return };
        let record = *life.board.record();
        (state, energy) = (life.state, life.energy);
        // A reset leaves memory; a power cut leaves the record, as it is read from its slot.
        let causes = [ResetCause::Pin, ResetCause::Software, ResetCause::Watchdog];
        reset = causes[usize::from(how) % causes.len()];
        stored = Stored::Empty;
        match how % 5 {
            0 => {
                (memory, energy, reset) = (noise, Joules::ZERO, ResetCause::Power);
                let mut bytes = [0; trimtab_supervisor::RECORD_BYTES_MAX];
                let filled = record.encode(&mut bytes).expect("a record fits in a slot").len();
                stored = Stored::Whole(Record::decode(&bytes[..filled]).expect("what was encoded decodes"));
            }
            1 => note_panic(&mut memory),
            2 => {
                // One byte of memory is wrong, and the record is there.
                stored = Stored::Whole(record);
                memory[script.number(2) as usize % MEMORY_BYTES] ^= 1 << (how % 8);
                energy = Joules::ZERO;
            }
            _ => {}
        }
    }
}

/// Lives that have something in them.
pub(crate) fn life_seeds() -> Vec<Seed> {
    let mut tight = frames::config();
    tight.budgets.hour = Some(Joules::from_micro(50_000_000));
    let tight = postcard::to_allocvec(&tight).expect("memory is enough");
    let configure = [&[CONFIGURE, tight.len() as u8], &tight[..]].concat();
    let hot = [SAMPLE, 0, 129, 129, 255];
    let (sample, gone) = ([SAMPLE, 0, 129, 129, 129], [SAMPLE, 0, 0, 129, 129]);
    let second = [WAIT, 0xe8, 3];
    let lives: [(&str, Vec<&[u8]>); 6] = [
        ("calm", vec![&[HELLO, 1], &[CALM, 3], &[TAKE, 0, 4], &[BEAT], &sample]),
        ("budget", vec![&[HELLO, 1], &configure, &[CALM, 6], &[RELEASE], &[CALM, 2], &[RESET, 0], &[CALM, 1]]),
        ("heat", vec![&[HELLO, 1], &[CALM, 1], &hot, &second, &hot, &second, &hot, &[CALM, 8], &[RELEASE]]),
        ("lost", vec![&[CALM, 1], &gone, &second, &gone, &second, &second, &second, &second, &second, &[SAVED, 1]]),
        ("silent", vec![&[HELLO, 1], &[BEAT], &[WAIT, 0xff, 0xff], &[WAIT, 0xff, 0xff], &[BEAT], &[RESET, 2, 7, 0]]),
        (
            "fails",
            vec![&[CALM, 1], &[RESET, 1], &[CALM, 1], &[RELEASE], &[RESET, 4], &[BACK, 1, 1], &[WAIT_LONG, 9, 9]],
        ),
    ];
    let beat = [FRAME, 3, 0, 7, 1];
    let wrong = [FRAME, 5, 3, 1, 4, 9, 9];
    let mut seeds: Vec<Seed> = lives.map(|(name, parts)| (name.to_owned(), parts.concat())).into();
    let garbage = [&[BYTES, 6, 0, 2, 7, 0, 9, 9], &beat[..], &wrong, &[FRAME, 2, 4, 2]].concat();
    seeds.push(("garbage".to_owned(), [&[HELLO, 4], &garbage[..], &[CALM, 1]].concat()));
    // A reset whose memory has lost the snapshot with the trip, and whose record has it.
    let missed = [&[HELLO, 1, CALM, 6, 1, 7, 0, 0xff, 0xff, 0, 0xff, 0xff, 7, RESET, 2, 7], &[0, 0x2c, 0x81, 10][..]];
    seeds.push(("missed-trip".to_owned(), [&missed.concat()[..], &[0x81, 0x81]].concat()));
    seeds
}
