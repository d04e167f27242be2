//! A board on the bench: the real supervisor, sensors that read what they are told, and a host at the other end of the line.

use trimtab_supervisor::wire::{
    BootNumber, Decoder, FirmwareVersion, FromMcu, Greeting, Hello, Key, Micros, Milliamps, Millicelsius, Millivolts,
    Received, ResetCause, State, ToMcu, TripId, Versions, encode, encode_greeting,
};
use trimtab_supervisor::{Boot, Input, MEMORY_BYTES, Memory, Outputs, Record, Sample, Stored, Supervisor};

/// What the sensors give.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sensors {
    pub(crate) current: Option<i32>,
    pub(crate) voltage: Option<i32>,
    pub(crate) temperature: Option<i32>,
}

/// 1 A at 12 V and 40 °C.
pub(crate) const CALM: Sensors = Sensors { current: Some(1_000), voltage: Some(12_000), temperature: Some(40_000) };

/// Key of the board on the bench.
pub(crate) fn key() -> Key {
    Key::new([7; 32])
}

/// What a board starts from.
pub(crate) fn boot(reset: ResetCause, stored: Stored) -> Boot<'static> {
    let firmware = FirmwareVersion { major: 0, minor: 1, patch: 0 };
    Boot { name: "bench", firmware, reset, entropy: [3; 16], key: Some(key()), stored }
}

/// Memory as power leaves it.
pub(crate) fn noise() -> Memory {
    core::array::from_fn(|at| (at as u8).wrapping_mul(151) ^ 0x5a)
}

/// The bench. Its memory is leaked, as a board's is static.
pub(crate) struct Bench {
    pub(crate) board: Supervisor<'static>,
    pub(crate) now: u64,
    pub(crate) sensors: Sensors,
    pub(crate) outputs: Outputs,
    /// Everything that the board said, in order.
    pub(crate) said: Vec<FromMcu>,
    pub(crate) greeted: Vec<Greeting>,
    /// The record, as the board asked to store it last.
    pub(crate) stored: Option<Record>,
    /// Whether storing works.
    pub(crate) store_works: bool,
    /// Whether the host's heartbeat beats.
    pub(crate) beating: bool,
    decoder: Decoder<FromMcu>,
    number: u32,
    beats: u32,
}

impl Bench {
    /// A new board, started.
    pub(crate) fn new() -> Self {
        Self::start(noise(), ResetCause::Power, Stored::Empty)
    }

    pub(crate) fn start(memory: Memory, reset: ResetCause, stored: Stored) -> Self {
        let memory = Box::leak(Box::new(memory));
        let mut board = Supervisor::new(memory, &boot(reset, stored));
        let outputs = board.step(Micros::ZERO, Input::Tick);
        let mut bench = Self {
            board,
            now: 0,
            sensors: CALM,
            outputs,
            said: Vec::new(),
            greeted: Vec::new(),
            stored: None,
            store_works: true,
            beating: true,
            decoder: Decoder::new(),
            number: 0,
            beats: 0,
        };
        bench.follow(outputs);
        bench
    }

    /// A board with this configuration in its store, a host that greeted, and a little time gone by.
    pub(crate) fn configured(change: impl FnOnce(&mut trimtab_supervisor::wire::Config)) -> Self {
        let mut record = Record::NEW;
        change(&mut record.config);
        assert_eq!(record.config.check(), Ok(()));
        let mut bench = Self::start(noise(), ResetCause::Power, Stored::Whole(record));
        bench.greet();
        bench.run(100);
        bench
    }

    /// Resets the board: its memory stays, its store too.
    pub(crate) fn reset(self, reset: ResetCause) -> Self {
        let memory = self.memory();
        let stored = self.stored.map_or(Stored::Empty, Stored::Whole);
        Self::start(memory, reset, stored)
    }

    /// Cuts its power: its store stays.
    pub(crate) fn cut_power(self) -> Self {
        let stored = self.stored.map_or(Stored::Empty, Stored::Whole);
        Self::start(noise(), ResetCause::Power, stored)
    }

    pub(crate) fn memory(&self) -> Memory {
        let mut memory = [0; MEMORY_BYTES];
        memory.copy_from_slice(self.board.memory());
        memory
    }

    pub(crate) fn step(&mut self, input: Input<'_>) {
        let outputs = self.board.step(Micros::new(self.now), input);
        self.follow(outputs);
    }

    fn follow(&mut self, outputs: Outputs) {
        self.outputs = outputs;
        let mut bytes = [0; 64];
        loop {
            let moved = self.board.transmit(&mut bytes);
            if moved == 0 {
                break;
            }
            for received in bytes[..moved].iter().filter_map(|byte| self.decoder.push(*byte)) {
                match received.expect("the board sends whole frames") {
                    Received::Greeting { greeting, .. } => self.greeted.push(greeting),
                    Received::Message { message, .. } => self.said.push(message),
                }
            }
        }
        if outputs.save {
            if self.store_works {
                self.stored = Some(*self.board.record());
            }
            let stored = self.store_works;
            let outputs = self.board.step(Micros::new(self.now), Input::Saved { stored });
            self.follow(outputs);
        }
    }

    pub(crate) fn sample(&mut self) {
        let Sensors { current, voltage, temperature } = self.sensors;
        self.step(Input::Sample(Sample {
            at: self.now as u32,
            current: current.map(Milliamps::new),
            voltage: voltage.map(Millivolts::new),
            temperature: temperature.map(Millicelsius::new),
        }));
    }

    /// Lets time go by, ms: samples at their pace, heartbeats five times a second.
    pub(crate) fn run(&mut self, millis: u64) {
        self.run_until(millis, |_| false);
    }

    /// The same, until something holds; says whether it did.
    pub(crate) fn run_until(&mut self, millis: u64, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let period = self.board.config().sample_period.get() * 1_000;
        let end = self.now + millis * 1_000;
        while self.now < end {
            self.now += period;
            self.sample();
            if self.beating && (self.now / period).is_multiple_of((200_000 / period).max(1)) {
                self.beat();
            }
            if holds(self) {
                return true;
            }
        }
        false
    }

    pub(crate) fn beat(&mut self) {
        self.beats += 1;
        let uptime_ms = (self.now / 1_000) as u32;
        self.say(ToMcu::Heartbeat { count: self.beats, uptime_ms });
    }

    /// The host greets, as the program of its `boot`th start.
    pub(crate) fn greet(&mut self) {
        self.greet_as(1, Versions::SPOKEN);
    }

    pub(crate) fn greet_as(&mut self, boot: u32, versions: Versions) {
        let firmware = FirmwareVersion::default();
        let hello = Hello { versions, name: "host".try_into().unwrap(), firmware, boot: BootNumber(boot) };
        let frame = encode_greeting(self.number, &Greeting::Hello(hello)).unwrap();
        self.number += 1;
        self.step(Input::Serial(&frame));
    }

    /// The host says something; gives the number of the frame.
    pub(crate) fn say(&mut self, message: ToMcu) -> u32 {
        let number = self.number;
        self.number += 1;
        let frame = encode(1, number, &message).unwrap();
        self.step(Input::Serial(&frame));
        number
    }

    /// The host commands something: what the board answers.
    pub(crate) fn command(&mut self, message: ToMcu) -> Result<(), trimtab_supervisor::wire::NackReason> {
        let before = self.said.len();
        let number = self.say(message);
        let answer = self.said[before..].iter().rev().find_map(|said| match said {
            FromMcu::Ack { of } if *of == number => Some(Ok(())),
            FromMcu::Nack(nack) if nack.of == number => Some(Err(nack.reason)),
            _ => None,
        });
        answer.expect("every command is answered")
    }

    /// Asks for one thing and gives what came.
    pub(crate) fn ask<T>(&mut self, query: trimtab_supervisor::wire::Query, read: impl Fn(&FromMcu) -> Option<T>) -> T {
        let before = self.said.len();
        self.command(ToMcu::Query(query)).unwrap();
        self.said[before..].iter().find_map(read).expect("the answer came")
    }

    pub(crate) fn counters(&mut self) -> trimtab_supervisor::wire::Counters {
        self.ask(trimtab_supervisor::wire::Query::Counters, |said| match said {
            FromMcu::Counters(counters) => Some(*counters),
            _ => None,
        })
    }

    pub(crate) fn challenge(&mut self) -> trimtab_supervisor::wire::Challenge {
        self.ask(trimtab_supervisor::wire::Query::Challenge, |said| match said {
            FromMcu::Challenge(challenge) => Some(*challenge),
            _ => None,
        })
    }

    /// A release of the last trip, sealed as it must be.
    pub(crate) fn release(&mut self) -> ToMcu {
        let challenge = self.challenge();
        let trip = challenge.trip.map_or(TripId(0), |trip| trip.id);
        ToMcu::Release { trip, tag: key().release(&challenge.nonce, trip) }
    }

    pub(crate) fn state(&self) -> State {
        self.board.state()
    }

    /// Causes of all trips, in order.
    pub(crate) fn trips(&self) -> Vec<(State, trimtab_supervisor::wire::Cause)> {
        self.said
            .iter()
            .filter_map(|said| match said {
                FromMcu::Event(entry) => match entry.event {
                    trimtab_supervisor::wire::Event::Tripped(trip) => Some((trip.state, trip.cause)),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    pub(crate) fn telemetry(&self) -> Vec<trimtab_supervisor::wire::Telemetry> {
        let telemetry = self.said.iter().filter_map(|said| match said {
            FromMcu::Telemetry(telemetry) => Some(*telemetry),
            _ => None,
        });
        telemetry.collect()
    }
}
